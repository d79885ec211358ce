"""Files appear whole or not at all: written beside their place, forced to disk, then renamed."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from diptych.errors import StorageError

UNFINISHED = ".unfinished-"
SUMS = "SHA256SUMS"
LONGEST_NAME = 255
"""Bytes that a name has at most, on nearly every system."""

REMEDIES: Mapping[int, str] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "Free some space."),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "Check the folder's permissions."),
    **dict.fromkeys(
        (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY),
        "Something else has this name, or that of a folder above it: choose another.",
    ),
    errno.ENAMETOOLONG: f"Choose a shorter name: at most {LONGEST_NAME} bytes, where most letters but a to z have two.",
}
"""What to do, by what the system says."""


def user_cache(name: str) -> Path:
    """A folder of this package in the user's cache (XDG Base Directory Specification); it may not be there yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diptych" / name


class HashingFile:
    """A file to write to that knows the sha256 of what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sha256 = file, hashlib.sha256()

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn what the system says while `path` is written into a StorageError with a remedy."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch.save wraps a failed write in a RuntimeError
        if isinstance(error, RuntimeError) and not isinstance(error.__context__, OSError):
            raise
        cause = error if isinstance(error, OSError) else cast(OSError, error.__context__)
        reason = cause.strerror or str(cause)
        remedy = REMEDIES.get(cause.errno or 0, "Free some space, or check the folder's permissions.")
        raise StorageError(
            f"{path} could not be written: {reason}; what was there before is untouched. {remedy}"
        ) from error


@contextmanager
def atomic(path: Path, *, durable: bool = True) -> Iterator[HashingFile]:
    """Open a file that takes the place of `path` only once it is complete and, if `durable`, forced to disk.

    Raises StorageError when it cannot be written; what was at `path` is then untouched, and nothing is left behind.
    """
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = unfinished(path)
        try:
            with part.open("xb") as file:
                yield HashingFile(file)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            os.replace(part, path)
            if durable:
                sync_folder(path.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def unfinished(path: Path) -> Path:
    """A new name beside `path`, with its suffix, for what is to become it."""
    return path.parent / marked(f"{UNFINISHED}{secrets.token_hex(4)}-", path.name)


def marked(mark: str, name: str) -> str:
    """`name` with a mark before it; of one that would be too long its digest and its end."""
    whole = os.fsencode(mark + name)
    if len(whole) <= LONGEST_NAME or len(os.fsencode(name)) > LONGEST_NAME:
        return mark + name
    mark += hashlib.sha256(os.fsencode(name)).hexdigest()[:8] + "-"
    return mark + os.fsencode(name)[len(mark) - LONGEST_NAME :].decode(errors="ignore")


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> str:
    """Write `data` atomically and return its sha256."""
    with atomic(path, durable=durable) as file:
        file.write(data)
    return file.sha256.hexdigest()


def write_text(path: Path, text: str) -> str:
    """Write UTF-8 `text` atomically and return its sha256."""
    return write_bytes(path, text.encode())


def sync_folder(folder: Path) -> None:
    """Force a folder's list of names to disk, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Make a folder that takes the place of `folder` only once it is complete.

    Raises StorageError when it cannot be written; what was at `folder` is then untouched, and nothing is left behind.
    """
    with storing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = unfinished(folder)
        try:
            new.mkdir()
            yield new
            replace_folder(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def replace_folder(new: Path, folder: Path) -> None:
    """Put the complete folder `new` where `folder` is; a crash between leaves the old one for `recover_folder`."""
    old = older(folder)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.replace(folder, old)
    try:
        os.replace(new, folder)
    finally:
        recover_folder(folder)
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def older(folder: Path) -> Path:
    """Where `folder` waits while another is put in its place."""
    return folder.parent / marked(f"{UNFINISHED}old-", folder.name)


def recover_folder(folder: Path) -> None:
    """Undo a replacement that was cut short. For the writer: a reader would disturb one that is under way."""
    if older(folder).exists() and not folder.exists():
        os.replace(older(folder), folder)


def irregular(path: Path) -> str:
    """What a path is, in words, where it is neither a file nor missing: to read from a pipe may never end."""
    try:
        mode = path.stat().st_mode
    except OSError:  # whoever opens it is told
        return ""
    kinds = {"a folder": stat.S_ISDIR, "a pipe": stat.S_ISFIFO, "a socket": stat.S_ISSOCK, "a file": stat.S_ISREG}
    kind = next((kind for kind, is_one in kinds.items() if is_one(mode)), "a device")
    return "" if kind == "a file" else kind


def clean_unfinished(folder: Path) -> None:
    """Remove what interrupted writes left in `folder`."""
    for orphan in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(orphan, ignore_errors=True) if orphan.is_dir() else orphan.unlink(missing_ok=True)
