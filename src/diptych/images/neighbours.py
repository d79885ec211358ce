"""A slice of a volume together with those on either side of it, as the channels of one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from diptych.images.picture import Picture
from diptych.images.values import match_channels


def along(number: int, sizes: Sequence[int], axis: int, neighbours: int) -> list[int]:
    """The numbers of an image and of so many on either side along an axis; the first and the last are repeated.

    sizes: how many images there are along each axis; they are numbered with the last axis fastest.

    >>> along(0, (2, 5), 1, 1), along(9, (2, 5), 1, 1), along(7, (2, 5), 0, 1)
    ([0, 0, 1], [8, 9, 9], [2, 7, 7])
    """
    place = np.unravel_index(number, sizes)
    steps = (place[axis] + np.arange(-neighbours, neighbours + 1)).clip(0, sizes[axis] - 1)
    return [int(np.ravel_multi_index((*place[:axis], step, *place[axis + 1 :]), sizes)) for step in steps]


def joined(slices: Sequence[Picture], channels: int) -> Picture:
    """The slice in the middle of an odd number of them, with the channels of all in their order.

    channels: of each slice, which grey and colour are made to match. Raises DataError for other numbers of channels.
    """
    middle = len(slices) // 2
    array = np.concatenate([match_channels(one.array, channels) for one in slices], axis=2)
    return replace(slices[middle], array=array, neighbours=middle)
