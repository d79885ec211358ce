"""What a file says beside its pixels, and what is true of its translation too: resolution, coordinates, no data.

Colour profiles are none of it: pixels are sRGB once they are read. PNG specification, 11.3.5.3; JFIF 1.02; Exif 2.3,
4.6.3; TIFF 6.0, 8; OGC GeoTIFF 1.1, 7; GDAL, raster driver GTiff.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

INCH = 0.0254  # metres
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
INCHES = {2: 1.0, 3: 2.54}
"""TIFF's units of resolution: how many of them are an inch."""
NO_DATA = 42113
"""GDAL's tag of a TIFF."""
PIXEL_SCALE, TIE_POINTS, TRANSFORMATION, GEO_KEYS = 33550, 33922, 34264, 34735
"""Tags of a GeoTIFF."""
RASTER_OF_POINTS = 1025, 2
"""The key by which coordinates are those of the centres of pixels, and not of their corners."""

Fraction = tuple[int, int]


class Tag(NamedTuple):
    """A tag of a TIFF: its number, type by struct's letter ("s": text, as bytes), how many values, and these."""

    code: int
    kind: str
    many: int
    value: Any


@dataclass(frozen=True)
class Metadata:
    """dpi: pixels per inch, across and down. tags: of a GeoTIFF. no_data: the number of pixels that hold nothing.

    window: the values that are black and white to the eye, as a DICOM says it; it changes none, and is not true of a
    translation. dicom: tags of a DICOM that are kept, by their keywords. array_name: of the array of an `.npz`.
    """

    dpi: tuple[float, float] | None = None
    tags: tuple[Tag, ...] = ()
    no_data: float | None = None
    window: tuple[float, float] | None = None
    dicom: tuple[tuple[str, str | tuple[str, ...]], ...] = ()
    array_name: str = ""

    def turned(self, orientation: int) -> Metadata:
        """That of the pixels turned by EXIF's orientation, 1..8: coordinates are true of what is not turned alone."""
        if orientation == 1:
            return self
        return Metadata(self.dpi[::-1] if self.dpi and orientation > 4 else self.dpi, no_data=self.no_data)

    def grown(self, factor: float = 1, left: int = 0, top: int = 0) -> Metadata:
        """That of the pixels made so many times finer, and then shifted by so many, as by a border at these sides."""
        dpi = None if self.dpi is None else (self.dpi[0] * factor, self.dpi[1] * factor)
        centres = 0.5 * (factor - 1) if RASTER_OF_POINTS in _keys(self.tags) else 0.0
        shift = left + centres, top + centres
        return replace(self, dpi=dpi, tags=tuple(_grown(tag, factor, *shift) for tag in self.tags))

    def held_by(self, dtype: np.dtype | str, *, ids: bool = False) -> Metadata:
        """What is true of a translation, whose type may lack the number for no data, as ids do."""
        if self.window:
            return replace(self, window=None).held_by(dtype, ids=ids)
        if self.no_data is None:
            return self
        if ids:
            return replace(self, no_data=None)
        kind = np.dtype(dtype)
        if kind.kind == "f":
            return self
        room = np.iinfo(kind)
        whole = float(self.no_data).is_integer() and room.min <= self.no_data <= room.max
        return self if whole else replace(self, no_data=None)

    def empty(self, array: np.ndarray) -> np.ndarray | None:
        """Which pixels of `H W C` hold nothing, be it by NaN: `H W`; None where none do."""
        masks = [mask for mask in (lacking(array), self.marked(array)) if mask is not None]
        return np.logical_or.reduce(masks) if masks else None

    def marked(self, array: np.ndarray) -> np.ndarray | None:
        """Those that the number for no data says it of; None where none are."""
        if self.no_data is None:
            return None
        mask = (array == self.no_data).all(axis=2)
        return mask if mask.any() else None

    def emptied(self, output: np.ndarray, array: np.ndarray) -> np.ndarray:
        """The translation `output` of `array`, with nothing where that has nothing."""
        if (mask := self.marked(array)) is not None:
            output = np.where(mask[..., None], output.dtype.type(self.no_data), output)
        if output.dtype.kind == "f" and (mask := lacking(array)) is not None:
            output = np.where(mask[..., None], output.dtype.type(np.nan), output)
        return output


def lacking(array: np.ndarray) -> np.ndarray | None:
    """Which pixels of `H W C` have NaN: `H W`; None where none do."""
    if array.dtype.kind != "f" or not np.isnan(array).any():
        return None
    return np.asarray(np.isnan(array).any(axis=2))


NOTHING = Metadata()


def _keys(tags: tuple[Tag, ...]) -> set[tuple[int, int]]:
    """The keys of a GeoTIFF whose values are numbers, with these."""
    words = next((tag.value for tag in tags if tag.code == GEO_KEYS), ())
    return {(words[k], words[k + 3]) for k in range(4, len(words) - 3, 4)}


