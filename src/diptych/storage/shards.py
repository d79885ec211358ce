"""A folder of few large files in the place of many small ones: tar archives, and an index of what lies in them.

Slow disks and networks read large files fast, and take long for each small one. A file keeps the path that it has in
the folder: what opens it finds it in an archive where it is not on the disk. Any program that unpacks the archives
there makes the folder that it was.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from diptych.errors import DataError
from diptych.storage.files import storing, write_text

INDEX = "shards.json"
LARGEST = 256_000_000
"""Bytes of an archive, about."""


class Shard(BaseModel):
    """What an archive is: its size, and its digest in hex."""

    model_config = ConfigDict(extra="forbid")

    bytes: int
    sha256: str


class Index(BaseModel):
    """The archives by name, and of each file in them the archive, where it begins there, and its size in bytes."""

    model_config = ConfigDict(extra="forbid")

    shards: dict[str, Shard]
    files: dict[str, tuple[str, int, int]]


class Place(NamedTuple):
    """Where a file lies: in which archive, from which byte on, how many."""

    shard: Path
    begin: int
    size: int


def pack(folder: Path, files: Iterable[Path], *, largest: int = LARGEST) -> int:
    """Move files of a folder into archives in it, in order, and write their index; gives the number of archives.

    Times and owners are left out, so that the same files make the same archives. Raises StorageError.
    """
    shards: dict[str, Shard] = {}
    places: dict[str, tuple[str, int, int]] = {}
    waiting = list(files)
    while waiting:
        name = f"{len(shards):05d}.tar"
        with storing(folder / name):
            with tarfile.open(folder / name, "w") as archive:
                while waiting and (archive.offset == 0 or archive.offset + waiting[0].stat().st_size <= largest):
                    path = waiting.pop(0)
                    about = tarfile.TarInfo(path.relative_to(folder).as_posix())
                    about.size = path.stat().st_size
                    with path.open("rb") as content:
                        archive.addfile(about, content)
                    path.unlink()
            with tarfile.open(folder / name) as archive:
                places |= {about.name: (name, about.offset_data, about.size) for about in archive}
        shards[name] = Shard(bytes=(folder / name).stat().st_size, sha256=digest(folder / name))
    write_text(folder / INDEX, Index(shards=shards, files=places).model_dump_json() + "\n")
    for below in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(below.iterdir()):
            below.rmdir()
    return len(shards)


def listed(folder: Path) -> list[Path] | None:
    """The paths of all files in the archives of a folder; None where it has no index.

    Raises DataError where an archive is missing, or is not of the size that it had.
    """
    if not (folder / INDEX).is_file():
        return None
    index = read_index(folder)
    for name, shard in index.shards.items():
        place = folder / name
        if not place.is_file():
            raise DataError(f"{place} is missing, one of {len(index.shards)} archives of the folder: copy it again")
        if (size := place.stat().st_size) != shard.bytes:
            raise DataError(f"{place} has {size} bytes, and had {shard.bytes}: copy it again")
    return [folder / name for name in index.files]


def verify(folder: Path) -> None:
    """Raises DataError where an archive of a folder is not what was written; reads all of it."""
    if listed(folder) is None:
        return
    for name, shard in read_index(folder).shards.items():
        if digest(folder / name) != shard.sha256:
            raise DataError(f"{folder / name} is not what was written (its sha256 differs): copy it again")


def find(path: Path) -> Place | None:
    """Where in an archive a file lies that is not on the disk itself."""
    for folder in path.parents:
        if (folder / INDEX).is_file():
            found = read_index(folder).files.get(path.relative_to(folder).as_posix())
            return Place(folder / found[0], *found[1:]) if found else None
    return None


def opened(path: Path) -> BinaryIO:
    """A file, on the disk or in an archive, to read. Raises OSError as `open` does."""
    try:
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        if not (place := find(path)):
            raise
    with place.shard.open("rb") as shard:
        shard.seek(place.begin)
        return io.BytesIO(shard.read(place.size))


def stamp(path: Path) -> tuple[int, int]:
    """A file's size in bytes, and when it was changed, in nanoseconds; in an archive when that was."""
    try:
        found = path.stat()
        return found.st_size, found.st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        if not (place := find(path)):
            raise
    return place.size, place.shard.stat().st_mtime_ns


def digest(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def read_index(folder: Path) -> Index:
    """The index of a folder. Raises DataError where it is damaged."""
    return _read(folder / INDEX, (folder / INDEX).stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read(path: Path, _: int) -> Index:
    try:
        index = Index.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(f"{path} is damaged ({error.errors()[0]['msg']}): copy it again") from None
    inside = [*index.shards, *index.files]
    if odd := [name for name in inside if name.startswith("/") or ".." in Path(name).parts]:
        raise DataError(f"{path}: {odd[0]!r} leads out of the folder: not opened")
    if odd := [name for name, (shard, *_) in index.files.items() if shard not in index.shards]:
        raise DataError(f"{path} is damaged (of {odd[0]} there is no archive): copy it again")
    return index
