"""What visitors send to be translated together: files, and zips that are looked at before anything is unpacked."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from diptych.images.listing import kind_of
from diptych.serve.errors import BadPicture, ServeError, TooLarge

ITEMS = 10_000
"""Pictures in a job at most."""
DIRECTORY = 5_000_000
"""Bytes that a zip's list of entries may have, all of which are read at once."""
PLAIN = 100_000_000
"""Bytes that a zip may unpack to however small it is."""
RATIO = 100
"""Times its own size that a zip may unpack to beyond that; photographs hardly shrink, label maps do."""
END = b"PK\x05\x06"
"""How the end of a zip begins."""
LOCAL = 30
"""Bytes at least of what stands before an entry's data."""
NAME = 100
"""Letters of each part of a name that are kept."""


def pictures_in(
    name: str, file: IO[bytes], *, largest: int, room: int, left_out: list[str]
) -> Iterator[tuple[str, bytes]]:
    """The pictures of one upload, a zip or a file itself: names as the client has them, and bytes.

    largest, room: bytes that one may have, and all of them. left_out: is given the kind of each file of a zip that is
    no picture. Raises BadPicture, TooLarge.
    """
    if is_zip(file) and not name.lower().endswith(".npz"):  # an array, which comes back as one
        yield from opened_zip(file, largest=largest, room=room, left_out=left_out)
        return
    size = file.seek(0, 2)
    file.seek(0)
    if size > room:
        raise too_many(room)
    yield name, file.read()


def is_zip(file: IO[bytes]) -> bool:
    start = file.read(4)
    file.seek(0)
    return start in (b"PK\x03\x04", END)


def opened_zip(file: IO[bytes], *, largest: int, room: int, left_out: list[str]) -> Iterator[tuple[str, bytes]]:
    """The pictures in a zip. Raises BadPicture for one that is damaged, TooLarge for one that unpacks to too much."""
    if directory_size(file) > DIRECTORY:
        raise TooLarge(f"the zip has too many entries: a job has {ITEMS:,} pictures at most: make several")
    try:
        with zipfile.ZipFile(file) as archive:
            entries = wanted(archive, left_out)
            check_sizes(archive, entries, largest=largest, room=room)
            for entry in entries:
                with archive.open(entry) as inner:
                    data = inner.read(entry.file_size + 1)  # zipfile stops at what the entry says it is
                yield entry.filename, data
    except ServeError:
        raise
    except Exception as error:  # BadZipFile, zlib.error, RuntimeError for a password, and what else it finds
        raise BadPicture(f"the zip is damaged, or locked by a password: {error}") from None


def directory_size(file: IO[bytes]) -> int:
    """Bytes of the list of entries, as the end of a zip says it; nothing that is taken here needs the longer form."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 2**16 - len(END) - 18))
    end = file.read()
    file.seek(0)
    found = end.rfind(END)
    return int.from_bytes(end[found + 12 : found + 16], "little") if found >= 0 else 0


def wanted(archive: zipfile.ZipFile, left_out: list[str]) -> list[zipfile.ZipInfo]:
    """The entries that are pictures; the kinds of the others are noted."""
    entries = []
    for entry in archive.infolist():
        if entry.is_dir():
            continue
        if kind := kind_of_entry(archive, entry):
            left_out.append(kind)
        else:
            entries.append(entry)
    return entries


def kind_of_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    """Of what kind an entry is, "" for a picture: links are none, whatever they are called."""
    mode = stat.S_IFMT(entry.external_attr >> 16)
    if mode not in (0, stat.S_IFREG):
        return "link" if mode == stat.S_IFLNK else "device"

    def start() -> bytes:
        with archive.open(entry) as inner:
            return inner.read(32)

    return kind_of("/".join(parts_of(entry.filename)) or "picture", start)


def check_sizes(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], *, largest: int, room: int) -> None:
    """Refuse a zip by what it says of itself. Raises BadPicture, TooLarge."""
    everything = archive.infolist()
    if len(entries) > ITEMS:
        raise TooLarge(f"the zip has {len(entries):,} pictures: a job has {ITEMS:,} at most: make several")
    for entry in entries:
        if entry.file_size > largest:
            name = safe_name(entry.filename)
            raise TooLarge(f"{name} in the zip has more than {largest:,} bytes: leave it out, or make it smaller")
    total, packed = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
    if total > room:
        raise too_many(room)
    if total > max(PLAIN, RATIO * packed):
        raise TooLarge(f"the zip of {packed:,} bytes would unpack to {total:,}: send the pictures in smaller zips")
    end = 0
    for entry in sorted(everything, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            name = safe_name(entry.filename)
            raise BadPicture(f"the zip is damaged: {name} lies over another entry: zip the pictures again")
        end = entry.header_offset + LOCAL + entry.compress_size


def too_many(room: int) -> TooLarge:
    return TooLarge(f"a job has {ITEMS:,} pictures of {room:,} bytes in all at most: make several")


def parts_of(name: str) -> list[str]:
    """The parts of a client's path without what leads elsewhere, or nowhere."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    clean = ["".join(c for c in part if c.isprintable() and c not in ':*?"<>|').strip().rstrip(".") for part in parts]
    return [part for part in clean if part]


def safe_name(name: str) -> str:
    """A client's name for a picture without anything that leads elsewhere, and of a bearable length."""
    return "/".join(shortened(part) for part in parts_of(name)[-8:]) or "picture"


def shortened(part: str) -> str:
    """A part of a name in `NAME` letters, with its suffix."""
    suffix = PurePosixPath(part).suffix[:NAME]
    return part if len(part) <= NAME else part[: NAME - len(suffix)] + suffix
