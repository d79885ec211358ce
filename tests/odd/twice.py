"""A task that enlarges: pictures of half the size become such of twice the size, from single photos."""

from __future__ import annotations

from dataclasses import replace

from numpy.random import Generator

from diptych import images
from diptych.images import Picture
from diptych.tasks.pairs import Pairs
from diptych.tasks.task import Sample


class Twice(Pairs):
    alone, scale, in_parts = True, 2, False

    def pair(self, sample: Sample, rng: Generator) -> tuple[Picture, Picture]:
        target = sample["target"]
        height, width = target.array.shape[:2]
        small = images.resize(target.array, -(-height // 2), -(-width // 2))
        return replace(target, array=images.resize(small, height, width)), target

    def source(self, image: Picture) -> Picture:
        height, width = image.array.shape[:2]
        alpha = None if image.alpha is None else images.resize(image.alpha[..., None], 2 * height, 2 * width)[..., 0]
        return replace(image, array=images.resize(image.array, 2 * height, 2 * width), alpha=alpha)

    def finish(self, output: Picture, source: Picture, image: Picture) -> Picture:
        return super().finish(output, source, source)


TASK = Twice
