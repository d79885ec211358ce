"""Where the tiles of a picture lie, and how their results grow together."""

from __future__ import annotations

from collections.abc import Sequence
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


@dataclass(frozen=True)
class Part:
    """A part of a picture: rows from top to bottom, columns from left to right."""

    top: int
    bottom: int
    left: int
    right: int

    def __and__(self, other: Part) -> Part:
        """What is in both."""
        return Part(
            max(self.top, other.top),
            min(self.bottom, other.bottom),
            max(self.left, other.left),
            min(self.right, other.right),
        )

    def of(self, x: Tensor, stride: int, top: int = 0, left: int = 0) -> Tensor:
        """Of features that begin there, and whose values stand for `stride` pixels a side, those of this part."""
        rows = slice((self.top - top) // stride, -(-(self.bottom - top) // stride))
        columns = slice((self.left - left) // stride, -(-(self.right - left) // stride))
        return x[..., rows, columns]

    @property
    def height(self) -> int:
        return max(0, self.bottom - self.top)

    @property
    def width(self) -> int:
        return max(0, self.right - self.left)

    @property
    def pixels(self) -> int:
        return self.height * self.width


@dataclass(frozen=True)
class Tile:
    """One tile: its rows and its columns."""

    rows: Span
    columns: Span

    @property
    def part(self) -> Part:
        """Its own part of the picture."""
        return Part(self.rows.start, self.rows.end, self.columns.start, self.columns.end)

    @property
    def shown(self) -> Part:
        """What it is shown."""
        return Part(self.rows.low, self.rows.high, self.columns.low, self.columns.high)

    def stride(self, size: Sequence[int]) -> int | None:
        """How many pixels a side each value of features of that size stands for, if they are the tile's."""
        (height, width), shown = size, self.shown
        ratio = shown.height // height if height else 0
        return ratio if ratio and (height * ratio, width * ratio) == (shown.height, shown.width) else None

    def cut(self, x: Tensor, part: Part) -> Tensor:
        """Of features of the tile those of a part of the picture, of which it shows all."""
        stride = self.stride(x.shape[-2:])
        assert stride, "not the tile's features"
        return part.of(x, stride, self.rows.low, self.columns.low)


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
