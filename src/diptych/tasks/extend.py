"""A picture to a larger view (outpainting): a network goes on beyond its borders, from their mirror image.

Teterwak et al.: Boundless: Generative Adversarial Networks for Image Extension, ICCV 2019, set the task.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from annotated_types import Ge
from numpy.random import Generator

from diptych import images
from diptych.errors import ConfigError
from diptych.images import Picture
from diptych.options.controls import Of
from diptych.tasks.keeping import like, masked, pasted, with_mask
from diptych.tasks.pairs import OF_PHOTOS, Pairs
from diptych.tasks.task import Sample, Sections

MOST = 0.25
"""How much longer a side becomes in one round, as a share of it, at each of its ends."""
Pixels = Annotated[int, Ge(0)]


class Borders(NamedTuple):
    """Pixels that are added at each side."""

    left: int
    right: int
    top: int
    bottom: int


class Extend(Pairs):
    """Extends pictures beyond their borders; learns from photos, whose borders it takes away itself.

    Large borders are made in rounds, each at most a quarter of the picture. In the middle a result is the user's
    picture, bit by bit.
    """

    alone, keeps, in_parts = True, True, False
    defaults: ClassVar[Sections] = {**OF_PHOTOS, "method": {"residual": True}}

    def channels(self, source: int, target: int) -> tuple[int, int]:
        return source + 1, target

    def pair(self, sample: Sample, rng: Generator) -> tuple[Picture, Picture]:
        target = sample["target"]
        height, width = target.array.shape[:2]
        share = MOST / (1 + 2 * MOST)  # of the whole, where it is a quarter of the middle at both ends
        left, right, top, bottom = rng.uniform(0, share, 4) * (rng.random(4) < 0.6)
        taken = Borders(int(left * width), int(right * width), int(top * height), int(bottom * height))
        if not any(taken):
            taken = taken._replace(left=max(1, int(share * width)))
        middle = target.array[taken.top : height - taken.bottom, taken.left : width - taken.right]
        return extended(replace(target, array=middle, alpha=None), taken), target

    def rounds(self, image: Picture, **controls: Any) -> list[dict[str, Any]]:
        height, width, _ = image.array.shape
        wanted, found = asked(image, **controls), []
        while any(wanted):
            across, down = (max(1, int(MOST * side)) for side in (width, height))
            limit = Borders(across, across, down, down)
            now = Borders(*(min(pair) for pair in zip(wanted, limit, strict=True)))
            wanted = Borders(*(a - b for a, b in zip(wanted, now, strict=True)))
            width, height = width + now.left + now.right, height + now.top + now.bottom
            found.append({**now._asdict(), "aspect": ""})
        return found

    def source(
        self,
        image: Picture,
        *,
        left: Annotated[Pixels, Of("integer", frame="left"), "pixels to add on the left"] = 0,
        right: Annotated[Pixels, Of("integer", frame="right"), "pixels to add on the right"] = 0,
        top: Annotated[Pixels, Of("integer", frame="top"), "pixels to add above"] = 0,
        bottom: Annotated[Pixels, Of("integer", frame="bottom"), "pixels to add below"] = 0,
        aspect: Annotated[
            str, Of("text", frame="aspect"), "or the shape to bring it to, on both sides alike, as 16:9"
        ] = "",
    ) -> Picture:
        return extended(image, asked(image, left, right, top, bottom, aspect))

    def finish(self, output: Picture, source: Picture, image: Picture) -> Picture:
        border, canvas = masked(source), source.array[..., :-1]
        rows, columns = (np.flatnonzero(~border[..., 0].all(axis=axis)) for axis in (1, 0))
        if not image.prepared:  # the picture itself: the method may have been given other channels of it
            canvas = np.pad(image.array, around(border, rows, columns), mode="reflect")
        whole = replace(image, array=canvas, alpha=source.alpha)
        whole = replace(whole, metadata=image.metadata.grown(left=int(columns[0]), top=int(rows[0])))
        return super().finish(pasted(like(output, whole), canvas, border), source, whole)


def asked(image: Picture, left: int = 0, right: int = 0, top: int = 0, bottom: int = 0, aspect: str = "") -> Borders:
    """The borders that a user asks for. Raises ConfigError where that is none, or too large."""
    height, width, _ = image.array.shape
    borders = Borders(left, right, top, bottom)
    if aspect:
        if any(borders):
            raise ConfigError("aspect and borders both say how far: give one of them")
        borders = to_aspect(height, width, aspect)
    if not any(borders):
        raise ConfigError(
            f"nowhere is anything to be added to the picture, {width}x{height}: give left, right, top or bottom in "
            f"pixels, or an aspect that it has not, as 16:9"
        )
    large = (width + borders.left + borders.right) * (height + borders.top + borders.bottom)
    if large > images.LIMIT_MP * 1e6:
        raise ConfigError(f"the result would have {large / 1e6:.0f} million pixels, over {images.LIMIT_MP:g}: add less")
    return borders


def to_aspect(height: int, width: int, aspect: str) -> Borders:
    """What brings a picture to a shape, half of it on each side. Raises ConfigError for what is no shape."""
    found = re.fullmatch(r"\s*(\d{1,5}(?:\.\d{1,4})?)\s*[:/x]\s*(\d{1,5}(?:\.\d{1,4})?)\s*", aspect)
    across, down = map(float, found.groups()) if found else (0, 0)
    if not across or not down:
        raise ConfigError(f"aspect = {aspect!r}: give width and height, as in 16:9")
    wide, high = max(0, round(height * across / down) - width), max(0, round(width * down / across) - height)
    return Borders(wide // 2, wide - wide // 2, high // 2, high - high // 2)


def extended(image: Picture, borders: Borders) -> Picture:
    """A picture with borders that mirror it, and a channel that says where they are."""
    sides = (borders.top, borders.bottom), (borders.left, borders.right)
    array = np.pad(image.array, (*sides, (0, 0)), mode="reflect")
    mask = np.pad(np.zeros((*image.array.shape[:2], 1), bool), (*sides, (0, 0)), constant_values=True)
    alpha = None if image.alpha is None else np.pad(image.alpha, sides, mode="reflect")
    return replace(with_mask(image, array, mask), alpha=alpha)


def around(border: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[tuple[int, int], ...]:
    """How far a border goes beyond the rows and columns inside, as `np.pad` takes it."""
    height, width = border.shape[:2]
    return (int(rows[0]), height - 1 - int(rows[-1])), (int(columns[0]), width - 1 - int(columns[-1])), (0, 0)


TASK = Extend
