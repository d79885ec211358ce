"""Structural similarity: whether local means, contrasts and patterns agree.

Wang, Bovik, Sheikh, Simoncelli: Image Quality Assessment: From Error Visibility to Structural Similarity, 2004.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from diptych.errors import DataError

WINDOW, SIGMA = 11, 1.5
PROTOCOL = (
    "structural similarity in a Gaussian window of 11 pixels (sigma 1.5) about every pixel, edges mirrored, K1 = 0.01, "
    "K2 = 0.03, the data's whole range as peak, mean over pixels and channels (as torchmetrics): -1 to 1"
)
BETTER: Literal["higher", "lower"] = "higher"


def measure(output: Tensor, target: Tensor) -> Tensor:
    """SSIM of each pair of pictures `B C H W` in [-1, 1]: shape `(B,)`.

    Raises DataError when they are smaller than the window.
    """
    height, width = output.shape[-2:]
    if min(height, width) < WINDOW:
        raise DataError(f"ssim looks through a window of {WINDOW} pixels; a picture of {width} x {height} is smaller")
    brightness, contrast = agreement(output, target)
    return (brightness * contrast).mean(dim=(1, 2, 3))


def agreement(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """How far pictures agree about every pixel in brightness, and in contrast and pattern: shape kept."""
    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = (blur(x * x) - mean_x**2).clamp(min=0), (blur(y * y) - mean_y**2).clamp(min=0)
    cov = blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    return (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1), (2 * cov + c2) / (var_x + var_y + c2)


def blur(x: Tensor) -> Tensor:
    """The Gaussian mean about every pixel, channel by channel, the picture mirrored at its edges: shape kept."""
    half = WINDOW // 2
    offsets = torch.arange(-half, half + 1, dtype=x.dtype, device=x.device)
    weights = torch.softmax(-(offsets**2) / (2 * SIGMA**2), dim=0)
    planes = F.pad(x, (half, half, half, half), mode="reflect").flatten(0, 1).unsqueeze(1)
    planes = F.conv2d(F.conv2d(planes, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1))
    return planes.view_as(x)
