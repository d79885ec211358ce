"""NumPy's arrays: `H W` or `H W C`; `C H W` is known by its shape, and what could be either is refused."""

from __future__ import annotations

import io
import math
from typing import IO, BinaryIO

import numpy as np

from diptych.errors import DataError
from diptych.images.picture import Header
from diptych.images.stored import Decode, Stored, dtype_note, native_dtype, whole_file

USUAL = 4
"""Channels, at most, of arrays that are taken for `C H W`."""
SMALLEST = 10
"""Pixels along their sides, at least: a smaller one is a scrap of many channels."""


def probe(file: BinaryIO) -> Stored:
    shape, dtype = shape_and_type(file)
    expected = math.prod(shape) * dtype.itemsize

    def decode() -> np.ndarray:
        data = whole_file(file)
        if len(data) < expected:
            raise DataError("is damaged or cut short: replace or remove it")
        return np.load(io.BytesIO(data), allow_pickle=False)

    return stored(shape, dtype, decode)


def shape_and_type(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """What an array's header says."""
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    return shape, dtype


def stored(shape: tuple[int, ...], dtype: np.dtype, decode: Decode) -> Stored:
    """An array that need not be in memory yet."""
    first = channels_first(shape)
    height, width, channels = shape[1:] + shape[:1] if first else (*shape, 1)[:3]
    notes = (*dtype_note(dtype), *(("an array C H W turned to H W C",) if first else ()))
    header = Header(width, height, channels, native_dtype(dtype), "NPY", notes=notes)
    return Stored(header, (lambda: np.moveaxis(decode(), 0, -1)) if first else decode)


def channels_first(shape: tuple[int, ...]) -> bool:
    """Whether an array is `C H W`, not `H W C`. Raises DataError where it could be either, and for other dimensions."""
    if len(shape) not in (2, 3):
        raise DataError(f"is an array of {len(shape)} dimensions: a picture is `H W` or `H W C`")
    if len(shape) == 2 or min(shape[1:]) < max(SMALLEST, shape[0] + 1):
        return False
    if shape[0] <= USUAL:
        return True
    size = "x".join(map(str, shape))
    raise DataError(f"is an array {size}, C H W as it seems: a picture is `H W C` (numpy.moveaxis(array, 0, -1))")
