"""Correlation of brightness: one for the same light and dark places, minus one where light and dark are exchanged."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

PROTOCOL = (
    "Pearson's correlation over pixels of the two pictures' brightness, the mean of their channels: -1 to 1; "
    "0 where one of them is even"
)
BETTER: Literal["higher", "lower"] = "higher"


def measure(output: Tensor, target: Tensor) -> Tensor:
    """The correlation of each pair of pictures `B C H W`, whose channels may differ in number: shape `(B,)`."""
    a, b = (x.double().mean(dim=1).flatten(1) for x in (output, target))
    a, b = (x - x.mean(dim=1, keepdim=True) for x in (a, b))
    spread = (a.square().sum(dim=1) * b.square().sum(dim=1)).sqrt()
    return ((a * b).sum(dim=1) / spread.clamp(min=1e-9)).float()
