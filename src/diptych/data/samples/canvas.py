"""The one map of parts that all pictures of a scene are looked up in, drawn three times as fine as they are.

The middle one of each 3 x 3 fine pixels is exactly the centre of the pixel: it gives labels, instances and edges,
unmixed. The mean of the nine gives day and night.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diptych.data.samples.scene import CLASSES, IDS, Box, Scene

FINE = 3
Field = np.ndarray  # one value per pixel, float32
Planes = np.ndarray  # three rows of them: red, green, blue


class Grain:
    """Noise without a resolution: a table of chances, looked up by cell or interpolated between cells."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.table = rng.random((64, 64)).astype(np.float32).ravel()

    def cell(self, row: Field, column: Field) -> Field:
        """One chance in 0..1 for each whole-numbered cell."""
        return self.table[(row.astype(np.int32) & 63) * 64 + (column.astype(np.int32) & 63)]

    def smooth(self, x: Field, y: Field) -> Field:
        """Value noise in 0..1 with features of size 1."""
        column, row = np.floor(x), np.floor(y)
        u, v = x - column, y - row
        u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
        left, right = column.astype(np.int32) & 63, (column.astype(np.int32) + 1) & 63
        upper, lower = (row.astype(np.int32) & 63) * 64, ((row.astype(np.int32) + 1) & 63) * 64
        top = self.table[upper + left] * (1.0 - u) + self.table[upper + right] * u
        noise: Field = top + v * (self.table[lower + left] * (1.0 - u) + self.table[lower + right] * u - top)
        return noise

    def cloudy(self, x: Field, y: Field, octaves: int) -> Field:
        """Noise in 0..1 with features of size 1 and of its halves."""
        total, weight = self.smooth(x, y), 1.0
        for octave in range(1, octaves):
            scale, share = float(1 << octave), 1.0 / (1 << octave)
            total += share * self.smooth(x * scale + 17.0 * octave, y * scale + 5.0 * octave)
            weight += share
        return total / weight


def tabulate(scene: Scene) -> dict[str, np.ndarray]:
    """The attributes of all parts by name, float32, the part as last index."""
    bounds = np.array([part.bounds for part in scene.parts], np.float32).T
    table = {"x0": bounds[0], "y0": bounds[1], "width": bounds[2] - bounds[0], "height": bounds[3] - bounds[1]}
    surfaces = [part.surface for part in scene.parts]
    return table | {
        "rgb": np.array([surface.rgb for surface in surfaces], np.float32).T,
        "second": np.array([surface.second for surface in surfaces], np.float32).T,
        "emission": np.array([surface.emission for surface in surfaces], np.float32).T,
        "cells": np.array([surface.cells for surface in surfaces], np.float32).T,
        "depth": np.array([surface.depth for surface in surfaces], np.float32),
        "seed": np.array([part.seed for part in scene.parts], np.float32),
    }


@dataclass(frozen=True)
class Spot:
    """Some fine pixels: where they are in the picture, and which part they show."""

    x: Field
    y: Field
    part: np.ndarray
    canvas: Canvas

    @property
    def grain(self) -> Grain:
        return self.canvas.grain

    @property
    def scene(self) -> Scene:
        return self.canvas.scene

    def of(self, name: str) -> np.ndarray:
        """An attribute of the part at each pixel; see `tabulate`."""
        return self.canvas.table[name][..., self.part]

    @property
    def u(self) -> Field:
        """Across the part, 0..1."""
        u: Field = (self.x - self.of("x0")) / self.of("width")
        return u

    @property
    def v(self) -> Field:
        """Down the part, 0..1."""
        v: Field = (self.y - self.of("y0")) / self.of("height")
        return v


