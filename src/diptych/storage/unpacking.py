"""Archives from outside into a folder: plain files only, each inside the folder, never more than there is room for."""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from diptych.errors import DataError
from diptych.storage.files import storing


def unpack(archive: Path, folder: Path) -> int:
    """Unpack a .zip or .tar, compressed or not, and give the number of its files.

    Raises DataError for a damaged one, and for one that holds links, devices or paths out of the folder; StorageError
    where it cannot be written.
    """
    count = 0
    try:
        members = _zipped(archive) if zipfile.is_zipfile(archive) else _taped(archive)
        for name, size, file in members:
            target = _inside(folder, name, archive)
            if size > shutil.disk_usage(folder).free:
                raise DataError(f"{archive} holds more than there is room for in {folder}: free some space")
            with storing(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as to:
                    shutil.copyfileobj(file, to)
            count += 1
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
        raise DataError(f"{archive} is damaged or no archive ({error}): fetch it again") from None
    return count


def _zipped(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise DataError(f"{archive} holds {member.filename}, which is no plain file: do not use it")
            if not member.is_dir():
                with zipped.open(member) as file:
                    yield member.filename, member.file_size, file


def _taped(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with tarfile.open(archive) as tape:
        for member in tape:
            if not (member.isreg() or member.isdir()):
                raise DataError(f"{archive} holds {member.name}, which is no plain file: do not use it")
            if member.isreg() and (file := tape.extractfile(member)):
                yield member.name, member.size, file
        while tape.fileobj and tape.fileobj.read(1 << 20):
            pass  # to the end, where the checksum is


def _inside(folder: Path, name: str, archive: Path) -> Path:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or not path.parts or ".." in path.parts or ":" in path.parts[0] or "\0" in name:
        raise DataError(f"{archive} holds {name}, a path out of its folder: do not use it")
    return folder / path
