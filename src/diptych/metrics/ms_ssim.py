"""Structural similarity at five sizes, each half of the one before: details count less than what is seen from afar.

Wang, Simoncelli, Bovik: Multiscale Structural Similarity for Image Quality Assessment, Asilomar 2003.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from diptych.errors import DataError
from diptych.metrics import ssim

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the sizes, from the largest on: the published ones."""
SMALLEST = ssim.WINDOW * 2 ** (len(WEIGHTS) - 1)
PROTOCOL = (
    "product over five sizes, each half of the one before by means of 2 x 2 pixels, of the mean agreement in contrast "
    "and pattern without the outermost 5 pixels, of the last the whole ssim, to the powers 0.0448, 0.2856, 0.3001, "
    "0.2363, 0.1333; negative ones count as zero; the rest as ssim (as torchmetrics): 0 to 1"
)
BETTER: Literal["higher", "lower"] = "higher"


def measure(output: Tensor, target: Tensor) -> Tensor:
    """MS-SSIM of each pair of pictures `B C H W` in [-1, 1]: shape `(B,)`.

    Raises DataError where the smallest of the sizes would be below the window.
    """
    height, width = output.shape[-2:]
    if min(height, width) < SMALLEST:
        raise DataError(
            f"ms_ssim needs {SMALLEST} pixels a side for its sizes; a picture of {width} x {height} is smaller"
        )
    means, border = [], ssim.WINDOW // 2
    for _ in WEIGHTS[:-1]:
        _, contrast = ssim.agreement(output, target)
        means.append(contrast[..., border:-border, border:-border].mean(dim=(1, 2, 3)))
        output, target = F.avg_pool2d(output, 2), F.avg_pool2d(target, 2)
    means.append(ssim.measure(output, target))
    weights = torch.tensor(WEIGHTS, dtype=output.dtype, device=output.device)
    return (torch.stack(means, dim=1).clamp(min=0) ** weights).prod(dim=1)
