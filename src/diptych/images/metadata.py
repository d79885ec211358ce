"""What a file says beside its pixels, and what is true of its translation too: resolution, coordinates, no data.

Colour profiles are none of it: pixels are sRGB once they are read. PNG specification, 11.3.5.3; JFIF 1.02; Exif 2.3,
4.6.3; TIFF 6.0, 8; OGC GeoTIFF 1.1, 7; GDAL, raster driver GTiff.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

INCH = 0.0254  # metres
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
INCHES = {2: 1.0, 3: 2.54}
"""TIFF's units of resolution: how many of them are an inch."""
GEO = (33550, 33922, 34264, 34735, 34736, 34737, 50844)
"""GeoTIFF's tags: scale, tie points, transformation, keys and their numbers and texts; RPC's coefficients."""
GDAL_METADATA, NO_DATA = 42112, 42113
OF_THE_VALUES = re.compile(r'\ssample="|name="(STATISTICS_|SCALE|OFFSET|UNITTYPE)')
"""Items of GDAL's metadata that tell of the numbers in a band, which a translation changes."""


class Tag(NamedTuple):
    """A tag of a TIFF: its number, type by struct's letter ("s": text, as bytes), how many values, and these."""

    code: int
    kind: str
    many: int
    value: Any


@dataclass(frozen=True)
class Metadata:
    """dpi: pixels per inch, across and down. tags: of a GeoTIFF. no_data: the number of pixels that hold nothing."""

    dpi: tuple[float, float] | None = None
    tags: tuple[Tag, ...] = ()
    no_data: float | None = None

    def held_by(self, dtype: np.dtype | str, *, ids: bool = False) -> Metadata:
        """The same for pixels of another type, which may lack the number for no data, or for ids, which do."""
        if self.no_data is None:
            return self
        if ids:
            return replace(self, no_data=None)
        kind = np.dtype(dtype)
        whole = kind.kind == "f" or (self.no_data == int(self.no_data) and 0 <= self.no_data <= np.iinfo(kind).max)
        return self if whole else replace(self, no_data=None)

    def empty(self, array: np.ndarray) -> np.ndarray | None:
        """Which pixels of `H W C` hold nothing: `H W`; None where none do."""
        if self.no_data is None:
            return None
        mask = (array == self.no_data).all(axis=2)
        return mask if mask.any() else None


NOTHING = Metadata()


def read_metadata(file: BinaryIO, format: str, orientation: int = 1) -> Metadata:
    """What a picture's file says; nothing where it is damaged, since the pixels may be whole.

    orientation: EXIF's, by which the pixels are turned: coordinates are true of what is not turned alone.
    """
    file.seek(0)
    try:
        found = READERS[format](file) if format in READERS else NOTHING
    except Exception:  # tifffile, struct and others raise what they like
        return NOTHING
    if orientation == 1:
        return found
    return Metadata(found.dpi[::-1] if found.dpi and orientation > 4 else found.dpi, no_data=found.no_data)


def resolution(x: float, y: float) -> Metadata:
    """Pixels per inch as metadata; nothing where they make no sense."""
    return Metadata((float(x), float(y))) if 0 < x < 1e6 and 0 < y < 1e6 else NOTHING


def _png(file: BinaryIO) -> Metadata:
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"pHYs":
            x, y, unit = struct.unpack(">IIB", file.read(9))
            return resolution(x * INCH, y * INCH) if unit == 1 else NOTHING
        file.seek(length + 4, 1)
    return NOTHING


def _jpeg(file: BinaryIO) -> Metadata:
    """JFIF's density, else EXIF's."""
    file.seek(2)
    exif = NOTHING
    while (head := file.read(4))[:1] == b"\xff" and head[1] not in (0xD9, 0xDA):
        body = file.read(int.from_bytes(head[2:], "big") - 2)
        if head[1] == 0xE0 and body[:5] == b"JFIF\0":
            unit, x, y = struct.unpack_from(">BHH", body, 7)
            if unit in (1, 2):
                return resolution(*(value * (2.54 if unit == 2 else 1) for value in (x, y)))
        if head[1] == 0xE1 and body[:6] == b"Exif\0\0":
            exif = _exif(body[6:])
    return exif


def _exif(body: bytes) -> Metadata:
    order = {b"II*\0": "<", b"MM\0*": ">"}[body[:4]]
    (start,) = struct.unpack_from(f"{order}I", body, 4)
    (count,) = struct.unpack_from(f"{order}H", body, start)
    found = {}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, _, place = struct.unpack_from(f"{order}HHII", body, at)
        if tag in (X_RESOLUTION, Y_RESOLUTION) and kind == 5:
            found[tag] = struct.unpack_from(f"{order}II", body, place)
        elif tag == RESOLUTION_UNIT:
            found[tag] = struct.unpack_from(f"{order}H", body, at + 8)
    return _by_tags(found)


def _by_tags(found: Mapping[int, tuple[int, ...]]) -> Metadata:
    inch = INCHES.get(found.get(RESOLUTION_UNIT, (2,))[0])
    if inch is None or X_RESOLUTION not in found or Y_RESOLUTION not in found:
        return NOTHING
    (x, per_x), (y, per_y) = found[X_RESOLUTION], found[Y_RESOLUTION]
    return resolution(x / per_x * inch, y / per_y * inch)


def _bmp(file: BinaryIO) -> Metadata:
    size, *_, x, y = struct.unpack("<I20xii", file.read(54)[14:46])
    return resolution(x * INCH, y * INCH) if size >= 40 else NOTHING


def _tiff(file: BinaryIO) -> Metadata:
    import tifffile

    tags = tifffile.TiffFile(file).pages.first.tags
    found = {code: tags[code].value for code in (X_RESOLUTION, Y_RESOLUTION) if code in tags}
    if RESOLUTION_UNIT in tags:
        found[RESOLUTION_UNIT] = (int(tags[RESOLUTION_UNIT].value),)
    return Metadata(_by_tags(found).dpi, tuple(_geo(tags)), _no_data(tags))


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


def _no_data(tags: Any) -> float | None:
    return float(_text(tags[NO_DATA].value).replace(",", ".")) if NO_DATA in tags else None


READERS = {"PNG": _png, "JPEG": _jpeg, "BMP": _bmp, "TIFF": _tiff}


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
