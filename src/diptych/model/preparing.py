"""The two ends of a translator: any image as the numbers that a model's side takes, and back."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diptych import images
from diptych.errors import ConfigError, DataError
from diptych.images import Picture
from diptych.model.card import Domain

Image = Any
"""A picture, an array `H W` or `H W C`, a file's path, or a Pillow image."""
SMALLEST = 16
"""Pixels a side below which some networks have nothing left after their halvings."""
MOST_OUTSIDE = 0.5
"""The share of pixels outside a model's range above which a picture is not what the model is for."""


def prepare(picture: Picture, side: Domain) -> Tensor:
    """An image as the networks want those of `side`: `C H W` in [-1, 1]; grey and colour made to match, ids one-hot."""
    if side.legend:
        return side.kind.tensor(picture.array, picture.maps.get("instances"))
    same = of_its_unit(picture, side)
    low, high = (side.low, side.high) if same else images.value_range(picture.array.dtype)
    array = picture.array.astype(np.float32) if picture.array.dtype == np.int16 else images.filled(picture.array, low)
    array = images.match_channels(cut_off(array, low, high) if bounded(side) and same else array, side.channels)
    if array.dtype.kind == "f" and not (same or (array.min() >= low and array.max() <= high)):
        raise DataError(
            f"values from {array.min():g} to {array.max():g}: the model knows {side.dtype}, so that floats and signed "
            f"numbers must lie between 0 and 1"
        )
    return images.to_unit(array, low, high)


def of_its_unit(picture: Picture, side: Domain) -> bool:
    """Whether the numbers of a picture mean what those of `side` do."""
    return picture.array.dtype == side.dtype or images.measured(picture.array.dtype, side.dtype)


def cut_off(array: np.ndarray, low: float, high: float) -> np.ndarray:
    """The array with the nearer end of the range for what lies outside: a model has seen nothing beyond it."""
    if array.min() >= low and array.max() <= high:
        return array
    return array.clip(array.dtype.type(low), array.dtype.type(high))


def finished(output: Tensor, side: Domain) -> Picture:
    """What the networks gave, `C H W` in [-1, 1], as an image of `side`."""
    return side.kind.picture(output)


def with_neighbours(picture: Picture, side: Domain) -> Picture:
    """The picture as a slice with its neighbours, of a model that takes such. Raises DataError for one without them."""
    if not side.neighbours:
        return picture
    if picture.array.shape[2] != side.channels:
        raise DataError(
            f"is a single image, and the model takes a slice of a volume and {side.neighbours} on either side: give "
            f"the whole volume to diptych translate, or an image with the {side.channels} channels of these slices"
        )
    return replace(picture, neighbours=side.neighbours)


def within_range(picture: Picture, side: Domain, most: float = MOST_OUTSIDE) -> Picture:
    """The picture, with a note where it has values outside the range that the model knows.

    Raises DataError where a larger share than `most` of its pixels does.
    """
    note = note_outside(outside(picture, side), picture.array.shape[0] * picture.array.shape[1], side, most)
    return picture if not note or note in picture.notes else replace(picture, notes=(*picture.notes, note))


def bounded(side: Domain) -> bool:
    """Whether its type has numbers outside its range."""
    whole = (side.low, side.high) == images.value_range(side.dtype)
    return side.legend is None and (images.measured(side.dtype) or not whole)


def outside(picture: Picture, side: Domain) -> int:
    """How many pixels that hold data have a value outside the range of `side`. Other dtypes have their own range."""
    array = picture.array
    if not of_its_unit(picture, side) or not bounded(side):
        return 0
    if array.min() >= side.low and array.max() <= side.high:
        return 0
    wrong, empty = ((array < side.low) | (array > side.high)).any(axis=2), picture.metadata.empty(array)
    return int((wrong if empty is None else wrong & ~empty).sum())


def note_outside(count: int, pixels: int, side: Domain, most: float = MOST_OUTSIDE) -> str:
    """A note that so many of the pixels lie outside the range of `side`. Raises DataError for more than `most`."""
    share, known = count / pixels, f"outside the model's range, {side.reach}"
    if share > most and not side.chosen:
        raise DataError(f"has {share:.0%} of its pixels {known}: scale its values as those of the training pictures")
    return (
        f"{'less than 1' if share < 0.01 else round(100 * share)} % of the pixels lie {known}, and are cut off"
        if count
        else ""
    )


def first_unsound(outputs: Tensor) -> int | None:
    """Which of a batch `B ...` is the first with NaN or infinity in it.

    A sum shows it, at the cost of reading the outputs once, and of one wait for the device.
    """
    for number in (~outputs.flatten(1).sum(1).isfinite()).nonzero().flatten().tolist():
        if not outputs[number].isfinite().all():  # a sum may overflow
            return int(number)
    return None


def name_of(image: Image, number: int) -> str:
    """What to call an image that was given to a translator, in a message."""
    return str(image) if isinstance(image, str | PathLike) else f"picture {number + 1}"


def open_picture(image: Image, *, indices: bool = False) -> Picture:
    """Any accepted kind of image as a Picture, of palettes the indices if asked. Raises DataError or ConfigError."""
    if isinstance(image, Picture):
        return image
    if isinstance(image, str | PathLike):
        return images.read(Path(image), indices=indices)
    if hasattr(image, "mode") and hasattr(image, "save"):  # Pillow's, without importing it here
        return images.from_pillow(image, indices=indices)
    if isinstance(image, np.ndarray) and image.ndim in (2, 3) and image.size:
        if indices and image.dtype.kind in "bi":
            image = image.astype(np.uint8 if image.dtype.kind == "b" else np.float32)
        if image.dtype.kind == "f" or image.dtype in (np.uint8, np.uint16, np.int16):
            return images.from_array(image)
        raise ConfigError(f"an array of {image.dtype} has no known white: make it uint8, uint16, int16 or float")
    raise ConfigError(
        f"{type(image).__name__} is no picture: give a path, a Picture, a Pillow image or an array H W C, not empty"
    )


def mirror_pad(pictures: Tensor, multiple: int) -> Tensor:
    """Grow both sizes to multiples of `multiple`, 16 at least, by mirroring the borders, as often as it takes."""
    for dim in (-2, -1):
        index = mirrored(pictures.shape[dim], multiple)
        if len(index) > pictures.shape[dim]:
            pictures = pictures.index_select(dim, torch.from_numpy(index).to(pictures.device))
    return pictures


def mirrored(size: int, multiple: int) -> np.ndarray:
    """Where the pixels along a side come from when it is grown so: as many before it as behind it, or one fewer."""
    wanted = max(size, SMALLEST)
    extra = wanted + -wanted % multiple - size
    period = np.concatenate([np.arange(size), np.arange(size - 2, 0, -1)]) if size > 1 else np.zeros(1, int)
    return period[np.arange(-(extra // 2), size + extra - extra // 2) % len(period)]


def kind(picture: Picture) -> tuple[Any, ...]:
    """Pictures of one kind can share a batch."""
    return picture.array.shape, picture.array.dtype, bool(picture.text), *sorted(picture.maps)
