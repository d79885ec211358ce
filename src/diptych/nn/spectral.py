"""Spectral normalisation: a layer whose weight is divided by its largest singular value stretches no input.

Miyato, Kataoka, Koyama, Yoshida: Spectral Normalization for Generative Adversarial Networks, ICLR 2018.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FIRST_STEPS = 15
"""Steps of the power method before the first use."""


class SpectralNorm(nn.Module):
    """Divides a weight, as a matrix of one row for each output, by its largest singular value.

    It is made for `torch.nn.utils.parametrize`. The singular value is that of u and v, which `follow` moves, once for
    each move of the weight (the paper's algorithm 1). The forward pass only reads them, unlike that of torch's
    `spectral_norm`: done again for the backward pass, or for the parts of a batch, it gives the same.
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        for name, size in zip("uv", weight.flatten(1).shape, strict=True):
            self.register_buffer(name, F.normalize(torch.randn(size, device=weight.device), dim=0))
        self.follow(weight, FIRST_STEPS)

    def forward(self, weight: Tensor) -> Tensor:
        return weight / (torch.outer(self.u, self.v) * weight.flatten(1)).sum()

    @torch.no_grad()
    def follow(self, weight: Tensor, steps: int = 1) -> None:
        """Bring u and v closer to the singular vectors of `weight` by steps of the power method."""
        matrix = weight.flatten(1)
        for _ in range(steps):
            self.v.copy_(F.normalize(matrix.t().mv(self.u), dim=0))
            self.u.copy_(F.normalize(matrix.mv(self.v), dim=0))
