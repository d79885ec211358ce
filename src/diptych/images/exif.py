"""What EXIF says of how pixels are meant: which way is up, how dense they are, and whether colours are Adobe RGB.

Read here and not by Pillow, which reads all of it, and warns on the console of what is damaged (Exif 2.3, 4.5 and 4.6).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from PIL import Image

from diptych.images.metadata import NOTHING, RESOLUTION_UNIT, X_RESOLUTION, Y_RESOLUTION, Metadata, per_unit

ORIENTATION = 0x0112  # also TIFF's tag
PRIVATE, INTEROPERABILITY, INDEX = 0x8769, 0xA005, 0x0001
BROKEN = "damaged EXIF left out"
FRACTION = 5
KINDS = {1: "B", 3: "H", 4: "I", FRACTION: "I"}
"""How bytes, shorts and longs are packed, and the place where a fraction lies."""
MOST = 1000
"""Entries of a directory that are looked at."""


class Exif(NamedTuple):
    """Orientation is 1 to 8; `notes` says that EXIF is damaged, which says nothing of the pixels."""

    orientation: int = 1
    adobe: bool = False
    notes: tuple[str, ...] = ()
    metadata: Metadata = NOTHING


def of_file(info: Mapping[Any, Any]) -> Exif:
    """By what Pillow found in a file."""
    exif = info.get("exif")
    found = parsed(exif) if isinstance(exif, bytes) else Exif(0)
    if found.orientation:
        return found
    elsewhere = {name: info[name] for name in ("xmp", "XML:com.adobe.xmp", "Raw profile type exif") if name in info}
    if not elsewhere:
        return found._replace(orientation=1)
    image = Image.new("1", (1, 1))
    image.info.update(elsewhere)
    return of_image(image)._replace(adobe=found.adobe, metadata=found.metadata)


def of_image(image: Image.Image) -> Exif:
    """Of an image in memory, whose EXIF may have been changed."""
    stored = image.info.get("exif")
    adobe = isinstance(stored, bytes) and parsed(stored).adobe
    try:
        return Exif(valid(Image.Image.getexif(image).get(ORIENTATION, 1)), adobe)  # PNG's own would decode the picture
    except Exception:  # struct.error, SyntaxError, ...
        return Exif(notes=(BROKEN,))


def valid(orientation: object) -> int:
    return orientation if isinstance(orientation, int) and orientation in range(1, 9) else 1


def parsed(exif: bytes) -> Exif:
    """EXIF as a file has it; an orientation of 0 where there is none."""
    body = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(body[:4])
    if order is None:
        return Exif(notes=(BROKEN,))
    numbers: dict[int, int] = {}
    fractions: dict[int, int] = {}
    adobe, whole = False, True
    try:
        (first,) = struct.unpack_from(f"{order}I", body, 4)
        for tag, kind, value in _entries(body, order, first):
            (fractions if kind == FRACTION else numbers)[tag] = value
        adobe = PRIVATE in numbers and _is_adobe(body, order, numbers[PRIVATE])
    except struct.error:
        whole = False
    orientation = valid(numbers[ORIENTATION]) if ORIENTATION in numbers else 0
    notes = () if whole or orientation else (BROKEN,)
    density = _density(body, order, fractions, numbers.get(RESOLUTION_UNIT, 2))
    return Exif(orientation if whole else orientation or 1, adobe, notes, density)


def _density(body: bytes, order: str, fractions: Mapping[int, int], unit: int) -> Metadata:
    try:
        x, y = (struct.unpack_from(f"{order}II", body, fractions[tag]) for tag in (X_RESOLUTION, Y_RESOLUTION))
    except (KeyError, struct.error):
        return NOTHING
    return per_unit(x, y, unit)


def _is_adobe(body: bytes, order: str, private: int) -> bool:
    """Whether the interoperability index is R03, as cameras say it that are set to Adobe RGB (DCF 2.0)."""
    for tag, _, place in _entries(body, order, private):
        if tag == INTEROPERABILITY:
            (count,) = struct.unpack_from(f"{order}H", body, place)
            starts = range(place + 2, place + 2 + 12 * min(count, MOST), 12)
            return any(body[at : at + 2] == struct.pack(f"{order}H", INDEX) and body[at + 8 : at + 11] == b"R03"
                       for at in starts)  # fmt: skip
    return False


def _entries(body: bytes, order: str, start: int) -> Iterator[tuple[int, int, int]]:
    """The tags of a directory that have a single value: tag, kind, and that value, or of a fraction its place."""
    (count,) = struct.unpack_from(f"{order}H", body, start)
    for at in range(start + 2, start + 2 + 12 * min(count, MOST), 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", body, at)
        if kind in KINDS and number == 1:
            yield tag, kind, struct.unpack_from(order + KINDS[kind], body, at + 8)[0]
