"""From a folder to training batches and test pairs: `open_data`, whose signature is the `data:` section of a recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import numpy as np
from annotated_types import Ge, Gt, Interval
from pydantic import AfterValidator

from diptych import images, tasks
from diptych.ahead import ahead
from diptych.data import cache
from diptych.data.augment import Augment, Resize
from diptych.data.cache import Cache, Progress
from diptych.data.folders import Folder, Item, hold_out, recognise
from diptych.data.loader import PairedData, loader
from diptych.errors import ConfigError, DataError
from diptych.images import Picture
from diptych.tasks import Task

if TYPE_CHECKING:
    import torch

Range = tuple[float, float]
T = TypeVar("T")


@dataclass(frozen=True)
class PairReader:
    """Decodes a pair as (source, target): halves cut, channels as the domain has them."""

    reverse: bool
    channels: tuple[int, int]  # of source and target
    limit_mp: float
    task: Task

    def __call__(self, item: Item) -> tuple[Picture, Picture]:
        assert item.b is not None
        a = images.read(item.a, limit_mp=self.limit_mp)
        a, b = _halves(a) if item.b == item.a else (a, images.read(item.b, limit_mp=self.limit_mp))
        source, target = self.task.pair(*((b, a) if self.reverse else (a, b)))
        return _with_channels(source, self.channels[0]), _with_channels(target, self.channels[1])


def _halves(picture: Picture) -> tuple[Picture, Picture]:
    middle = picture.array.shape[1] // 2

    def half(part: slice) -> Picture:
        alpha = None if picture.alpha is None else picture.alpha[:, part]
        return Picture(np.ascontiguousarray(picture.array[:, part]), alpha, picture.format, picture.notes)

    return half(slice(None, middle)), half(slice(middle, None))


def _with_channels(picture: Picture, channels: int) -> Picture:
    return Picture(images.match_channels(picture.array, channels), picture.alpha, picture.format, picture.notes)


@dataclass
class Data:
    """Pairs to learn from and to be judged by. (source, target) is the order of every pair of values here."""

    folder: Folder
    train: tuple[Item, ...]
    val: tuple[Item, ...]
    test: tuple[Item, ...]
    names: tuple[str, str]
    channels: tuple[int, int]
    dtype: tuple[str, str]
    range: tuple[Range, Range]
    fingerprint: str  # of the names and sizes of all files that are used
    augment: Augment
    read: PairReader
    workers: int = 0
    cache_gb: float = 4.0
    notes: list[str] = field(default_factory=list)  # sentences for the user
    _cache: Cache | None = field(default=None, repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the training pictures."""
        return self.augment.size

    def prepare(self, cache_dir: Path | str | None = None, progress: Progress | None = None) -> None:
        """Decode every training pair once: fill the cache, and drop from `train` what cannot be decoded.

        `progress(done, total)` is called meanwhile. Without `cache_dir` nothing is kept. Of several processes let one
        go first: the others find the cache ready. A second call does nothing.
        """
        if self._cache is not None:
            return
        place = Path(cache_dir) if cache_dir else None
        kind = repr((self.read, self.dtype))
        self._cache = cache.fill(
            place,
            self.train,
            self.read,
            self.augment,
            kind=kind,
            dtypes=self.dtype,
            limit_gb=self.cache_gb,
            progress=progress,
        )
        self.notes += [*self._cache.notes, *(f"left out: {fault}" for fault in self._cache.faults.values())]
        self.train = tuple(item for item in self.train if item.name not in self._cache.faults)
        if not self.train:
            first = next(iter(self._cache.faults.values()), "there are none")
            raise DataError(f"{self.folder.root} has no training pairs that can be decoded: {first}")

    def loader(
        self,
        seed: int,
        batch: int,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
        cache_dir: Path | str | None = None,
        progress: Progress | None = None,
    ) -> Iterator[dict[str, torch.Tensor]]:
        """Endless batches `{"source", "target"}`, `B H W C` in the files' dtype, from image `start` on."""
        self.prepare(cache_dir, progress)
        dataset = PairedData(self.train, self.read, self.augment, seed, self._cache)
        return loader(dataset, batch=batch, start=start, rank=rank, world=world, workers=self.workers)

    def items(self, split: str) -> tuple[Item, ...]:
        """The pairs of train, val or test."""
        if split not in (splits := {"train": self.train, "val": self.val, "test": self.test}):
            raise ConfigError(f"split={split} is unknown: use one of {', '.join(splits)}")
        return splits[split]

    def pairs(self, split: str) -> Iterator[tuple[str, Picture, Picture]]:
        """(name, source, target) of a split, whole and not augmented; what cannot be decoded is left out, and noted."""

        def read(item: Item) -> tuple[str, Picture, Picture] | str:
            try:
                return item.name, *self.read(item)
            except DataError as error:
                return str(error)

        for found in ahead(read, self.items(split)):
            if isinstance(found, str):
                self.notes.append(f"left out: {found}")
            else:
                yield found


def _a_size(size: int | str) -> int | str:
    """For recipes: refuses what is no size together with all other faults."""
    parse_size(size)
    return size


