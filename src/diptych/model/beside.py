"""What users give beside an image, as the networks are given it: maps that lie on its pixels, and words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike

import numpy as np
import torch
from torch import Tensor

from diptych import kinds
from diptych.errors import ConfigError, DataError
from diptych.images import Picture
from diptych.kinds import text
from diptych.model.preparing import Image, open_picture
from diptych.options.controls import Control


def read_map(control: Control, image: Image, picture: Picture) -> np.ndarray:
    """The map `H W 1` that a control is given for a picture. Raises DataError or ConfigError."""
    kind = kinds.find(control.map)
    try:
        array = kind.read(open_picture(image, indices=True).array)
        if array.shape[:2] != picture.array.shape[:2]:
            (height, width), (h, w) = array.shape[:2], picture.array.shape[:2]
            raise DataError(f"the {kind.what} is {width}x{height}, and the picture {w}x{h}: it needs the same size")
    except DataError as error:
        named = isinstance(image, str | PathLike) and str(image) not in str(error)
        raise DataError(f"{image}: {error}" if named else str(error)) from None
    return array


def map_tensors(controls: Iterable[Control], pictures: Sequence[Picture]) -> dict[str, Tensor]:
    """The maps of a batch by the names of their controls; of those that not all pictures have nothing."""
    found = {control: maps_for(control, pictures) for control in controls}
    return {
        control.name: kinds.find(control.map).tensor(torch.from_numpy(signed(np.stack(maps))).movedim(-1, -3))
        for control, maps in found.items()
        if len(maps) == len(pictures)
    }


def maps_for(control: Control, pictures: Iterable[Picture]) -> list[np.ndarray]:
    """The maps that pictures have for a control: by its name, or as in data by their kind."""
    found = [picture.maps.get(control.name, picture.maps.get(control.map)) for picture in pictures]
    return [one for one in found if one is not None]


def signed(maps: np.ndarray) -> np.ndarray:
    """Whole numbers as torch knows them: it has next to nothing for 16 bits without a sign."""
    return maps.astype(np.int32) if maps.dtype == np.uint16 else maps


def tokens_of(name: str, words: str) -> Tensor | None:
    """The words of a control as the method is given them; of none nothing. Raises ConfigError."""
    if not words.strip():
        return None
    try:
        return text.tokens([text.checked(words)])
    except DataError as error:
        raise ConfigError(f"{name}: {error}") from None
