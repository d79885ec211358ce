"""TIFF: grey, RGB and inks of any depth and any number of channels by tifffile; the rest by Pillow."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from diptych.errors import DataError
from diptych.images import pillow
from diptych.images.exif import ORIENTATION, valid
from diptych.images.picture import Header
from diptych.images.stored import Stored, dtype_note, native_dtype, notes_of

UNSPECIFIED, PREMULTIPLIED = 0, 1  # kinds of extra samples; 2: alpha beside straight colours
PROFILE, NODATA = 34675, 42113

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it logs of damaged tags is not for the console


def nodata(path: Path) -> float | None:
    """The number that a GeoTIFF says to mean no data (GDAL_NODATA), if it does."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            return float(tiff.pages.first.tags.valueof(NODATA))
    except (OSError, ValueError, TypeError):  # no TIFF, or it says nothing
        return None


def probe(file: BinaryIO, indices: bool) -> Stored:
    import tifffile

    tiff = tifffile.TiffFile(file)
    page = tiff.pages.first
    if not _is_plain(page):
        file.seek(0)
        try:
            return pillow.probe(file, "TIFF", indices)
        except SyntaxError:
            what = f"{page.photometric.name}, {page.samplesperpixel} samples of {page.bitspersample} bits"
            raise DataError(f"is a TIFF of a kind that is not read ({what}): convert it to grey or RGB") from None
    extra = [int(sample) for sample in page.extrasamples]
    alpha = sum(extra) > 0 and not any(extra[:-1])
    cmyk = page.photometric.name == "SEPARATED" and page.samplesperpixel - alpha == 4
    orientation = valid(page.tags.valueof(ORIENTATION, 1))
    bits, whole = int(page.bitspersample), page.dtype.kind == "u"
    premultiplied = alpha and extra[-1] == PREMULTIPLIED
    inverted = page.photometric.name == "MINISWHITE"
    header = Header(
        page.imagewidth,
        page.imagelength,
        3 if cmyk else page.samplesperpixel - alpha,
        native_dtype(page.dtype),
        "TIFF",
        alpha,
        orientation,
        (
            *dtype_note(page.dtype),
            *notes_of("CMYK" if cmyk else "", len(tiff.pages), orientation),
            *(("colours divided by alpha (they were premultiplied)",) if premultiplied else ()),
            *(("white is zero, of numbers that have no largest one: taken as they are",) if inverted > whole else ()),
        ),
    )

    def decode() -> np.ndarray:
        _check_it_is_whole(page)
        array = _channels_last(page.asarray(maxworkers=1), page.axes)
        if inverted and whole:
            array = _inverted(array, bits, alpha)
        if spread > 1 and not indices:
            array = (array * (255 / (2**bits - 1))).round().astype(np.uint8)
        return array

    spread = 255 // (2**bits - 1) if whole and bits < 8 else 1
    full = 2**bits - 1 if whole and 8 < bits < 16 else None
    return Stored(header, decode, _profile(page), cmyk, premultiplied, spread, full)


def _is_plain(page: Any) -> bool:
    """Whether tifffile's array has the picture's samples as they are meant."""
    if not isinstance(page.bitspersample, int) or page.bitspersample == 1 or page.dtype is None:
        return False
    match page.photometric.name:
        case "RGB" | "MINISBLACK" | "MINISWHITE":
            return True
        case "SEPARATED":  # Pillow knows how JPEG stores inks
            return bool(page.bitspersample > 8 or len(page.extrasamples) > 0 or page.samplesperpixel != 4)
        case _:
            return False


def _check_it_is_whole(page: Any) -> None:
    """Raises DataError where parts of the picture are nowhere in the file: tifffile would make them black."""
    parts, there = math.prod(page.chunked), min(len(page.dataoffsets), len(page.databytecounts))
    if there < parts:
        raise DataError(f"is damaged or cut short ({there} of {parts} parts): replace or remove it")


def _channels_last(array: np.ndarray, axes: str) -> np.ndarray:
    if axes not in ("YX", "YXS", "SYX"):
        raise DataError(f"is a TIFF with the axes {axes}: a picture has height, width and channels")
    return np.moveaxis(array, 0, -1) if axes == "SYX" else array


def _inverted(array: np.ndarray, bits: int, alpha: bool) -> np.ndarray:
    """White is zero: the colours the other way round, alpha as it is."""
    colours = array.dtype.type(2**bits - 1) - array
    return np.dstack([colours[..., :-1], array[..., -1]]) if alpha else colours


def _profile(page: Any) -> bytes:
    value = page.tags.valueof(PROFILE)
    return value if isinstance(value, bytes) else b""
