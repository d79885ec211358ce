"""How much of a translation a user takes, and where: only there, feathered, and at a strength between the two."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from annotated_types import Interval

from diptych import tasks
from diptych.errors import DataError
from diptych.images import Picture
from diptych.model.card import Card
from diptych.options.controls import Control, Mask, Strength, controls_of
from diptych.tasks.keeping import like, mixed, pasted


def can_blend(card: Card) -> bool:
    """Whether results of a model lie on the pixels of what they are made of, and hold values of the same kind."""
    ends = [(side.channels, side.dtype, side.low, side.high, side.legend) for side in card.ends()]
    if card.parts or ends[0] != ends[1] or ends[0][-1] is not None:
        return False
    return card.scale == 1 and not tasks.find(card.task).keeps


def blend(
    both: tuple[Picture, Picture],
    *,
    where: Annotated[Mask, "what is to change, in white; all else stays as it is"] = None,
    feather: Annotated[int, Interval(ge=0, le=1000), "pixels inside the edge of where, over which it begins"] = 8,
    strength: Annotated[Strength, "from the picture as it is, 0, to its translation, 1"] = 1.0,
) -> Picture:
    """Of a user's image and its translation, what that user wants. Raises DataError for a mask without any white."""
    image, result = both
    if where is None and strength == 1:
        return result
    result = like(result, image)
    if where is None:
        return replace(result, array=mixed(image.array, result.array, np.float32(strength)))
    mask = np.asarray(where) > 0
    if not mask.any():
        raise DataError("there is nothing to translate: the mask has no white in it")
    share = inside(mask, feather) * np.float32(strength)
    return pasted(replace(result, array=mixed(image.array, result.array, share)), image.array, mask)


def inside(mask: np.ndarray, feather: int) -> np.ndarray:
    """From 0 at the edge of a mask `H W 1` of bool to 1 where it is so many pixels away: float32, 0 outside.

    The borders of the picture are no edges. Of a mask that is nowhere so deep, its deepest place has 1.
    """
    if not feather:
        return mask.astype(np.float32)
    deep = depths(mask[..., 0])[..., None]
    share: np.ndarray = (deep / min(feather, float(deep.max()))).clip(0, 1)
    return share


def depths(mask: np.ndarray) -> np.ndarray:
    """How many pixels away the nearest one outside of a mask `H W` of bool is, by steps to all eight neighbours.

    The octagonal distance of Borgefors: Distance Transformations in Digital Images, CVGIP 1986, in two passes.
    """
    height, width = mask.shape
    deep = np.where(mask, np.float32(height + width), np.float32(0))
    columns, diagonal = np.arange(width, dtype=np.float32), np.float32(2**0.5)
    for rows in (range(height), reversed(range(height))):
        before = np.full(width, height + width, np.float32)
        for row in rows:
            line = np.minimum(deep[row], before + 1)
            np.minimum(line[1:], before[:-1] + diagonal, out=line[1:])
            np.minimum(line[:-1], before[1:] + diagonal, out=line[:-1])
            line = np.minimum.accumulate(line - columns) + columns
            line = np.minimum.accumulate((line + columns)[::-1])[::-1] - columns
            deep[row] = before = line
    return deep


def blending(card: Card) -> dict[str, Control]:
    """The controls of `blend`, by name, of a model that has them."""
    found = controls_of(blend) if can_blend(card) else {}
    return {name: replace(one, aside=True) for name, one in found.items()}
