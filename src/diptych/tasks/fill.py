"""A hole to a filled picture (inpainting): a network makes what could be there, from a smooth guess of its colours.

Pathak, Kraehenbuehl, Donahue, Darrell, Efros: Context Encoders, CVPR 2016; irregular holes as in Liu et al.: Image
Inpainting for Irregular Holes Using Partial Convolutions, ECCV 2018.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Interval
from numpy.random import Generator
from PIL import Image, ImageDraw

from diptych import images
from diptych.errors import ConfigError, DataError
from diptych.images import Picture
from diptych.images.filling import smooth_guess
from diptych.images.lines import field
from diptych.options.controls import Mask, Of
from diptych.tasks.keeping import like, masked, pasted, with_mask
from diptych.tasks.pairs import OF_PHOTOS, Pairs
from diptych.tasks.task import Sample, Sections


class Fill(Pairs):
    """Fills holes in pictures; learns from whole photos, into which it makes holes itself: boxes, strokes, blots.

    most: the largest share of a training picture that its hole takes. Outside of the hole a result is the user's
    picture, bit by bit.
    """

    alone, keeps, in_parts = True, True, False
    defaults: ClassVar[Sections] = {**OF_PHOTOS, "method": {"residual": True}}

    def __init__(self, *, most: Annotated[float, Interval(gt=0, le=0.9)] = 0.4) -> None:
        self.most = most

    def channels(self, source: int, target: int) -> tuple[int, int]:
        return source + 1, target

    def pair(self, sample: Sample, rng: Generator) -> tuple[Picture, Picture]:
        target = sample["target"]
        height, width, _ = target.array.shape
        return holed(target, random_hole(rng, height, width, self.most)), target

    def source(
        self,
        image: Picture,
        *,
        mask: Annotated[Mask, "what is to be filled, in white; else it is what is transparent"] = None,
        box: Annotated[
            str, Of("text", aside=True), "or a box that is: x,y,width,height in pixels, from the upper left corner"
        ] = "",
    ) -> Picture:
        if mask is not None and box:
            raise ConfigError("mask and box both say what is to be filled: give one of them")
        hole = np.asarray(mask) > 0 if mask is not None else in_box(image, box) if box else transparent(image)
        if not hole.any():
            raise DataError("nothing is to be filled: the mask has no white in it")
        if hole.all():
            raise DataError("all of the picture is to be filled: leave some of it, from which to tell what is there")
        return holed(image, hole)

    def finish(self, output: Picture, source: Picture, image: Picture) -> Picture:
        hole, array = masked(source), source.array[..., :-1] if image.prepared else image.array
        image = replace(image, array=array)
        if image.alpha is not None:
            opaque = image.alpha.dtype.type(images.value_range(image.alpha.dtype)[1])
            image = replace(image, alpha=np.where(hole[..., 0], opaque, image.alpha))
        return super().finish(pasted(like(output, image), array, hole), source, image)


def holed(image: Picture, hole: np.ndarray) -> Picture:
    """A picture with its hole, `H W 1` of bool, filled smoothly from around it, and a channel that says where it is."""
    return with_mask(image, smooth_guess(image.array, hole, image.limits), hole)


def transparent(image: Picture) -> np.ndarray:
    """Where a picture is more transparent than not. Raises ConfigError where it has no transparency."""
    if image.alpha is None or not (hole := image.alpha < images.value_range(image.alpha.dtype)[1] / 2).any():
        raise ConfigError("what is to be filled? Give a mask, or a box, or a picture that is transparent there")
    return hole[..., None]


def in_box(image: Picture, box: str) -> np.ndarray:
    """Where a picture is in a box. Raises ConfigError for what is none, or lies beside the picture."""
    numbers = [int(word) for word in re.findall(r"\d+", box)] if re.fullmatch(r"\s*\d+(\s*,\s*\d+){3}\s*", box) else []
    if not numbers:
        raise ConfigError(f"box = {box!r}: give four numbers, as in 40,30,100,80")
    left, top, width, height = numbers
    hole = np.zeros((*image.array.shape[:2], 1), bool)
    hole[top : top + height, left : left + width] = True
    if not hole.any():
        raise DataError(f"box = {box}: the picture, {hole.shape[1]}x{hole.shape[0]}, has nothing there")
    return hole


def random_hole(rng: Generator, height: int, width: int, most: float) -> np.ndarray:
    """A hole `H W 1` of bool that takes at most such a share of a picture, and some of it."""
    shape = (in_boxes, along_strokes, in_blots)[rng.integers(3)]
    hole = np.zeros((height, width), bool)
    wanted = rng.uniform(0.1, 1) * most * height * width
    for _ in range(12):
        more = hole | shape(rng, height, width)
        if more.sum() > most * height * width:
            continue
        hole = more
        if hole.sum() > wanted:
            break
    if not hole.any():
        hole[height // 3 : height // 3 + max(1, height // 4), width // 3 : width // 3 + max(1, width // 4)] = True
    return hole[..., None]


def in_boxes(rng: Generator, height: int, width: int) -> np.ndarray:
    hole = np.zeros((height, width), bool)
    h, w = (max(1, int(side * rng.uniform(0.1, 0.5))) for side in (height, width))
    top, left = rng.integers(height - h + 1), rng.integers(width - w + 1)
    hole[top : top + h, left : left + w] = True
    return hole


def along_strokes(rng: Generator, height: int, width: int) -> np.ndarray:
    """As a brush leaves it that goes a few bends."""
    drawing = Image.new("1", (width, height))
    points = [tuple(rng.uniform(0, 1, 2) * (width, height))]
    for _ in range(rng.integers(2, 7)):
        step = rng.uniform(-0.3, 0.3, 2) * (width, height)
        points.append(tuple((np.array(points[-1]) + step).clip(0, (width - 1, height - 1))))
    thickness = max(2, int(min(height, width) * rng.uniform(0.03, 0.12)))
    ImageDraw.Draw(drawing).line(points, fill=1, width=thickness, joint="curve")
    return np.array(drawing)


def in_blots(rng: Generator, height: int, width: int) -> np.ndarray:
    """Where a smooth field is high, near one place: the silhouette of a thing."""
    y, x = np.mgrid[:height, :width]
    top, left = rng.uniform(0.1, 0.9, 2) * (height, width)
    reach = rng.uniform(0.1, 0.3) * min(height, width)
    distance = np.hypot(y - top, x - left) / reach
    blot: np.ndarray = distance + 0.35 * field(rng, height, width, max(4, int(reach))) < 1
    return blot


TASK = Fill
