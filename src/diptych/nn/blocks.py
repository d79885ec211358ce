"""Small pieces that several networks share."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Dropout(nn.Module):
    """Dropout that can also act at test time, with a mask it is handed (Srivastava et al. 2014).

    In training the mask is random. At test time it does nothing, unless `forward` receives a mask of 0 and 1/(1-p).
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return F.dropout(x, self.p, self.training) if mask is None else x * mask

    def mask(self, shape: Iterable[int], generator: torch.Generator) -> Tensor:
        """Draw a mask of `shape`, to be handed to `forward`."""
        return (torch.rand(tuple(shape), generator=generator) >= self.p).float() / (1 - self.p)


def initialise(network: nn.Module, std: float = 0.02) -> nn.Module:
    """Draw convolutions from N(0, std) and norm weights from N(1, std), biases zero (Radford et al. 2016)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, std)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, std)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return network
