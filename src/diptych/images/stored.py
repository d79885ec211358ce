"""A picture as its file holds it: the header, how to decode the rest, and how the samples are meant."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from diptych.errors import DataError
from diptych.images.picture import Header

Decode = Callable[[], np.ndarray]

ORIENTATION = 0x0112  # EXIF's and TIFF's tag
BROKEN_EXIF = "damaged EXIF left out"


@dataclass(frozen=True)
class Stored:
    """What a format's reader finds: see `reading.finished` for what becomes of it."""

    header: Header  # as `read` will deliver it, but for the rotation and what the colours need
    decode: Decode  # samples `H W` or `H W S`: the colours, then alpha
    profile: bytes = b""  # ICC, of the colours
    cmyk: bool = False  # four samples of ink become three channels
    premultiplied: bool = False  # colours were multiplied by alpha
    spread: int = 1  # by which samples of fewer than 8 bits are multiplied where they are not numbers
    full: int | None = None  # the largest value that a sample can have, where its dtype could hold more


def native_dtype(dtype: np.dtype | None) -> str:
    """uint8, uint16 and float32 stay; truth values become uint8 (0, 255), other numbers float32."""
    if dtype is None or dtype.kind not in "buif":
        raise DataError(f"holds values of type {dtype}: a picture holds numbers")
    if dtype.kind == "b":
        return "uint8"
    return dtype.newbyteorder("=").name if dtype.kind == "u" and dtype.itemsize < 4 else "float32"


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
    said = [f"{converted} converted to RGB"] if converted else []
    said += [f"first of {frames} frames"] if frames > 1 else []
    said += [f"turned upright (EXIF {orientation})"] if orientation > 1 else []
    return tuple(said)


def orientation_of(info: Mapping[Any, Any]) -> tuple[int, tuple[str, ...]]:
    """The orientation by what Pillow found in a file, and a note where EXIF is damaged: the pixels can be whole.

    Not by Pillow, which reads all of EXIF, and warns on the console.
    """
    exif = info.get("exif")
    if isinstance(exif, bytes):
        found = exif_orientation(exif)
        if found != 0:
            return (1, (BROKEN_EXIF,)) if found is None else (found, ())
    elsewhere = {name: info[name] for name in ("xmp", "XML:com.adobe.xmp", "Raw profile type exif") if name in info}
    if not elsewhere:
        return 1, ()
    image = Image.new("1", (1, 1))
    image.info.update(elsewhere)
    return orientation_in_memory(image)


def orientation_in_memory(image: Image.Image) -> tuple[int, tuple[str, ...]]:
    try:
        return valid(Image.Image.getexif(image).get(ORIENTATION, 1)), ()  # PNG's own would decode the picture
    except Exception:  # struct.error, SyntaxError, ...
        return 1, (BROKEN_EXIF,)


def exif_orientation(exif: bytes) -> int | None:
    """The orientation, 0 where there is none; None where EXIF is damaged (Exif 2.3, 4.5 and 4.6.2)."""
    body = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(body[:4])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", body, 4)
        (count,) = struct.unpack_from(f"{order}H", body, start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", body, at)
            if tag == ORIENTATION and kind in (1, 3, 4):  # bytes, shorts and longs
                return valid(struct.unpack_from(order + {1: "B", 3: "H", 4: "I"}[kind], body, at + 8)[0])
    except struct.error:
        return None
    return 0


def valid(orientation: object) -> int:
    return orientation if isinstance(orientation, int) and orientation in range(1, 9) else 1


def whole_file(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
