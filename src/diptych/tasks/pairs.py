"""Given pairs: both pictures are in the data, and a user's picture is the source as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from numpy.random import Generator

from diptych import images
from diptych.images import Picture
from diptych.tasks.task import Sample, Sections

OF_PHOTOS: Sections = {
    "data": {"size": 192, "load": 256, "resize": "short", "enlarge": True},
    "train": {"images": 12000, "batch": 8},
}
"""What suits tasks that learn what photos show, from photos of any size."""


class Pairs:
    """The source is given, the target is given; a translation keeps its source's format, and what is still true of it.

    That is its alpha, its resolution and coordinates, and which pixels hold no data.
    """

    alone = False
    scale = 1
    keeps = False
    in_parts = True
    method: ClassVar[str] = "paired"
    defaults: ClassVar[Sections] = {}

    def channels(self, source: int, target: int) -> tuple[int, int]:
        return source, target

    def pair(self, sample: Sample, rng: Generator) -> tuple[Picture, Picture]:
        return sample["source"], sample["target"]

    def rounds(self, image: Picture, **controls: Any) -> list[dict[str, Any]]:
        return [controls]

    def source(self, image: Picture) -> Picture:
        return image

    def finish(self, output: Picture, source: Picture, image: Picture) -> Picture:
        alpha = None
        if image.alpha is not None and not output.ids:  # a map of ids has none
            alpha = images.convert(image.alpha, output.array.dtype)
        kept = image.metadata.held_by(output.array.dtype, ids=output.ids)
        array = output.array if output.ids else kept.emptied(output.array, image.array)
        notes = (*image.notes, *output.notes)
        return replace(output, array=array, alpha=alpha, format=image.format, notes=notes, metadata=kept)


TASK = Pairs
