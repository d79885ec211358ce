"""Spectral normalisation: a layer whose weight is divided by its largest singular value stretches no input.

Miyato, Kataoka, Koyama, Yoshida: Spectral Normalization for Generative Adversarial Networks, ICLR 2018.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.ops.divide_by_sigma import divide_by_sigma, power_step

FIRST_STEPS = 15
"""Steps of the power method before the first use."""


class SpectralNorm(nn.Module):
    """Divides a weight, as a matrix of one row for each output, by its largest singular value.

    It is made for `torch.nn.utils.parametrize`. The singular value is that of u and v, which `power_iteration` moves,
    once for each move of the weight (the paper's algorithm 1). The forward pass only reads them, unlike that of torch's
    `spectral_norm`: done again for the backward pass, or for the parts of a batch, it gives the same.
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        for name, size in zip("uv", weight.flatten(1).shape, strict=True):
            self.register_buffer(name, F.normalize(torch.randn(size, device=weight.device), dim=0))
        self.power_iteration(weight, FIRST_STEPS)

    def forward(self, weight: Tensor) -> Tensor:
        return weight / (torch.outer(self.u, self.v) * weight.flatten(1)).sum()

    @torch.no_grad()
    def power_iteration(self, weight: Tensor, steps: int = 1) -> None:
        """Bring u and v closer to the singular vectors of `weight` by steps of the power method."""
        if weight.is_meta:  # without memory there is nothing to bring closer
            return
        matrix = weight.flatten(1)
        for _ in range(steps):
            self.v.copy_(F.normalize(matrix.t().mv(self.u), dim=0))
            self.u.copy_(F.normalize(matrix.mv(self.v), dim=0))


class SpectralNormConv2d(nn.Conv2d):
    """A convolution that hardly stretches any input: its weight is divided by sigma, that of its singular vectors u, v.

    As in `SpectralNorm` the forward pass reads u and v and leaves them alone; whoever trains calls `power_iteration`.
    """

    u: Tensor
    v: Tensor

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.folded = False
        for name, size in zip("uv", (len(self.weight), self.weight[0].numel()), strict=True):
            self.register_buffer(name, F.normalize(torch.randn(size), dim=0))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight if self.folded else divide_by_sigma(self.weight, self.u, self.v)
        return self._conv_forward(x, weight, self.bias)

    @torch.no_grad()
    def power_iteration(self) -> None:
        """Bring u and v closer to the singular vectors of the weight by one step of the power method."""
        if self.weight.is_meta:  # without memory there is nothing to bring closer
            return
        for buffer, value in zip((self.u, self.v), power_step(self.weight, self.u), strict=True):
            buffer.copy_(value)

    @torch.no_grad()
    def fold_weights(self) -> None:
        """Divide the weight for good: it will not be trained any more."""
        self.weight.copy_(divide_by_sigma(self.weight, self.u, self.v))
        self.folded = True


def convolution(*, spectral: bool) -> type[nn.Conv2d]:
    """The kind of convolution to build with."""
    return SpectralNormConv2d if spectral else nn.Conv2d


def spectral_convolutions(networks: Iterable[nn.Module]) -> list[SpectralNormConv2d]:
    """The convolutions in `networks` that have a spectral norm."""
    modules = (module for network in networks for module in network.modules())
    return [module for module in modules if isinstance(module, SpectralNormConv2d)]


def power_iteration(networks: Iterable[nn.Module]) -> None:
    """Move the singular vectors of all spectral norms in `networks` after their weights by a step."""
    for module in spectral_convolutions(networks):
        module.power_iteration()
