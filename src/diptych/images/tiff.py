"""TIFF: grey, RGB and inks of any depth and any number of channels by tifffile; the rest by Pillow."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np

from diptych.errors import DataError
from diptych.images import pillow
from diptych.images.exif import ORIENTATION, valid
from diptych.images.metadata import (
    NO_DATA,
    NOTHING,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    Y_RESOLUTION,
    Metadata,
    Tag,
    per_unit,
)
from diptych.images.picture import Header
from diptych.images.stored import Stored, dtype_note, native_dtype, notes_of

UNSPECIFIED, PREMULTIPLIED = 0, 1  # kinds of extra samples; 2: alpha beside straight colours
PROFILE = 34675
GEO = (33550, 33922, 34264, 34735, 34736, 34737, 50844)
"""GeoTIFF's tags: scale, tie points, transformation, keys and their numbers and texts; RPC's coefficients."""
GDAL_METADATA = 42112
OF_THE_VALUES = re.compile(r'\ssample="|name="(STATISTICS_|SCALE|OFFSET|UNITTYPE)')
"""Items of GDAL's metadata that tell of the numbers in a band, which a translation changes."""

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it logs of damaged tags is not for the console


def probe(file: BinaryIO, indices: bool) -> Stored:
    stack = Stack(file)
    try:
        stored = stack.stored(0, indices)
    except SyntaxError:
        page = stack.tiff.pages.first
        what = f"{page.photometric.name}, {page.samplesperpixel} samples of {page.bitspersample} bits"
        raise DataError(f"is a TIFF of a kind that is not read ({what}): convert it to grey or RGB") from None
    frames = len(stack.found) // stack.planes
    if frames < 2 or any(note.startswith("first of") for note in stored.header.notes):
        return stored
    notes = (*notes_of("", frames, 1), *stored.header.notes)
    return stored._replace(header=stored.header._replace(notes=notes))


class Stack:
    """The pages of a TIFF as images, one after the other; those that OME calls channels are those of one image.

    axes: what the images are counted by, as "TZ", and how many there are of each.
    """

    def __init__(self, file: BinaryIO) -> None:
        import tifffile

        self.file, self.tiff = file, tifffile.TiffFile(file)
        self.axes, self.channel = "", -1
        self.shape: tuple[int, ...] = ()
        if self.tiff.is_ome and len(self.tiff.series[0].pages) > 1:
            series = self.tiff.series[0]
            count = len(series.shape) - (3 if series.axes.endswith("S") else 2)
            self.axes, self.shape = series.axes[:count], tuple(series.shape[:count])
            self.channel = self.axes.find("C")

    def __len__(self) -> int:
        """How many images there are, where all pages are alike; else one, which others are previews of."""
        if self.axes:
            return math.prod(self.shape) // self.planes
        first, *others = self.found
        alike = all(page.shape == first.shape and page.dtype == first.dtype for page in others)
        return len(self.found) if alike else 1

    @cached_property
    def found(self) -> list[Any]:
        """All pages that hold an image: the credentials of a result of many pages are one more, without any."""
        return [page for page in self.tiff.pages if page.size]

    @property
    def planes(self) -> int:
        """Pages of one image."""
        return self.shape[self.channel] if self.channel >= 0 else 1

    @property
    def counted(self) -> str:
        """The axes but that of channels."""
        return self.axes.replace("C", "")

    @property
    def sizes(self) -> tuple[tuple[int, ...], int]:
        """How many images there are along each axis, and along which neighbours lie: the depth where OME says it."""
        if not self.counted:
            return (len(self),), 0
        sizes = tuple(size for place, size in enumerate(self.shape) if place != self.channel)
        return sizes, self.counted.index("Z") if "Z" in self.counted else len(sizes) - 1

    def pages(self, number: int) -> list[Any]:
        """Those of an image."""
        if self.channel < 0:
            return [self.tiff.pages[number]]
        sizes = [size for place, size in enumerate(self.shape) if place != self.channel]
        index = [int(place) for place in np.unravel_index(number, sizes)] if sizes else []
        found = [(*index[: self.channel], plane, *index[self.channel :]) for plane in range(self.planes)]
        return [self.tiff.series[0].pages[int(np.ravel_multi_index(one, self.shape))] for one in found]

    def stored(self, number: int, indices: bool) -> Stored:
        """An image, not decoded yet."""
        pages = self.pages(number)
        page = self.tiff.pages.first if self.axes else pages[0]
        if _is_plain(page):
            return _of_pages(page, pages, indices)
        if number:
            raise DataError("has pages of a kind of which only the first is read: convert them to grey or RGB")
        orientation, metadata = valid(page.tags.valueof(ORIENTATION, 1)), _metadata(page.tags)
        self.file.seek(0)
        return pillow.probe(self.file, "TIFF", indices)._replace(metadata=metadata.turned(orientation))


