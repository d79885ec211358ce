"""A picture as its file holds it: the header, how to decode the rest, and how the samples are meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, NamedTuple

import numpy as np

from diptych.errors import DataError
from diptych.images.metadata import NOTHING, Metadata
from diptych.images.picture import Header

Decode = Callable[[], np.ndarray]


class Stored(NamedTuple):
    """What a format's reader finds; `diptych.images.reading` makes a picture of it."""

    header: Header  # as `read` will deliver it, but for the rotation and what the colours need
    decode: Decode  # samples `H W` or `H W S`: the colours, then alpha
    profile: bytes = b""  # ICC, of the colours
    cmyk: bool = False  # four samples of ink become three channels
    premultiplied: bool = False  # colours were multiplied by alpha
    spread: int = 1  # by which samples of fewer than 8 bits are multiplied where they are not numbers
    full: int | None = None  # the largest value that a sample can have, where its dtype could hold more
    metadata: Metadata = NOTHING  # of the samples as `decode` delivers them, not yet turned


def native_dtype(dtype: np.dtype | None) -> str:
    """uint8, uint16, int16 and float32 stay; truth values become uint8 (0, 255), int8 int16, other numbers float32."""
    if dtype is None or dtype.kind not in "buif":
        raise DataError(f"holds values of type {dtype}: a picture holds numbers")
    if dtype.kind == "b":
        return "uint8"
    if dtype.itemsize > 2 or dtype.kind == "f":
        return "float32"
    return "int16" if dtype.kind == "i" else dtype.newbyteorder("=").name


def dtype_note(dtype: np.dtype) -> tuple[str, ...]:
    native = native_dtype(dtype)
    return () if dtype.newbyteorder("=").name == native else (f"{dtype.name} converted to {native}",)


def native(array: np.ndarray) -> np.ndarray:
    """`H W C` of a native dtype."""
    array = array * np.uint8(255) if array.dtype.kind == "b" else array
    array = array if array.ndim == 3 else array[..., None]
    return array if array.dtype == np.uint8 else array.astype(native_dtype(array.dtype), copy=False)


def notes_of(mode: str, frames: int, orientation: int) -> tuple[str, ...]:
    """What reading does to a picture of one of Pillow's modes, in words."""
    converted = {"P": "palette", "PA": "palette", "CMYK": "CMYK", "YCbCr": "YCbCr", "HSV": "HSV"}.get(mode)
    notes = [f"{converted} converted to RGB"] if converted else []
    notes += [f"first of {frames} frames"] if frames > 1 else []
    notes += [f"turned upright (EXIF {orientation})"] if orientation > 1 else []
    return tuple(notes)


def whole_file(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
