"""Peak signal-to-noise ratio: how far the squared error lies below the full range, in decibels."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

CAP = 100.0
PROTOCOL = (
    "10 log10(range^2 / mean squared error over pixels and channels), the data's whole range as peak, "
    "per picture in dB, at most 100 (equal pictures would be infinite)"
)
BETTER: Literal["higher", "lower"] = "higher"


def measure(output: Tensor, target: Tensor) -> Tensor:
    """PSNR in dB of each pair of pictures `B C H W` in [-1, 1]: shape `(B,)`, capped so that means stay finite."""
    error = (output - target).square().mean(dim=(1, 2, 3))
    return (10 * torch.log10(4 / error)).clamp(max=CAP)
