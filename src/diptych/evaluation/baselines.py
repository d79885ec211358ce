"""What a translator has to beat: answers that need no learning.

Reinhard, Ashikhmin, Gooch, Shirley: Color Transfer between Images, IEEE Computer Graphics and Applications, 2001.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from diptych.errors import DataError
from diptych.images import Picture

UNTOUCHED, TRANSFER, HALVES = "untouched", "colour transfer", "real halves"
"""The names of the baselines."""

MEANING = {
    UNTOUCHED: "the source itself taken as the answer: to be beaten",
    TRANSFER: "each source with the mean and standard deviation per channel of the training targets (Reinhard et al. "
    "2001, in the pictures' own channels, as RGB): to be beaten",
    HALVES: "real pictures beside other real ones: not to be beaten, but by chance",
}


class Colours(NamedTuple):
    """Mean and standard deviation of each channel: shape `(C,)`."""

    mean: np.ndarray
    deviation: np.ndarray


def untouched(picture: Picture) -> Picture:
    """The source itself taken as the answer."""
    return picture


def colours(pictures: Iterable[Picture]) -> Colours:
    """Those over all pixels of all pictures, which have equally many channels. Raises DataError when there are none."""
    count, total, squares = 0, np.zeros(()), np.zeros(())
    for picture in pictures:
        pixels = picture.array.reshape(-1, picture.array.shape[2]).astype(np.float64)
        count += len(pixels)
        total, squares = total + pixels.sum(axis=0), squares + (pixels**2).sum(axis=0)
    if not count:
        raise DataError("there is no picture to take colours from")
    mean = total / count
    return Colours(mean, np.sqrt((squares / count - mean**2).clip(min=0)))


def colour_transfer(target: Colours, dtype: str, span: tuple[float, float]) -> Callable[[Picture], Picture]:
    """A translator that gives each picture the `target` colours, clipped to the range `span` and rounded to `dtype`.

    A channel without any contrast keeps none: it becomes the target's mean.
    """

    def translate(picture: Picture) -> Picture:
        own = colours([picture])
        gain = np.divide(target.deviation, own.deviation, out=np.zeros_like(own.mean), where=own.deviation > 0)
        array = ((picture.array - own.mean) * gain + target.mean).clip(*span)
        return Picture((array if dtype == "float32" else array.round()).astype(dtype))

    return translate
