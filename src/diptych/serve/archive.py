"""Results as one zip, made while it is sent: it lies on no disk, however many read it, and however slowly."""

from __future__ import annotations

import unicodedata
import zipfile
from collections.abc import Generator, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from diptych.serve.store import Item

CHUNK = 2**16
"""Bytes that are read and sent at a time."""


class Sink:
    """A file that can only be written to, and gives what was written."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: Any) -> int:
        self.pieces.append(bytes(data))
        return len(self.pieces[-1])

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def taken(self) -> bytes:
        data, self.pieces = b"".join(self.pieces), []
        return data


def zipped(items: Iterable[Item], folder: Path) -> Generator[bytes, None, None]:
    """A zip of these items' results, in pieces; one whose file is gone meanwhile is left out."""
    sink, names = Sink(), Names()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for item in items:
            try:
                file = (folder / str(item.result)).open("rb")
            except OSError:
                continue
            with file, archive.open(names.free(item), "w") as entry:
                while data := file.read(CHUNK):
                    entry.write(data)
                    yield sink.taken()
            yield sink.taken()
    yield sink.taken()


class Names:
    """The names in a zip, none of which stands in the way of another on any system: A.png and a.png are one there."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.folders: set[str] = set()

    def free(self, item: Item) -> str:
        """The name of a result: its picture's, with the result's suffix, and a number where it is taken."""
        path = PurePosixPath(item.name)
        suffix = PurePosixPath(item.result or "").suffix
        stem = f"{path.stem}-{item.seed}" if item.seed is not None else path.stem
        folder = ""
        for part in path.parts[:-1]:
            folder = self.unused(folder + part, "", self.files) + "/"
            self.folders.add(alike(folder[:-1]))
        name = self.unused(folder + stem, suffix, self.files | self.folders)
        self.files.add(alike(name))
        return name

    @staticmethod
    def unused(stem: str, suffix: str, taken: set[str]) -> str:
        name, turn = stem + suffix, 1
        while alike(name) in taken:
            turn += 1
            name = f"{stem} ({turn}){suffix}"
        return name


def alike(name: str) -> str:
    """What is the same for all names that are one to some system."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
