"""The features of tiles that wait for others, in a temporary file: the system keeps in memory what it has room for."""

from __future__ import annotations

import ctypes
import tempfile
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from os import SEEK_END
from types import TracebackType
from typing import IO

import torch
from torch import Tensor, UntypedStorage

from diptych.errors import StorageError


class Pages:
    """Keeps the features of waiting tiles, and gives them back in the next round, the last first.

    A round reads its file from the end, and makes it shorter as it does: much of it never reaches a disk. The files are
    in the system's folder for temporary ones and have no names: nothing is left of them whatever happens.
    """

    def __init__(self) -> None:
        self.parcels: defaultdict[int, list[tuple[UntypedStorage, int, int]]] = defaultdict(list)
        self.written: IO[bytes] | None = None
        self.read: IO[bytes] | None = None

    def __enter__(self) -> Pages:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        for file in (self.written, self.read):
            if file:
                file.close()

    def turn(self) -> None:
        """Every tile has waited once more: what was written is read from now on."""
        if self.read:
            self.read.close()
        self.written, self.read = None, self.written

    def keep(self, number: int, storages: Iterable[UntypedStorage]) -> None:
        """Tile `number` waits. Raises StorageError where there is no room for what it holds."""
        with roomy():
            self.written = self.written or tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
            for storage in storages:
                self.parcels[number].append((storage, self.written.tell(), storage.nbytes()))
                here = flat(storage).cpu()
                write(self.written, bytes_of(here.untyped_storage()))
                storage.resize_(0)

    def give_back(self, number: int) -> None:
        """Tile `number` goes on."""
        parcels = self.parcels.pop(number, [])
        if not parcels:
            return
        assert self.read is not None
        start = parcels[0][1]
        self.read.seek(start)
        for storage, _, size in parcels:
            storage.resize_(size)
            here = storage if storage.device.type == "cpu" else torch.UntypedStorage(size)
            read(self.read, bytes_of(here))
            if here is not storage:
                flat(storage).copy_(flat(here))
        self.read.truncate(start)


class Letters:
    """What tiles leave for each other between two rounds, in temporary files as well."""

    def __init__(self) -> None:
        self.files: list[IO[bytes] | None] = [None, None]
        self.places: list[dict[Hashable, int]] = [{}, {}]

    def leave(self, address: Hashable, x: Tensor) -> None:
        """Raises StorageError where there is no room."""
        with roomy():
            file = self.files[0] = self.files[0] or tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
            self.places[0][address] = file.seek(0, SEEK_END)
            copy = x.cpu().clone(memory_format=torch.contiguous_format)  # kept until it is written
            write(file, bytes_of(copy.untyped_storage()))

    def fetch(self, address: Hashable, x: Tensor) -> None:
        """Put what was left in the round before into `x`."""
        file, here = self.files[1], torch.empty(x.shape, dtype=x.dtype)
        assert file is not None
        file.seek(self.places[1][address])
        read(file, bytes_of(here.untyped_storage()))
        x.copy_(here)

    def turn(self) -> None:
        """What was left can be fetched from now on, and what was left before that is gone."""
        if self.files[1]:
            self.files[1].close()
        self.files, self.places = [None, self.files[0]], [{}, self.places[0]]

    def close(self) -> None:
        for file in self.files:
            if file:
                file.close()


@contextmanager
def roomy() -> Iterator[None]:
    """Raises StorageError where there is no room."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{tempfile.gettempdir()}: no room for what is between the layers of a large picture "
            f"({error.strerror}): free some, name another place in TMPDIR, "
            "or take --tiling approximate, which needs none"
        ) from None


def write(file: IO[bytes], left: memoryview) -> None:
    while left:
        left = left[file.write(left) :]


def read(file: IO[bytes], left: memoryview) -> None:
    while left and (count := file.readinto(left)):  # type: ignore[attr-defined]
        left = left[count:]
    if left:
        raise StorageError("what lies between the layers of a large picture cannot be read back: try again")


def flat(storage: UntypedStorage) -> torch.Tensor:
    """The bytes of a storage, as a tensor."""
    return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)


def bytes_of(storage: UntypedStorage) -> memoryview:
    """The bytes of a storage in main memory; an array of NumPy would forbid to change its size."""
    return memoryview((ctypes.c_ubyte * storage.nbytes()).from_address(storage.data_ptr())).cast("B")