def _of_pages(page: Any, pages: list[Any], indices: bool) -> Stored:
    """One image; each page has the samples of some of its channels. page: one with all tags, like them."""
    orientation, metadata = valid(page.tags.valueof(ORIENTATION, 1)), _metadata(page.tags)
    extra = [int(sample) for sample in page.extrasamples]
    alpha = sum(extra) > 0 and not any(extra[:-1])
    cmyk = page.photometric.name == "SEPARATED" and page.samplesperpixel - alpha == 4
    bits, whole = int(page.bitspersample), page.dtype.kind == "u"
    premultiplied = alpha and extra[-1] == PREMULTIPLIED
    inverted = page.photometric.name == "MINISWHITE"
    header = Header(
        page.imagewidth,
        page.imagelength,
        (3 if cmyk else page.samplesperpixel - alpha) * len(pages),
        native_dtype(page.dtype),
        "TIFF",
        alpha,
        orientation,
        (
            *dtype_note(page.dtype),
            *notes_of("CMYK" if cmyk else "", 1, orientation),
            *(("colours divided by alpha (they were premultiplied)",) if premultiplied else ()),
            *(("white is zero, of numbers that have no largest one: taken as they are",) if inverted > whole else ()),
        ),
    )

    def decode() -> np.ndarray:
        for one in pages:
            _check_it_is_whole(one)
        arrays = [_channels_last(one.asarray(maxworkers=1), page.axes) for one in pages]
        array = arrays[0] if len(pages) == 1 else np.dstack(arrays)
        if inverted and whole:
            array = _inverted(array, bits, alpha)
        if spread > 1 and not indices:
            array = (array * (255 / (2**bits - 1))).round().astype(np.uint8)
        return array

    spread = 255 // (2**bits - 1) if whole and bits < 8 else 1
    full = 2**bits - 1 if whole and 8 < bits < 16 else None
    return Stored(header, decode, _profile(page), cmyk, premultiplied, spread, full, metadata)


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


def _metadata(tags: Any) -> Metadata:
    """What the tags say; nothing where they are damaged, since the pixels may be whole."""
    try:
        unit = int(tags.valueof(RESOLUTION_UNIT, 2))
        x, y = (tags.valueof(code, (0, 0)) for code in (X_RESOLUTION, Y_RESOLUTION))
        no_data = float(_text(tags[NO_DATA].value).replace(",", ".")) if NO_DATA in tags else None
        return Metadata(per_unit(x, y, unit).dpi, tuple(_geo(tags)), no_data)
    except Exception:  # tifffile raises what it likes
        return NOTHING


def _geo(tags: Any) -> Iterator[Tag]:
    for code in GEO:
        if code not in tags:
            continue
        kind = {3: "H", 12: "d"}.get(int(tags[code].dtype), "s")
        value = tags[code].value
        if kind == "s":
            yield Tag(code, kind, 0, _text(value).encode())
        else:
            values = tuple(value) if isinstance(value, tuple | list) else (value,)
            yield Tag(code, kind, len(values), values)
    if GDAL_METADATA in tags:
        items = re.findall(r"<Item\b.*?</Item>", _text(tags[GDAL_METADATA].value), re.DOTALL)
        if kept := [item for item in items if not OF_THE_VALUES.search(item.partition(">")[0])]:
            text = "\n".join(("<GDALMetadata>", *kept, "</GDALMetadata>"))
            yield Tag(GDAL_METADATA, "s", 0, text.encode())


def _text(value: Any) -> str:
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).rstrip("\0")
