"""Pixel accuracy: the share of pixels of a label map that are right (Long, Shelhamer, Darrell 2015, §5)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

PROTOCOL = "the share of pixels with the right class, among those whose class is known, per picture"
BETTER: Literal["higher", "lower"] = "higher"


def measure(output: Tensor, target: Tensor) -> Tensor:
    """The share for each pair of one-hot label maps `B K H W`, of which the largest counts: shape `(B,)`."""
    known = target.amax(dim=1) > 0
    right = (output.argmax(dim=1) == target.argmax(dim=1)) & known
    return right.sum(dim=(1, 2)) / known.sum(dim=(1, 2)).clamp(min=1)
