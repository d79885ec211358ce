"""Mean absolute difference: what pix2pix's own loss calls close."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

PROTOCOL = "mean over pixels and channels of |output - target|, the data's range scaled to [-1, 1]: 0 to 2"
BETTER: Literal["higher", "lower"] = "lower"


def measure(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of each pair of pictures `B C H W` in [-1, 1]: shape `(B,)`."""
    return (output - target).abs().mean(dim=(1, 2, 3))
