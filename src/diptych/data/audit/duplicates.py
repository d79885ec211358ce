"""Images that are nearly the same: copies that were resized, compressed again or made lighter, and frames of one scene.

Small grey thumbnails are compared twice: their coarse structure finds candidates, their fine structure decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

COARSE = 8
"""Height and width of a thumbnail whose structure is compared first."""
ALIKE, SAME = 0.95, 0.85
"""Correlation of coarse and of fine structure from which on two images are nearly the same."""
FLAT = 3.0
"""Spread of grey levels below which a thumbnail has no structure to compare."""
ROWS, COLUMNS = 256, 4096
"""Images that are compared at a time: what bounds the memory."""
DENSE = 0.02
"""Share of candidates from which on a whole block is compared at once."""


def nearly_same(sides: Sequence[np.ndarray]) -> list[list[int]]:
    """Groups of images, by their numbers, that are nearly the same on every side.

    sides: for each side of a pair, or for the only one, thumbnails `N H W` of uint8.
    """
    structures = [
        Structure(side, _unit(_coarse(side)), side.std(axis=(1, 2), dtype=np.float32) < FLAT) for side in sides
    ]
    groups = Groups()
    for i, j in _pairs(structures):
        groups.join(i, j)
    return groups.found()


class Structure(NamedTuple):
    """What is compared of all images of a side."""

    thumbnails: np.ndarray
    coarse: np.ndarray
    flat: np.ndarray  # whether there is nothing to compare


class Groups:
    """Numbers that were joined, directly or through others."""

    def __init__(self) -> None:
        self.parents: dict[int, int] = {}

    def root(self, number: int) -> int:
        while (parent := self.parents.setdefault(number, number)) != number:
            self.parents[number] = number = self.parents[parent]
        return number

    def join(self, a: int, b: int) -> None:
        self.parents[self.root(b)] = self.root(a)

    def found(self) -> list[list[int]]:
        groups: dict[int, list[int]] = defaultdict(list)
        for number in sorted(self.parents):
            groups[self.root(number)].append(number)
        return [group for group in groups.values() if len(group) > 1]


def _pairs(structures: Sequence[Structure]) -> Iterator[tuple[int, int]]:
    count = len(structures[0].coarse) if structures else 0
    for top in range(0, count, ROWS):
        for left in range(top - top % COLUMNS, count, COLUMNS):
            rows, columns = slice(top, top + ROWS), slice(left, left + COLUMNS)
            i, j = _candidates(structures, rows, columns)
            later = left + j > top + i
            i, j = i[later], j[later]
            for one in structures:
                kept = _correlated(one.thumbnails[rows], one.thumbnails[columns], i, j) >= SAME
                i, j = i[kept], j[kept]
            yield from zip((top + i).tolist(), (left + j).tolist(), strict=True)


def _candidates(structures: Sequence[Structure], rows: slice, columns: slice) -> tuple[np.ndarray, ...]:
    alike = [
        (one.coarse[rows] @ one.coarse[columns].T >= ALIKE) & ~(one.flat[rows, None] | one.flat[None, columns])
        for one in structures
    ]
    return np.nonzero(np.logical_and.reduce(alike))


def _correlated(a: np.ndarray, b: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """How the fine structures of the thumbnails `i` of a and `j` of b agree."""
    (rows, i), (columns, j) = (np.unique(some, return_inverse=True) for some in (i, j))
    x, y = _unit(_fine(a[rows])), _unit(_fine(b[columns]))
    if len(i) > DENSE * len(a) * len(b):
        dense: np.ndarray = (x @ y.T)[i, j]
        return dense
    parts = [(x[i[n : n + COLUMNS]] * y[j[n : n + COLUMNS]]).sum(axis=1) for n in range(0, len(i), COLUMNS)]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def _coarse(thumbnails: np.ndarray) -> np.ndarray:
    step = thumbnails.shape[1] // COARSE
    coarse: np.ndarray = thumbnails.reshape(-1, COARSE, step, COARSE, step).mean(axis=(2, 4), dtype=np.float32)
    return coarse


def _fine(thumbnails: np.ndarray) -> np.ndarray:
    """What the thumbnails show beside their coarse structure: each pixel without the mean of those around it."""
    x = np.pad(thumbnails, ((0, 0), (1, 1), (1, 1)), mode="edge").astype(np.float32)
    rows = x[:, :-2] + x[:, 1:-1] + x[:, 2:]
    fine: np.ndarray = thumbnails - (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / 9
    return fine


def _unit(structure: np.ndarray) -> np.ndarray:
    """Each as one vector of mean 0 and length 1."""
    x = structure.reshape(len(structure), np.prod(structure.shape[1:], dtype=int))
    x = x - x.mean(axis=1, keepdims=True)
    unit: np.ndarray = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6)
    return unit
