"""A conditional variational autoencoder with a warm-up that is a function of progress (Sohn et al. 2015)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.methods.method import Method, Step
from diptych.options.controls import Seed


class Encoder(Method):
    keep = ("decoder",)

    def __init__(self, *, source_channels: int = 1, target_channels: int = 2, codes: int = 4) -> None:
        super().__init__()
        self.codes = codes
        self.encoder = nn.Conv2d(source_channels + target_channels, 2 * codes, 3, padding=1)
        self.decoder = nn.Conv2d(source_channels + codes, target_channels, 3, padding=1)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"VAE": [self.encoder, self.decoder]}

    def steps(self, source: Tensor, target: Tensor) -> Iterator[Step]:
        mean, log_variance = self.encoder(torch.cat([source, target], dim=1)).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        output = self.decoder(torch.cat([source, code], dim=1))
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
        yield Step("VAE", l1=F.l1_loss(output, target), kl=min(1.0, 2 * self.progress + 0.01) * kl)

    def translate(self, x: Tensor, *, seed: Seed = 0) -> Tensor:
        code = torch.randn(1, self.codes, 1, 1, generator=torch.Generator().manual_seed(seed))
        return self.decoder(torch.cat([x, code.expand(len(x), -1, *x.shape[2:])], dim=1))
