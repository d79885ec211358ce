"""What the pixels of one image tell an audit: decoded once, summed up in about a kilobyte, then forgotten."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from diptych.data.reach import Reach, reach

THUMBNAIL = 32
"""Height and width of the grey image by which others are recognised."""
AT_MOST = 512
"""Longest side of the image on which sharpness is measured, in pixels."""
FEW_IDS = 64
"""Images of 8 bits whose values all lie below are taken for class ids where edges are looked for."""
APART = 64
"""Levels of 255 by which a speck differs from all eight pixels around it."""
KEPT = 64
"""Places of specks that are kept for each image."""


class Look(NamedTuple):
    """What decoding one image, or one half of a file, told. Brightness is from 0 to 255 at any depth."""

    reach: Reach  # of its values
    thumbnail: np.ndarray  # grey, THUMBNAIL x THUMBNAIL of uint8
    dark: int  # what 1 % of the pixels do not exceed
    bright: int  # what 99 % do not exceed
    sharpness: float  # of the finest details, against the contrast of the whole
    specks: int  # pixels that differ strongly from all their neighbours
    places: np.ndarray  # of some of them, counted row by row

    @property
    def blank(self) -> bool:
        """Whether all its pixels have one value."""
        return self.reach.whole[0] == self.reach.whole[1]


def digest(array: np.ndarray) -> str:
    """The sha256 of the pixels, whatever the format of their file."""
    return hashlib.sha256(repr((array.shape, array.dtype)).encode() + array.tobytes()).hexdigest()


def look(array: np.ndarray) -> Look:
    """Sum up an image `H W C`."""
    reaches = reach(array)
    plane = grey(array, reaches)
    shares = np.bincount(plane.reshape(-1), minlength=256).cumsum() / plane.size
    small = Image.fromarray(plane)
    specks = np.flatnonzero(_specks(plane))
    return Look(
        reaches,
        np.asarray(small.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)),
        int(shares.searchsorted(0.01)),
        int(shares.searchsorted(0.99)),
        _sharpness(np.asarray(small.reduce(factor) if (factor := -(-max(plane.shape) // AT_MOST)) > 1 else small)),
        len(specks),
        specks[:KEPT].astype(np.int32),
    )


def grey(array: np.ndarray, reaches: Reach) -> np.ndarray:
    """An image `H W C` of any depth as `H W` of uint8: black and white are the ends of most of its values."""
    if array.dtype != np.uint8:
        low, high = reaches.inner
        array = ((array.astype(np.float32).clip(low, high) - low) * (255 / max(high - low, 1e-30))).astype(np.uint8)
    if array.shape[2] == 3:
        return np.asarray(Image.fromarray(np.ascontiguousarray(array)).convert("L"))
    plane = array[..., 0] if array.shape[2] == 1 else array.mean(axis=2).astype(np.uint8)
    return np.ascontiguousarray(plane)


def _sharpness(plane: np.ndarray) -> float:
    """The spread of the Laplacian, as a share of that of the image."""
    if min(plane.shape) < 3:
        return 0.0
    x = plane.astype(np.int16)
    laplacian = 4 * x[1:-1, 1:-1] - x[:-2, 1:-1] - x[2:, 1:-1] - x[1:-1, :-2] - x[1:-1, 2:]
    return float(laplacian.std() / max(1.0, float(plane.std())))


def _specks(plane: np.ndarray) -> np.ndarray:
    """Which pixels, those at the border left out, differ by APART from all eight around them."""
    found = np.zeros(plane.shape, bool)
    height, width = plane.shape
    if min(height, width) < 3:
        return found
    rows_high = np.maximum(plane[:, :-2], plane[:, 2:])
    rows_low = np.minimum(plane[:, :-2], plane[:, 2:])
    middle = plane[:, 1:-1]
    all_high, all_low = np.maximum(rows_high, middle), np.minimum(rows_low, middle)
    high = np.maximum(np.maximum(all_high[:-2], all_high[2:]), rows_high[1:-1])
    low = np.minimum(np.minimum(all_low[:-2], all_low[2:]), rows_low[1:-1])
    centre = plane[1:-1, 1:-1]
    brighter = centre > np.minimum(high, 255 - APART) + np.uint8(APART - 1)
    darker = centre < np.maximum(low, APART) - np.uint8(APART - 1)
    found[1:-1, 1:-1] = (brighter & (high < 256 - APART)) | (darker & (low >= APART))
    return found
