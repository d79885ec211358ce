"""Where the tiles of a picture lie, and how their results grow together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor


@dataclass(frozen=True)
class Span:
    """A tile along one side: its own part, from `start` to `end`; what it is shown, from `low` to `high`."""

    start: int
    end: int
    low: int
    high: int

    def weights(self, blend: int, length: int) -> tuple[int, Tensor]:
        """How much of the result is this tile's, by place: 1 inside, ramps of `2 * blend` towards its neighbours.

        The ramps of neighbours sum to 1. The first number is the place where the weights begin.
        """
        low, high = max(0, self.start - blend), min(length, self.end + blend)
        place = torch.arange(low, high, dtype=torch.float32) + 0.5
        weight = torch.ones(high - low)
        if blend and self.start > 0:
            weight *= ((place - (self.start - blend)) / (2 * blend)).clamp(0, 1)
        if blend and self.end < length:
            weight *= ((self.end + blend - place) / (2 * blend)).clamp(0, 1)
        return low, weight


def spans(length: int, size: int, halo: int, step: int) -> list[Span]:
    """Tiles of about `size` along a side of `length`, all of whose places are multiples of `step`, as length is.

    They are of equal size as nearly as may be, and are shown `halo` more on either side, at least.
    """
    size, halo = max(step, size // step * step), -(-halo // step) * step
    count = max(1, round(length / size))
    edges = [round(length / step * number / count) * step for number in range(count + 1)]
    return [
        Span(start, end, max(0, start - halo), min(length, end + halo)) for start, end in pairwise(edges) if end > start
    ]


def spread(count: int, wanted: int) -> list[int]:
    """`wanted` of the numbers below `count`, evenly spread; all of them, if there are no more."""
    if count <= wanted:
        return list(range(count))
    return sorted({int((number + 0.5) * count / wanted) for number in range(wanted)})
