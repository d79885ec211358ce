"""A Brownian bridge between two pictures: one loss in training, many network calls in use (Li et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from diptych.methods.method import Method, Step
from diptych.options.controls import Seed


class Sampler(Method):
    keep = ("denoiser",)
    size_multiple = 2

    def __init__(self, *, source_channels: int = 3, target_channels: int = 3) -> None:
        super().__init__()
        self.denoiser = nn.Conv2d(target_channels + 1, target_channels, 3, padding=1)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"denoiser": [self.denoiser]}

    def steps(self, source: Tensor, target: Tensor) -> Iterator[Step]:
        t = torch.rand(len(source), 1, 1, 1, device=source.device)
        between = (1 - t) * target + t * source + (t * (1 - t)).sqrt() * torch.randn_like(target)
        yield Step("denoiser", l2=(self.predict(between, t) - target).square().mean())

    def predict(self, x: Tensor, t: Tensor) -> Tensor:
        return self.denoiser(torch.cat([x, t.expand(len(x), 1, *x.shape[2:])], dim=1))

    def translate(self, x: Tensor, *, steps: int = 4, seed: Seed = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        now = x
        for step in range(steps, 0, -1):
            t, later = x.new_full((1, 1, 1, 1), step / steps), (step - 1) / steps
            noise = torch.randn(1, *x.shape[1:], generator=generator).to(x)
            now = (1 - later) * self.predict(now, t) + later * x + 0.1 * later * (1 - later) * noise
        return now
