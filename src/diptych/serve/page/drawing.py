"""Drawings become pictures as the model knows them: strokes in the colours of its classes, or dark lines on white."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from diptych import images
from diptych.card import Side
from diptych.images import Picture
from diptych.legend import Legend


def colours(legend: Legend) -> list[str]:
    """The colours of a legend's classes, as a brush has them."""
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in (known.colour for known in legend.known)]


def names(legend: Legend) -> str:
    """The classes in their colours, for people, as HTML without anything that a name could smuggle in."""
    chips = [
        f'<span class="chip"><i style="background:{colour}"></i>{html.escape(known.name)}</span>'
        for colour, known in zip(colours(legend), legend.known, strict=True)
    ]
    return f'<div class="chips">{"".join(chips)}</div>'


def blank(side: Side, size: int) -> np.ndarray:
    """What a drawing begins with: the first class everywhere, or white paper."""
    colour = side.legend.known[0].colour if side.legend else (255, 255, 255)
    return np.full((size, size, 3), colour, np.uint8)


def is_blank(value: dict[str, Any] | None, side: Side) -> bool:
    """Whether nothing has been drawn yet."""
    array = None if value is None else value.get("composite")
    return array is None or bool((array[..., :3] == blank(side, 1)[0, 0]).all())


def drawn(value: dict[str, Any] | None, side: Side) -> bytes | None:
    """The file of what was drawn, of classes as their numbers; None where nothing is there."""
    array = None if value is None else value.get("composite")
    if array is None:
        return None
    if array.shape[2] == 4:  # what is transparent shows the paper
        share = array[..., 3:].astype(np.float32) / 255
        array = (array[..., :3] * share + blank(side, 1)[0, 0] * (1 - share)).round().astype(np.uint8)
    if side.legend is None:
        return images.encode(images.match_channels(array, 1 if side.channels == 1 else 3), "PNG")
    ids = side.legend.read(Picture(np.ascontiguousarray(array)), snap=True)  # brushes smooth their edges
    return images.encode(ids.array, "PNG", palette=ids.palette)