def open_data(
    *,
    folder: str,
    task: str = "pairs",
    direction: str = "a2b",
    kind: Literal["auto", "side by side", "two folders"] = "auto",
    size: Annotated[int | str, AfterValidator(_a_size)] = 256,
    load: Annotated[int, Gt(0)] | None = None,
    resize: Resize = "square",
    flip: bool = True,
    val: Annotated[float, Interval(ge=0, lt=1)] = 0.05,
    enlarge: bool = False,
    workers: Annotated[int, Ge(0)] = 0,
    cache_gb: Annotated[float, Ge(0)] = 4.0,
    limit_mp: Annotated[float, Gt(0)] = images.LIMIT_MP,
) -> Data:
    """Open a folder of pairs. Nothing but headers is read, except to measure the values of 16-bit and float pictures.

    Args:
        folder: pairs side by side, or two folders of pictures paired by name; optionally train/, val/, test/.
        task: what a pair is; "pairs": the two pictures as they are given.
        direction: a2b, b2a, or the names of the two folders, as photo2label; side by side, a is the left half.
        kind: how the folder is laid out, where that is not recognised rightly.
        size: of the training crop, in pixels: 256, or "320x256" for width x height.
        load: length of the shorter side before the crop; by default 286/256 of the crop's, as in the paper.
        resize: "square": the whole picture to the crop's shape; "short": aspect kept; "none": as it is.
        flip: mirror half of the training pictures.
        val: share of the training pairs held out for validation where there is no val/, at most 50 of them; 0: none.
        enlarge: accept pictures that are smaller than the crop, and enlarge them.
        workers: processes that load pictures; 0 loads them in the training process, which is enough with the cache.
        cache_gb: bound of the file that keeps decoded pictures; 0 decodes them each time.
        limit_mp: refuse pictures of more million pixels.
    """
    found = recognise(folder, kind=kind, direction=direction, limit_mp=limit_mp)
    if found.kind not in ("side by side", "two folders"):
        what = "unpaired pictures" if found.kind == "unpaired" else "single photos"
        raise DataError(
            f"{folder} holds {what}, not pairs: put the two of a pair side by side in one file, or into two folders "
            "under one name (diptych data check tells what is found)"
        )
    reverse = found.reverses(direction)
    train, held_out = _splits(found, val)
    augment = Augment(parse_size(size), load, flip, resize, enlarge)
    _refuse_too_small(found, train, augment)
    read = PairReader(reverse, _turn(found.channels, reverse), limit_mp, tasks.find(task))
    return Data(
        folder=found,
        train=train,
        val=held_out,
        test=found.splits.get("test", ()),
        names=_turn(found.names, reverse),
        channels=read.channels,
        dtype=_turn(found.dtypes, reverse),
        range=_ranges(train, read, _turn(found.dtypes, reverse)),
        fingerprint=_fingerprint(found),
        augment=augment,
        read=read,
        workers=workers,
        cache_gb=cache_gb,
        notes=found.notes(),
    )


def parse_size(size: int | str) -> tuple[int, int]:
    """Height and width of 256 or "320x256", which is width x height as cameras and screens say it."""
    words = str(size).lower().split("x")
    if len(words) > 2 or not all(word.strip().isdecimal() and int(word) > 0 for word in words):
        raise ConfigError(f"data.size={size} is not a size: write 256, or 320x256 for width x height")
    return int(words[-1]), int(words[0])


def _turn(ab: tuple[T, T], reverse: bool) -> tuple[T, T]:
    return (ab[1], ab[0]) if reverse else ab


def _splits(found: Folder, val: float) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    if not 0 <= val < 1:
        raise ConfigError(f"data.val={val} is not a share: use 0 up to below 1")
    train, held_out = found.splits.get("train", ()), found.splits.get("val", ())
    if held_out or not train or val == 0:
        return train, held_out
    if len(train) == 1:
        raise DataError(f"{found.root} has one training pair and none to validate with: add pairs, or set data.val=0")
    return hold_out(train, val)


def _refuse_too_small(found: Folder, items: tuple[Item, ...], augment: Augment) -> None:
    height, width = augment.size
    small = [item for item in items if found.size(item.a)[0] < height or found.size(item.a)[1] < width]
    if small and not augment.enlarge:
        least = min(small, key=lambda item: min(found.size(item.a)))
        h, w = found.size(least.a)
        raise DataError(
            f"{found.root}: {len(small)} of {len(items)} training pictures are smaller than the crop, {width}x{height}"
            f" (the smallest: {least.a.name}, {w}x{h}): choose a smaller data.size, or data.enlarge=true"
        )


def _ranges(items: tuple[Item, ...], read: PairReader, dtypes: tuple[str, str]) -> tuple[Range, Range]:
    """What is black and white: measured on the training pictures where 16 bits or floats leave it open."""
    if dtypes == ("uint8", "uint8"):
        return images.value_range("uint8"), images.value_range("uint8")

    def extremes(item: Item) -> list[tuple[float, float]]:
        try:
            return [(float(picture.array.min()), float(picture.array.max())) for picture in read(item)]
        except DataError:
            return []  # said when the picture is needed

    measured = [found for found in ahead(extremes, items) if found]
    if not measured:
        return images.value_range(dtypes[0]), images.value_range(dtypes[1])
    source, target = (
        images.fitting_range(dtype, min(low for low, _ in side), max(high for _, high in side))
        for dtype, side in zip(dtypes, zip(*measured, strict=True), strict=True)
    )
    return source, target


def _fingerprint(found: Folder) -> str:
    """sha256 over names and sizes in bytes: tells data sets apart without reading them, wherever they lie."""
    sha = hashlib.sha256()
    paths = sorted({path for item in found.items() for path in (item.a, item.b) if path})
    for path in paths:
        sha.update(f"{path.relative_to(found.root).as_posix()} {path.stat().st_size}\n".encode())
    return sha.hexdigest()