def _grown(tag: Tag, factor: float, left: float, top: float) -> Tag:
    """A tag of coordinates, when a pixel (x, y) becomes (factor * x + left, factor * y + top)."""
    values = list(tag.value) if tag.code in (PIXEL_SCALE, TIE_POINTS, TRANSFORMATION) else []
    if tag.code == PIXEL_SCALE:
        values[:2] = [value / factor for value in values[:2]]
    elif tag.code == TIE_POINTS:  # each x, y, z of the pixel, then of the place
        for k in range(0, len(values) - 5, 6):
            values[k : k + 2] = [factor * values[k] + left, factor * values[k + 1] + top]
    elif tag.code == TRANSFORMATION:
        for row in range(0, len(values) - 3, 4):
            across, down = values[row] / factor, values[row + 1] / factor
            values[row : row + 4] = [across, down, values[row + 2], values[row + 3] - across * left - down * top]
    return tag._replace(value=tuple(values)) if values else tag


def per_inch(x: float, y: float) -> Metadata:
    """A resolution; nothing where it makes no sense."""
    return Metadata((float(x), float(y))) if 0 < x < 1e6 and 0 < y < 1e6 else NOTHING


def per_metre(x: float, y: float) -> Metadata:
    return per_inch(x * INCH, y * INCH)


def per_unit(x: Fraction, y: Fraction, unit: int) -> Metadata:
    """A resolution as the tags of TIFF and EXIF say it, by numerators and denominators."""
    if unit not in INCHES or not x[1] or not y[1]:
        return NOTHING
    return per_inch(x[0] / x[1] * INCHES[unit], y[0] / y[1] * INCHES[unit])


# --- To a file -------------------------------------------------------------------------------------------------------


def tiff_tags(given: Metadata) -> list[Tag]:
    """The tags of a TIFF, but for its resolution."""
    if given.no_data is None:
        return list(given.tags)
    return [*given.tags, Tag(NO_DATA, "s", 0, f"{given.no_data:.17g}".encode())]


def with_resolution(data: bytes, format: str, dpi: tuple[float, float]) -> bytes:
    """The same PNG, JPEG or BMP, as this package writes them, with a resolution; others come back unchanged."""
    metres = [round(value / INCH) for value in dpi]
    if format == "PNG":
        body = b"pHYs" + struct.pack(">IIB", *metres, 1)
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        return data[:33] + chunk + data[33:]  # after the signature (8) and the header's chunk (25)
    if format == "JPEG" and data[6:11] == b"JFIF\0":
        return data[:13] + struct.pack(">BHH", 1, *(min(65535, max(1, round(value))) for value in dpi)) + data[18:]
    return data[:38] + struct.pack("<ii", *metres) + data[46:] if format == "BMP" else data


def add_tags(path: Path, tags: list[Tag]) -> None:
    """Put tags into the first page of a BigTIFF where it lies: a directory with them follows at the end of the file."""
    with path.open("r+b") as file:
        order = {b"II": "<", b"MM": ">"}[file.read(2)]
        file.seek(8)
        (first,) = struct.unpack(f"{order}Q", file.read(8))
        file.seek(first)
        (count,) = struct.unpack(f"{order}Q", file.read(8))
        raw = [file.read(20) for _ in range(count)]
        following = file.read(8)
        entries = {struct.unpack(f"{order}H", entry[:2])[0]: entry for entry in raw}
        for tag in tags:
            entries[tag.code] = _entry(file, order, tag)
        place = _at_end(file)
        file.write(struct.pack(f"{order}Q", len(entries)))
        file.write(b"".join(entries[code] for code in sorted(entries)) + following)
        file.seek(8)
        file.write(struct.pack(f"{order}Q", place))


def _entry(file: BinaryIO, order: str, tag: Tag) -> bytes:
    """A tag's entry in the directory; a value of more than eight bytes is written at the end of the file."""
    if tag.kind == "s":
        value = tag.value + b"\0"
        head = struct.pack(f"{order}HHQ", tag.code, 2, len(value))
    else:
        value = struct.pack(f"{order}{tag.many}{tag.kind}", *tag.value)
        head = struct.pack(f"{order}HHQ", tag.code, {"H": 3, "d": 12}[tag.kind], tag.many)
    if len(value) <= 8:
        return head + value.ljust(8, b"\0")
    place = _at_end(file)
    file.write(value)
    return head + struct.pack(f"{order}Q", place)


def _at_end(file: BinaryIO) -> int:
    """The end of the file, made a multiple of eight."""
    end = file.seek(0, 2)
    file.write(bytes(-end % 8))
    return end + -end % 8
