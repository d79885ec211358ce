"""A task that leaves a trace each time it is asked: 20 brighter before the network, 50 brighter after it."""

from __future__ import annotations

from dataclasses import replace

from numpy.random import Generator

from diptych.images import Picture
from diptych.tasks.pairs import Pairs
from diptych.tasks.task import Sample

BEFORE, AFTER = 20, 50


class Counting(Pairs):
    def pair(self, sample: Sample, rng: Generator) -> tuple[Picture, Picture]:
        return self.source(sample["source"]), sample["target"]

    def source(self, image: Picture) -> Picture:
        return replace(image, array=image.array + BEFORE)

    def finish(self, output: Picture, source: Picture, image: Picture) -> Picture:
        return super().finish(replace(output, array=output.array + AFTER), source, image)


TASK = Counting