class Canvas:
    """The fine map of the parts of `scene`, `side = 3 * size` pixels high and wide."""

    def __init__(self, scene: Scene, size: int) -> None:
        self.scene, self.size, self.side = scene, size, size * FINE
        axis = (np.arange(self.side) + 0.5) / self.side
        self.parts = _rasterise(scene, axis)
        self.table, self.grain = tabulate(scene), Grain(scene.look.rng)
        self.axis = axis.astype(np.float32)
        self.x, self.y = self.axis[None, :], self.axis[:, None]

    def map(self, values: np.ndarray) -> np.ndarray:
        """`values`, one per part, at every fine pixel."""
        mapped: np.ndarray = values[self.parts]
        return mapped

    def spot(self, pixels: np.ndarray) -> Spot:
        """The fine pixels of these flat indices."""
        rows, columns = np.divmod(pixels, self.side)
        return Spot(self.axis[columns], self.axis[rows], self.parts.ravel()[pixels], self)

    def groups(self, names: list[str]) -> Iterator[tuple[str, np.ndarray]]:
        """Flat indices of the fine pixels for each of the different names of parts; "" is left out."""
        kinds = sorted(set(names))
        numbers = self.map(np.array([kinds.index(name) for name in names], np.uint8)).ravel()
        order = np.argsort(numbers, kind="stable")  # a radix sort: cheaper than one search per kind
        ends = np.cumsum(np.bincount(numbers, minlength=len(kinds)))
        for kind, pixels in zip(kinds, np.split(order, ends[:-1]), strict=True):
            if kind and len(pixels):
                yield kind, pixels

    @property
    def middle(self) -> np.ndarray:
        """The part at the centre of each pixel, `size x size`."""
        return self.parts[FINE // 2 :: FINE, FINE // 2 :: FINE]


def _rasterise(scene: Scene, axis: np.ndarray) -> np.ndarray:
    """The number of the frontmost part at every point of the grid `axis` x `axis`, uint16."""
    parts = np.zeros((len(axis), len(axis)), np.uint16)
    for number, part in enumerate(scene.parts):
        for form in part.forms:
            x0, y0, x1, y1 = (min(max(math.ceil(edge * len(axis) - 0.5), 0), len(axis)) for edge in form.bounds)
            if isinstance(form, Box):
                parts[y0:y1, x0:x1] = number
            elif x0 < x1 and y0 < y1:
                parts[y0:y1, x0:x1][form.covers(axis[None, x0:x1], axis[y0:y1, None])] = number
    return parts


def labels(canvas: Canvas) -> np.ndarray:
    """Ids of CLASSES, `H W` uint8."""
    ids: np.ndarray = np.array([IDS[part.surface.label] for part in canvas.scene.parts], np.uint8)[canvas.middle]
    return ids


def label_picture(ids: np.ndarray) -> np.ndarray:
    """Ids in the colours of CLASSES, `H W 3` uint8."""
    picture: np.ndarray = np.array([kind.rgb for kind in CLASSES], np.uint8)[ids]
    return picture


def instances(canvas: Canvas) -> np.ndarray:
    """Ids of things, `H W` uint16."""
    ids: np.ndarray = np.array([part.thing for part in canvas.scene.parts], np.uint16)[canvas.middle]
    return ids


def edges(canvas: Canvas) -> np.ndarray:
    """Contours, `H W 1` uint8: 0 (ink) where the next pixel to the right or below is of another thing, else 255."""
    outlines: dict[tuple[str, int, int], int] = {}
    numbers = []
    for number, part in enumerate(canvas.scene.parts):
        outline = (part.surface.label, part.thing, number if part.surface.outlined else 0)
        numbers.append(outlines.setdefault(outline, len(outlines)))
    lines = np.array(numbers, np.uint16)[canvas.middle]
    ink = np.zeros(lines.shape, bool)
    ink[:, :-1] |= lines[:, 1:] != lines[:, :-1]
    ink[:-1] |= lines[1:] != lines[:-1]
    return np.where(ink, np.uint8(0), np.uint8(255))[..., None]


def mean(fine: np.ndarray) -> np.ndarray:
    """Means of 3 x 3 fine pixels, added in an order that is the same everywhere: `... H W` of thrice the size."""
    rows = fine[..., 0::3, :] + fine[..., 1::3, :] + fine[..., 2::3, :]
    means: np.ndarray = (rows[..., 0::3] + rows[..., 1::3] + rows[..., 2::3]) * np.float32(1 / 9)
    return means


def refine(coarse: np.ndarray) -> np.ndarray:
    """The reverse of `mean` for what is smooth anyhow: each pixel three times across and down."""
    return np.repeat(np.repeat(coarse, FINE, axis=-1), FINE, axis=-2)


def slide(field: np.ndarray, radius: int, axis: int) -> np.ndarray:
    """Running mean over `2 * radius + 1` pixels along one axis, borders repeated."""
    length = field.shape[axis]
    at = np.clip(np.arange(-radius - 1, length + radius), 0, length - 1)
    sums = np.cumsum(np.take(field, at, axis), axis=axis, dtype=np.float64)
    width = 2 * radius + 1
    ends, starts = (np.take(sums, range(first, first + length), axis) for first in (width, 0))
    return ((ends - starts) / width).astype(np.float32)


def blur(field: np.ndarray, radius: float) -> np.ndarray:
    """A soft round blur of about `radius` pixels: two running means each way."""
    pixels = max(1, math.floor(radius + 0.5))
    for axis in (-1, -2, -1, -2):
        field = slide(field, pixels, axis)
    return field
