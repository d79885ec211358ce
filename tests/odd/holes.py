"""A task that fills a hole: each draw has another one, and whoever uses it says where; what is around it stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from numpy.random import Generator

from diptych.errors import ConfigError
from diptych.images import Picture
from diptych.options.controls import Mask
from diptych.tasks.pairs import Pairs
from diptych.tasks.task import Sample


class Holes(Pairs):
    alone, keeps, in_parts = True, True, False

    def channels(self, source: int, target: int) -> tuple[int, int]:
        return source + 1, target

    def pair(self, sample: Sample, rng: Generator) -> tuple[Picture, Picture]:
        target = sample["target"]
        height, width = target.array.shape[:2]
        top, left = int(rng.integers(height // 2)), int(rng.integers(width // 2))
        return holed(target, left, top, width // 3, height // 3), target

    def source(
        self,
        image: Picture,
        *,
        box: Annotated[str, "where the hole is: left,top,width,height"] = "",
        mask: Annotated[Mask, "the hole, in white"] = None,
    ) -> Picture:
        if box and mask is not None:
            raise ConfigError("box and mask both say where the hole is: give one of them")
        if mask is not None:
            return cut(image, mask > 0)
        numbers = box.split(",") if box else ["0"] * 4
        if len(numbers) != 4 or not all(number.strip().isdecimal() for number in numbers):
            raise ConfigError(f"box = {box!r}: give four numbers, as in 8,8,16,16")
        return holed(image, *map(int, numbers))

    def finish(self, output: Picture, source: Picture, image: Picture) -> Picture:
        made = super().finish(output, source, image)
        hole = source.array[..., -1:] > 0
        return replace(made, array=np.where(hole, made.array, source.array[..., :-1]))


def holed(image: Picture, left: int, top: int, width: int, height: int) -> Picture:
    """The picture without what is in a box."""
    hole = np.zeros((*image.array.shape[:2], 1), bool)
    hole[top : top + height, left : left + width] = True
    return cut(image, hole)


def cut(image: Picture, hole: np.ndarray) -> Picture:
    """The picture without what is in the hole, `H W 1` of bool, and one channel more, which says where that is."""
    seen = np.where(hole, 0, image.array).astype(image.array.dtype)
    return replace(image, array=np.concatenate([seen, np.where(hole, 255, 0).astype(seen.dtype)], axis=2))


TASK = Holes
