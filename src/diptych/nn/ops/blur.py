"""Halving and doubling that blur first, so that no pattern aliases (Zhang 2019): layers without weights.

The published kernels are [1, 2, 1] with mirrored borders to halve and [1, 3, 3, 1] with repeated ones to double. As
convolutions of each channel by itself they cost as much as the large convolutions beside them. Two means of neighbours
in succession are the first, though, and linear interpolation is the second, borders included. The gradients are means
of neighbours too; torch's own are the same, but its compiler (2.13) fails at that of two means in succession, and makes
numbers without sense of that of an interpolation.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Mean(torch.autograd.Function):
    """The mean of each 2x2 neighbours."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2, stride=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return F.avg_pool2d(gradients[0], 2, stride=1, padding=1)


class Interpolation(torch.autograd.Function):
    """Twice as high and wide, each new pixel by the four that are nearest; its gradient spreads [1, 3, 3, 1] back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        repeated = F.avg_pool2d(gradients[0], 2, stride=1, padding=1, count_include_pad=False)
        return 4 * F.avg_pool2d(F.avg_pool2d(repeated, 2, stride=1), 2)


class BlurDown(nn.Module):
    """Halve height and width, odd ones rounded up."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(Mean.apply(x), 2, stride=2, padding=1, count_include_pad=False)


class BlurUp(nn.Module):
    """Double height and width."""

    def forward(self, x: Tensor) -> Tensor:
        return Interpolation.apply(x)
