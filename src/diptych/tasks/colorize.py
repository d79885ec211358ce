"""Grey to colour: a network proposes the colours, and each pixel keeps the lightness that it had.

Zhang, Isola, Efros: Colorful Image Colorization, ECCV 2016, set the task.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.random import Generator

from diptych import images
from diptych.images import Picture
from diptych.tasks.pairs import OF_PHOTOS, Pairs
from diptych.tasks.task import Sample, Sections


class Colorize(Pairs):
    """Grey photos to colour; learns from colour photos, and keeps the lightness of the user's picture."""

    alone = True
    defaults: ClassVar[Sections] = {**OF_PHOTOS, "method": {"residual": True}}

    def channels(self, source: int, target: int) -> tuple[int, int]:
        return 1, 3

    def pair(self, sample: Sample, rng: Generator) -> tuple[Picture, Picture]:
        target = sample["target"]
        target = replace(target, array=images.match_channels(target.array, 3))
        return self.source(target), target

    def source(self, image: Picture) -> Picture:
        return replace(image, array=images.match_channels(image.array, 1))

    def finish(self, output: Picture, source: Picture, image: Picture) -> Picture:
        return super().finish(with_lightness(output, source), source, image)


def with_lightness(output: Picture, grey: Picture) -> Picture:
    """The colours of a result at the lightness of a grey picture, in the dtype of the latter.

    Where such a colour does not exist, it is as saturated as there is one: between grey and it.
    """
    made = images.convert(output.array, "float32", output.limits)
    lightness = images.convert(grey.array, "float32", grey.limits)
    chroma = made - (made @ images.LUMA)[..., None]
    room = np.where(chroma > 0, 1 - lightness, lightness)
    most = np.divide(room, np.abs(chroma), out=np.ones_like(chroma), where=np.abs(chroma) > 1e-6)
    share = most.min(axis=2, keepdims=True).clip(0, 1)
    array = images.convert((lightness + share * chroma).clip(0, 1), grey.array.dtype, to=grey.limits)
    return replace(output, array=array, span=grey.span)


TASK = Colorize
