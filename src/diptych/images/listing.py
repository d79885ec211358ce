"""Which files of a folder are pictures, and of what kind all others are: nothing is left out without being counted."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from diptych.errors import DataError
from diptych.images.formats import SUFFIXES, VOLUMES
from diptych.images.reading import BEGINNING, format_of

SYSTEM = re.compile(
    r"\._.*|~\$.*|\.ds_store|(eh)?thumbs(_vista)?\.db|desktop\.ini|icon\r|__macosx|\.appledouble|@eadir|@tmp|#recycle"
    r"|#snapshot|@recycle|@recently-snapshot|\$recycle\.bin|system volume information|lost\+found|\.trash.*"
    r"|\.thumbnails|\.ipynb_checkpoints|__pycache__",
    re.IGNORECASE,
)
"""Names that systems, shares and editors put beside pictures."""
PREVIEW = re.compile(r"previews?|thumbs?|thumbnails?", re.IGNORECASE)
"""Names, without a suffix, of small copies of pictures."""
RAW = ".dng .nef .nrw .cr2 .arw .sr2 .srf .pef .rw2 .srw .3fr .erf .kdc .dcr .iiq .mef .mos"
UNFINISHED_OR_OLD = ".part .partial .tmp .crdownload .download .bak .orig .old"
NEVER = frozenset(f"{RAW} {UNFINISHED_OR_OLD}".split())
"""Suffixes of files that may begin like a picture and are none to work with."""
LINKS = 3
"""Links to folders that are followed one inside the other: without a bound, links in a ring have endless paths."""

Start = Callable[[], bytes]


class Entry(NamedTuple):
    """A picture, whose kind is ""; or what is left out, and of what kind that is: ".psd", "system file"."""

    path: Path
    kind: str


class Listing(NamedTuple):
    """What lies in a folder: its pictures, and what is left out, each in the order of names."""

    pictures: list[Path]
    left_out: list[Entry]

    def counted(self) -> str:
        """What is left out, counted by kind: `3 .psd, 2 .txt, 5 system files`; "" for nothing."""
        return counted(entry.kind for entry in self.left_out)


def list_pictures(folder: Path) -> Listing:
    """All pictures below a folder, and what is left out."""
    entries = sorted(walk(folder), key=lambda entry: entry.path.parts)
    return Listing([path for path, kind in entries if not kind], [entry for entry in entries if entry.kind])


def walk(folder: Path) -> Iterator[Entry]:
    """Everything below a folder, in no order. Links are followed, but never in a circle; nothing raises an OSError."""
    todo: list[tuple[Path, frozenset[tuple[int, int]], int]] = [(folder, frozenset(), 0)]
    while todo:
        here, above, links = todo.pop()
        try:
            found = here.stat()
            with os.scandir(here) as scan:
                entries = list(scan)
        except OSError:
            yield Entry(here, "unreadable folder")
            continue
        me = found.st_dev, found.st_ino
        if me in above or links > LINKS:
            yield Entry(here, "circular link")
            continue
        if all(_aside(entry.name) for entry in entries):
            yield Entry(here, "empty folder")
        for entry in entries:
            if (kind := _kind(entry)) == "folder":
                todo.append((Path(entry.path), above | {me}, links + entry.is_symlink()))
            else:
                yield Entry(Path(entry.path), kind)


def kind_of(relative: PurePath | str, start: Start | None = None) -> str:
    """Of what kind a file is, by its path inside a folder or a zip; "" for a picture.

    start: gives the file's first `BEGINNING` bytes, asked where the suffix is none of a picture; without it such a
    file is none.

    >>> kind_of("holiday/1.JPG"), kind_of("__MACOSX/._1.jpg"), kind_of("notes.txt")
    ('', 'system file', '.txt')
    """
    path = PurePath(relative)
    if aside := next(filter(None, map(_aside, path.parts)), ""):
        return aside if aside == "preview" else f"{aside} file"
    suffix = path.suffix.lower()
    if (
        path.name.lower().endswith(VOLUMES)
        or suffix in SUFFIXES
        or (start and suffix not in NEVER and suffix[-1:] != "~" and _begins_like_a_picture(start))
    ):
        return ""
    return suffix if re.fullmatch(r"\.\w{1,12}", suffix) else "suffixless file"


def counted(kinds: Iterable[str]) -> str:
    """Kinds and how many there are of each, the most frequent first.

    >>> counted([".txt", "system file", "system file", ".txt", "FIFO", ".txt"])
    '3 .txt, 2 system files, 1 FIFO'
    """
    counts = sorted(Counter(kinds).items(), key=lambda found: (-found[1], found[0]))
    return ", ".join(f"{count} {kind}{'s' * (count > 1 and kind[0] != '.')}" for kind, count in counts)


def _aside(name: str) -> str:
    """What makes a file or folder of this name no data: "system", "hidden", "preview", or ""."""
    if SYSTEM.fullmatch(name):
        return "system"
    if name.startswith("."):
        return "hidden"
    return "preview" if PREVIEW.fullmatch(PurePath(name).stem) else ""


def _kind(entry: os.DirEntry[str]) -> str:
    """ "" for a picture, "folder" for a folder to look into."""
    try:
        if entry.is_file():
            return kind_of(entry.name, lambda: _start(entry.path))
        if entry.is_dir():
            if aside := _aside(entry.name):
                return f"{aside} folder"
            return "misnamed folder" if PurePath(entry.name).suffix.lower() in SUFFIXES else "folder"
        mode = entry.stat().st_mode
    except OSError:
        return "broken link" if entry.is_symlink() else "unreadable file"
    return "FIFO" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"


def _start(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(BEGINNING)


def _begins_like_a_picture(start: Start) -> bool:
    try:
        data = start()
        format = format_of(data)
    except DataError:
        return False
    # "BM" alone also begins a text; behind it a BMP has the size of its second header.
    return format != "BMP" or int.from_bytes(data[14:18], "little") in (12, 16, 40, 52, 56, 64, 108, 124)
