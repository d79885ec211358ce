"""Drawings to photos: a network learns from lines that a program draws after photos, of several hands."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from annotated_types import Interval
from numpy.random import Generator

from diptych import images
from diptych.images import Picture
from diptych.images.lines import STYLES, drawn
from diptych.tasks.pairs import OF_PHOTOS, Pairs
from diptych.tasks.task import Sample, Sections

Lines = Literal["mixed", "canny", "soft", "strokes"]


class Sketch(Pairs):
    """Drawings to photos; learns from photos, of which it draws the lines itself.

    lines: canny, thin edges; soft, as of a soft pencil; strokes, uneven as a hand draws; mixed, each time another.
    """

    alone, in_parts = True, False
    defaults: ClassVar[Sections] = OF_PHOTOS

    def __init__(self, *, lines: Lines = "mixed") -> None:
        self.lines = lines

    def channels(self, source: int, target: int) -> tuple[int, int]:
        return 1, target

    def pair(self, sample: Sample, rng: Generator) -> tuple[Picture, Picture]:
        target = sample["target"]
        style = STYLES[rng.integers(len(STYLES))] if self.lines == "mixed" else self.lines
        drawing = drawn(target, style, detail=float(rng.uniform(0.2, 0.8)), rng=rng)
        return as_drawing(target, drawing), target

    def source(
        self,
        image: Picture,
        *,
        draw: Annotated[
            Literal["no", "canny", "soft", "strokes"], "of a photo, in which way its lines are drawn first"
        ] = "no",
        detail: Annotated[float, Interval(ge=0, le=1), "of a photo, from its outlines, 0, to every line, 1"] = 0.5,
    ) -> Picture:
        if draw != "no":
            return as_drawing(image, drawn(image, draw, detail=detail))
        grey = images.convert(images.match_channels(image.array, 1), "float32", image.limits)
        return as_drawing(image, dark_on_white(grey))


def as_drawing(image: Picture, drawing: np.ndarray) -> Picture:
    """A drawing `H W 1` from 0 to 1 in the dtype of a picture, beside what else that has."""
    return replace(image, array=images.convert(drawing.astype(np.float32), image.array.dtype, to=image.limits))


def dark_on_white(drawing: np.ndarray) -> np.ndarray:
    """A scanned or photographed drawing `H W 1`, 0 to 1, as the task's own are: paper is white, and ink is black.

    What is light on dark is turned round; the paper is what most of it is like.
    """
    if np.median(drawing) < 0.5:
        drawing = 1 - drawing
    ink, paper = (float(np.quantile(drawing, share)) for share in (0.001, 0.6))
    stretched: np.ndarray = (drawing - ink) / (paper - ink) if paper - ink > 0.05 else drawing / max(paper, 1e-3)
    return stretched.clip(0, 1)


TASK = Sketch
