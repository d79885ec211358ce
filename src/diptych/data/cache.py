"""Pictures decoded and resized once, kept in one memory-mapped file that every process shares.

The file appears under its fingerprint by one rename when it is whole, so a killed writer leaves nothing that is read.
What does not fit (the bound, the disk) is decoded each time instead.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np

from diptych import images
from diptych.data.augment import Augment
from diptych.data.folders import Item
from diptych.errors import DataError
from diptych.images import Picture
from diptych.storage import shards
from diptych.storage.files import UNFINISHED
from diptych.storage.prefetch import ahead

Progress = Callable[[int, int], None]  # done, total
Decode = Callable[[Item], tuple[Picture, ...]]  # the sides of a pair, or one picture
Prepared = tuple[np.ndarray, ...]
Shape = tuple[int, ...]
Entry = tuple[int, tuple[Shape, ...]]  # offset in the file, the shape of each side

PICTURES, INDEX = "pictures.bin", "index.json"


@dataclass(frozen=True)
class Cache:
    """What one pass over all items found: where each is in the file, and which cannot be decoded."""

    folder: Path | None
    dtypes: tuple[str, ...] = ("uint8", "uint8")  # of the sides of an item
    entries: dict[str, Entry] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)  # by the item's name
    notes: tuple[str, ...] = ()

    def get(self, name: str) -> Prepared | None:
        """The prepared sides as views of the file, or None where they have to be decoded."""
        if (entry := self.entries.get(name)) is None:
            return None
        offset, shapes = entry
        sides = []
        for shape, dtype in zip(shapes, self.dtypes, strict=True):
            end = offset + int(np.prod(shape)) * np.dtype(dtype).itemsize
            sides.append(self._bytes[offset:end].view(dtype).reshape(shape))
            offset = end
        return tuple(sides)

    @cached_property
    def _bytes(self) -> np.ndarray:
        assert self.folder is not None
        return np.memmap(self.folder / PICTURES, np.uint8, mode="r")

    def __getstate__(self) -> dict[str, object]:
        """For spawned workers: each maps the file itself, instead of getting a copy of its bytes."""
        return {name: value for name, value in self.__dict__.items() if name != "_bytes"}


def fill(
    place: Path | None,
    items: Sequence[Item],
    decode: Decode,
    augment: Augment,
    *,
    kind: str,
    dtypes: tuple[str, ...],
    limit_gb: float,
    progress: Progress | None = None,
) -> Cache:
    """Decode every item once, in threads, and keep them below `place` up to `limit_gb`; reuse what is there already.

    Args:
        place: a folder for caches, each below its fingerprint; None keeps nothing.
        kind: whatever else, besides files and resizing, decides on the decoded pictures (direction, channels).
    """
    folder = place / fingerprint(items, augment, kind, limit_gb) if place else None
    if folder and (found := _load(folder)):
        return found
    writer = _Writer(folder, limit_gb)
    faults = {}

    def prepare(item: Item) -> Prepared | str:
        try:
            return tuple(augment.prepare(picture) for picture in decode(item))
        except DataError as error:
            return str(error)

    with writer:
        for done, (item, sides) in enumerate(zip(items, ahead(prepare, items), strict=True), 1):
            if isinstance(sides, str):
                faults[item.name] = sides
            else:
                writer.add(item.name, sides)
            if progress:
                progress(done, len(items))
        return writer.finish(dtypes, faults)


def fingerprint(items: Sequence[Item], augment: Augment, kind: str, limit_gb: float) -> str:
    """Changes with any file (by name, size, time of change) and with any option that shows in the prepared pictures.

    Not with the place: a folder that has moved is not decoded again.
    """
    sha = hashlib.sha256(repr((kind, limit_gb, {**asdict(augment), "flip": None})).encode())
    for item in items:
        for path in item.files:
            sha.update(repr((item.name, path.name, *shards.stamp(images.file_of(path)))).encode())
    return sha.hexdigest()[:24]


def _load(folder: Path) -> Cache | None:
    try:
        index = json.loads((folder / INDEX).read_text())
        if (folder / PICTURES).stat().st_size != index["bytes"]:
            return None
    except (OSError, ValueError):
        return None
    entries = {name: (offset, tuple(map(tuple, shapes))) for name, (offset, *shapes) in index["entries"].items()}
    return Cache(folder, tuple(index["dtypes"]), entries, index["faults"], tuple(index["notes"]))


class _Writer:
    """Appends items to an unfinished cache; gives up, with a note, where the bound or the disk ends."""

    def __init__(self, folder: Path | None, limit_gb: float) -> None:
        self.folder, self.limit = folder, limit_gb * 1e9
        self.entries: dict[str, Entry] = {}
        self.notes: list[str] = []
        self.bytes = 0
        self.unfinished: Path | None = None
        self.file: BinaryIO | None = None

    def __enter__(self) -> _Writer:
        if self.folder and self.limit > 0:
            with self._giving_up():
                self.folder.parent.mkdir(parents=True, exist_ok=True)
                self.unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self.folder.parent))
                self.file = open(self.unfinished / PICTURES, "wb")  # closed by _drop
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def add(self, name: str, sides: Prepared) -> None:
        if self.file is None:
            return
        if self.bytes + sum(side.nbytes for side in sides) > self.limit:
            self._note_the_bound()
            return
        with self._giving_up():
            for side in sides:
                self.file.write(np.ascontiguousarray(side).data)
            self.entries[name] = (self.bytes, tuple(side.shape for side in sides))
            self.bytes += sum(side.nbytes for side in sides)

    def finish(self, dtypes: tuple[str, ...], faults: dict[str, str]) -> Cache:
        """Make the cache appear under its name, whole."""
        with self._giving_up():
            if self.file and self.folder and self.unfinished and self.bytes:
                self.file.flush()
                os.fsync(self.file.fileno())
                entries = {name: (offset, *shapes) for name, (offset, shapes) in self.entries.items()}
                index = {"bytes": self.bytes, "dtypes": dtypes, "entries": entries, "faults": faults}
                (self.unfinished / INDEX).write_text(json.dumps({**index, "notes": self.notes}))
                _move(self.unfinished, self.folder)
                return Cache(self.folder, dtypes, self.entries, faults, tuple(self.notes))
        return Cache(None, dtypes, {}, faults, tuple(self.notes))

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.notes.append(f"the cache could not be written ({error.strerror}): pictures are decoded each time")
            self._drop()

    def _drop(self) -> None:
        """Leave no half of a cache behind: the disk may be needed for checkpoints."""
        if self.file:
            with suppress(OSError):
                self.file.close()
            self.file = None
        if self.unfinished:
            shutil.rmtree(self.unfinished, ignore_errors=True)

    def _note_the_bound(self) -> None:
        note = f"the cache is full ({self.limit / 1e9:g} GB, data.cache_gb): the other pictures are decoded each time"
        if note not in self.notes:
            self.notes.append(note)


def _move(unfinished: Path, folder: Path) -> None:
    """Rename; where another process has finished the same cache meanwhile, its copy is as good."""
    if _load(folder) is None:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        os.rename(unfinished, folder)
    except OSError:
        if _load(folder) is None:
            raise
