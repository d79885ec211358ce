"""From folders to training batches and test pairs: `open_data`, whose signature is the `data:` section of a recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import numpy as np
from annotated_types import Ge, Gt, Interval
from pydantic import AfterValidator

from diptych import images, tasks
from diptych.ahead import ahead
from diptych.data import cache, compare
from diptych.data.augment import Augment, Resize
from diptych.data.cache import Cache, Progress
from diptych.data.finding import summary
from diptych.data.folders import Folder, Item, hold_out
from diptych.data.labels import legend_of
from diptych.data.loader import DECK_OF_A, DECK_OF_B, DECK_OF_PAIRS, Deck, Decode, PairedData, UnpairedData, loader
from diptych.data.reading import PairReader, SingleReader
from diptych.data.recognising import recognise
from diptych.errors import ConfigError, DataError
from diptych.images import Picture
from diptych.legend import Legend, to_planes

if TYPE_CHECKING:
    import torch

Range = tuple[float, float]
Legends = tuple[Legend | None, Legend | None]
Inputs = tuple[str, ...]
PAIRS, DOMAINS = ("source", "target"), ("a", "b")
T = TypeVar("T")


@dataclass(frozen=True)
class Heap:
    """Training items that are shuffled together: pairs, or the pictures of one side."""

    what: str  # in words
    items: tuple[Item, ...]
    read: PairReader | SingleReader
    dtypes: tuple[str, ...]  # of the sides of an item
    stream: int


@dataclass
class Data:
    """Pictures to learn from, pairs to be judged by. (source, target) is the order of every two values here.

    What a method learns from is its `inputs`: ("source", "target") are pairs, ("a", "b") the pictures of both sides,
    each for itself, source side first. Every folder has the second; only a folder of pairs has the first.
    """

    folder: Folder
    train: tuple[Item, ...]  # pairs, as val and test; of an unpaired folder, val and test are its truth
    val: tuple[Item, ...]
    test: tuple[Item, ...]
    names: tuple[str, str]
    channels: tuple[int, int]
    dtype: tuple[str, str]
    range: tuple[Range, Range]
    fingerprint: str  # of the names and sizes of all files that are used
    augment: Augment
    read: PairReader
    legends: tuple[Legend | None, Legend | None] = (None, None)  # of label maps; their channels are planes
    workers: int = 0
    cache_gb: float = 4.0
    shown: tuple[int, int] | None = None  # height and width that whole pictures are brought to, if not their own
    notes: list[str] = field(default_factory=list)  # sentences for the user
    _caches: dict[Inputs, tuple[Cache, ...]] = field(default_factory=dict, repr=False)
    _undecodable: set[Path] = field(default_factory=set, repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the training pictures."""
        return self.augment.size

    @property
    def paired(self) -> bool:
        """Whether the training pictures are pairs."""
        return self.folder.paired

    def items(self, split: str) -> tuple[Item, ...]:
        """The pairs of train, val or test."""
        if split not in (splits := {"train": self.train, "val": self.val, "test": self.test}):
            raise ConfigError(f"split={split} is unknown: use one of {', '.join(splits)}")
        return splits[split]

    def singles(self, split: str) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
        """The pictures of the source side and of the target side in train, val or test, each for itself."""
        pairs = self.items(split)

        def of(letter: int) -> tuple[Item, ...]:
            items = [item.single(letter) for item in pairs] if self.paired else self.folder.singles(letter, split)
            return tuple(item for item in items if item.a not in self._undecodable)

        return _turn((of(0), of(1)), self.read.reverse)

    def epoch(self, inputs: Inputs) -> int:
        """Images in an epoch: all pairs, or all pictures of the larger side. Raises DataError where there are none."""
        return max(len(heap.items) for heap in self._heaps(inputs))

    def bytes_of(self, inputs: Inputs) -> int:
        """Bytes that travel to the device for each image: all channels of a picture, one number of a label map."""
        height, width = self.size
        pixels = [
            np.dtype(dtype).itemsize * (1 if legend else channels)
            for channels, dtype, legend in zip(self.channels, self.dtype, self.legends, strict=True)
        ]
        maps = [2 for heap in self._heaps(inputs)[:1] for item in heap.items[:1] if item.instances]
        return height * width * sum(pixels + maps)

    def prepare(
        self, inputs: Inputs = PAIRS, cache_dir: Path | str | None = None, progress: Progress | None = None
    ) -> None:
        """Decode every training picture once: fill the cache, and drop from training what cannot be decoded.

        `progress(done, total)` is called meanwhile. Without `cache_dir` nothing is kept. Of several processes let one
        go first: the others find the cache ready. A second call does nothing. Raises DataError where nothing is left,
        or pairs are asked of pictures that are none.
        """
        if inputs in self._caches:
            return
        heaps = self._heaps(inputs)
        total, done, caches = sum(len(heap.items) for heap in heaps), 0, []
        for heap in heaps:
            caches.append(
                cache.fill(
                    Path(cache_dir) if cache_dir else None,
                    heap.items,
                    heap.read,
                    self.augment,
                    kind=repr((heap.read.key, heap.dtypes)),
                    dtypes=heap.dtypes,
                    limit_gb=self.cache_gb * len(heap.items) / total,
                    progress=_onwards(progress, done, total),
                )
            )
            done += len(heap.items)
        self._caches[inputs] = tuple(caches)
        for heap, filled in zip(heaps, caches, strict=True):
            self._leave_out(heap, filled)
        if inputs == DOMAINS and self.folder.kind == "two folders" and all(item.name.isdigit() for item in self.train):
            self.notes.append(
                "what has one number on both sides is scored as a pair: if that is wrong, set data.kind=unpaired"
            )

    def loader(
        self,
        inputs: Inputs = PAIRS,
        *,
        seed: int,
        batch: int,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
        cache_dir: Path | str | None = None,
        progress: Progress | None = None,
    ) -> Iterator[dict[str, torch.Tensor]]:
        """Endless batches of `inputs`, each `B H W C` in the files' dtype, from image `start` on."""
        self.prepare(inputs, cache_dir, progress)
        decks = [
            Deck(heap.items, heap.read, self.augment, seed, cached, heap.stream)
            for heap, cached in zip(self._heaps(inputs), self._caches[inputs], strict=True)
        ]
        dataset = PairedData(*decks) if inputs == PAIRS else UnpairedData(*decks)
        return loader(dataset, batch=batch, start=start, rank=rank, world=world, workers=self.workers)

    def tensors(self, inputs: Inputs, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """A batch `B H W C` as methods want it, on the device it is on: `B C H W` in [-1, 1], label maps as planes."""
        instances = batch.get("instances")
        ready = {
            name: images.to_unit(batch[name], *span) if legend is None else to_planes(batch[name], legend, instances)
            for name, span, legend in zip(inputs, self.range, self.legends, strict=True)
        }
        return ready if instances is None else {**ready, "instances": instances.long().movedim(-1, -3)}

    def unit(self, picture: Picture, side: int) -> torch.Tensor:
        """A picture of the source side (0) or target side (1) as metrics want it: `C H W` in [-1, 1], or planes."""
        legend = self.legends[side]
        return to_planes(picture.array, legend) if legend else images.to_unit(picture.array, *self.range[side])

    def pairs(self, split: str) -> Iterator[tuple[str, Picture, Picture]]:
        """(name, source, target) of a split, whole and not augmented; what cannot be decoded is left out, and noted.

        They have their own size, or that of `shown`.
        """
        for name, (source, target, *maps) in self._whole(self.items(split), self.read):
            things = maps[0].array if maps else None
            yield name, replace(source, things=things), target

    def pictures(self, split: str, side: int) -> Iterator[tuple[str, Picture]]:
        """(name, picture) of all pictures of the source side (0) or target side (1) of a split, like `pairs`."""
        for name, (picture,) in self._whole(self.singles(split)[side], SingleReader(self.read, side)):
            yield name, picture

    def _whole(self, items: Sequence[Item], decode: Decode) -> Iterator[tuple[str, tuple[Picture, ...]]]:
        def fitted(picture: Picture) -> Picture:
            size = self.shown or picture.array.shape[:2]
            return replace(picture, array=images.resize(picture.array, *size, nearest=picture.ids))

        def read(item: Item) -> tuple[str, tuple[Picture, ...]] | str:
            try:
                return item.name, tuple(fitted(picture) for picture in decode(item))
            except DataError as error:
                return str(error)

        for found in ahead(read, items):
            if isinstance(found, str):
                self.notes.append(f"left out: {found}")
            else:
                yield found

    def _heaps(self, inputs: Inputs) -> tuple[Heap, ...]:
        """What is to be learnt from: one heap of pairs, or a heap for each side. Raises DataError for an empty one."""
        if inputs == PAIRS:
            heaps = [self._heap_of_pairs()]
        elif inputs == DOMAINS:
            heaps = [self._heap(0), self._heap(1)]
        else:
            raise ConfigError(
                f"there is no data for a method that learns from {', '.join(inputs)}: its steps() may take "
                f"{' and '.join(PAIRS)} (pairs), or {' and '.join(DOMAINS)} (two domains without pairs)"
            )
        for heap in heaps:
            if not heap.items:
                raise DataError(f"{self.folder.place} has no training {heap.what}: put some into train/")
        return tuple(heaps)

    def _heap_of_pairs(self) -> Heap:
        if not self.paired:
            raise DataError(
                f"{self.folder.place} holds unpaired pictures, not pairs: put the two of a pair side by side in one "
                "file, or into two folders under one name (diptych data check tells what is found), or choose a "
                "method that needs no pairs"
            )
        maps = ("uint16",) if any(item.instances for item in self.train) else ()
        return Heap("pairs", self.train, self.read, (*self.dtype, *maps), DECK_OF_PAIRS)

    def _heap(self, side: int) -> Heap:
        what, read = f"pictures of {self.names[side]}", SingleReader(self.read, side)
        return Heap(what, self.singles("train")[side], read, (self.dtype[side],), (DECK_OF_A, DECK_OF_B)[side])

    def _leave_out(self, heap: Heap, filled: Cache) -> None:
        """Drop from training, and note, what could not be decoded. Raises DataError where nothing else is left."""
        self.notes += [*filled.notes, *(f"left out: {fault}" for fault in filled.faults.values())]
        if len(filled.faults) == len(heap.items):
            first = next(iter(filled.faults.values()))
            raise DataError(f"{self.folder.place} has no training {heap.what} that can be decoded: {first}")
        if heap.stream == DECK_OF_PAIRS:
            self.train = tuple(item for item in heap.items if item.name not in filled.faults)
        else:
            self._undecodable |= {item.a for item in heap.items if item.name in filled.faults}


def _onwards(progress: Progress | None, before: int, total: int) -> Progress | None:
    """For one of several parts: counts on from what the parts before it did."""
    return None if progress is None else lambda done, _: progress(before + done, total)


def _a_size(size: int | str) -> int | str:
    """For recipes: refuses what is no size together with all other faults."""
    parse_size(size)
    return size


def open_data(
    *,
    folder: str | None = None,
    a: str | None = None,
    b: str | None = None,
    task: str = "pairs",
    direction: str = "a2b",
    kind: Literal["auto", "side by side", "two folders", "unpaired"] = "auto",
    labels: str | None = None,
    legend: str | dict[str, Any] | None = None,
    snap_colours: bool = False,
    instances: str | None = None,
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
    """Open a folder of pairs, or of two kinds of pictures, or a folder for each of the two kinds.

    Nothing but headers is read, except to measure the values of 16-bit and float pictures, and to find copies.

    Args:
        folder: pairs side by side, or two folders of pictures, by name paired or not; optionally train/, val/, test/.
        a: instead of `folder`, the folder of one kind of pictures, optionally with train/, val/, test/; it names them.
        b: the folder of the other kind.
        task: what a pair is; "pairs": the two pictures as they are given.
        direction: a2b, b2a, or the names of the two folders, as photo2label; side by side, a is the left half.
        kind: how the folder is laid out, where that is not recognised rightly; "unpaired": equal names mean nothing.
        labels: which side's pictures are label maps: source, target, or its name; a method that needs them asks for it.
        legend: what the label maps mean: a file, or its content; by default legend.yaml in the folder, or the numbers.
        snap_colours: of label maps whose colours have smeared, take the nearest class.
        instances: a folder beside the other two, of maps of instances; their borders become one more plane.
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
    found = recognise(
        folder, a=a, b=b, kind=kind, direction=direction, labels=labels, instances=instances, limit_mp=limit_mp
    )
    pairing = tasks.find(task)
    if found.kind == "photos":
        if not pairing.alone:
            raise DataError(_one_kind_only(found))
        found = found.twice()
    reverse = found.reverses(direction)
    legends = _legends(found, reverse, legend, snap_colours, instances, limit_mp)
    train, held_out = _splits(found, val)
    augment = Augment(parse_size(size), load, flip, resize, enlarge)
    channels, dtypes = _turn(found.channels, reverse), _turn(found.dtypes, reverse)
    channels = _each(lambda count, of: of.planes if of else count, channels, legends)
    dtypes = _each(lambda dtype, of: of.dtype if of else dtype, dtypes, legends)
    read = PairReader(
        reverse, channels, limit_mp, pairing, halved=found.kind == "side by side", legends=legends, snap=snap_colours
    )
    data = Data(
        folder=found,
        train=train,
        val=held_out,
        test=found.pairs("test"),
        names=_turn(found.names, reverse),
        channels=channels,
        dtype=dtypes,
        range=(images.value_range(dtypes[0]), images.value_range(dtypes[1])),
        fingerprint=_fingerprint(found),
        augment=augment,
        read=read,
        legends=legends,
        workers=workers,
        cache_gb=cache_gb,
        notes=[*found.notes(), *compare.notes(found), *_missing_classes(legends)],
    )
    _refuse_too_small(data)
    data.range = (_range(data, 0), _range(data, 1))
    return data


def _each(choose: Callable[[T, Legend | None], T], values: tuple[T, T], legends: Legends) -> tuple[T, T]:
    return choose(values[0], legends[0]), choose(values[1], legends[1])


def _legends(
    found: Folder,
    reverse: bool,
    given: str | dict[str, Any] | None,
    snap: bool,
    instances: str | None,
    limit_mp: float,
) -> Legends:
    """The legends of source and target. Raises DataError for a label map that does not keep to its legend."""
    if found.labels is None:
        if given or snap or instances:
            raise ConfigError("data.legend, data.snap_colours and data.instances go with label maps: say data.labels")
        return None, None
    legend = legend_of(found, found.labels, given, limit_mp=limit_mp, snap=snap)
    legend = legend.model_copy(update={"edges": instances is not None})
    return (None, legend) if bool(found.labels) != reverse else (legend, None)


def _missing_classes(legends: Legends) -> list[str]:
    return [
        f"no training picture shows {', '.join(c.name for c in legend.classes if c.id in legend.absent)}"
        for legend in legends
        if legend and legend.absent
    ]


def parse_size(size: int | str) -> tuple[int, int]:
    """Height and width of 256 or "320x256", which is width x height as cameras and screens say it."""
    words = str(size).lower().split("x")
    if len(words) > 2 or not all(word.strip().isdecimal() and int(word) > 0 for word in words):
        raise ConfigError(f"size={size} is not a size: write 256, or 320x256 for width x height")
    return int(words[-1]), int(words[0])


def _turn(ab: tuple[T, T], reverse: bool) -> tuple[T, T]:
    return (ab[1], ab[0]) if reverse else ab


def _splits(found: Folder, val: float) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    if not 0 <= val < 1:
        raise ConfigError(f"data.val={val} is not a share: use 0 up to below 1")
    train, held_out = found.pairs("train"), found.pairs("val")
    if held_out or not train or val == 0:
        return train, held_out
    if len(train) == 1:
        raise DataError(f"{found.place} has one training pair and none to validate with: add pairs, or set data.val=0")
    return hold_out(train, val)


def _one_kind_only(found: Folder) -> str:
    if found.missing:
        return (
            f"{found.place} holds no picture of {' or '.join(found.missing)} that can be used: put some there; "
            f"left out: {summary(found.faults, found.roots)}"
        )
    return (
        f"{found.place} holds single photos, not pairs: put the two of a pair side by side in one file, or into two "
        "folders under one name; without pairs, put the two kinds of pictures into a folder each (diptych data check "
        "tells what is found)"
    )


def _refuse_too_small(data: Data) -> None:
    found, (height, width) = data.folder, data.augment.size
    sides = zip(data.singles("train"), data.legends, strict=True)  # label maps are brought to their partners' size
    paths = list(dict.fromkeys(item.a for side, legend in sides if not legend for item in side))
    small = [path for path in paths if found.size(path)[0] < height or found.size(path)[1] < width]
    if small and not data.augment.enlarge:
        least = min(small, key=lambda path: min(found.size(path)))
        h, w = found.size(least)
        raise DataError(
            f"{found.place}: {len(small)} of {len(paths)} training pictures are smaller than the crop, {width}x{height}"
            f" (the smallest: {found.relative(least)}, {w}x{h}): choose a smaller data.size, or data.enlarge=true"
        )


def _range(data: Data, side: int) -> Range:
    """What is black and white: measured on the training pictures where 16 bits or floats leave it open."""
    dtype, read = data.dtype[side], SingleReader(data.read, side)
    if dtype == "uint8" or data.legends[side]:
        return images.value_range(dtype)

    def extremes(item: Item) -> tuple[float, float] | None:
        try:
            (picture,) = read(item)
        except DataError:
            return None  # said when the picture is needed
        return float(picture.array.min()), float(picture.array.max())

    measured = [found for found in ahead(extremes, data.singles("train")[side]) if found]
    if not measured:
        return images.value_range(dtype)
    return images.fitting_range(dtype, min(low for low, _ in measured), max(high for _, high in measured))


def _fingerprint(found: Folder) -> str:
    """sha256 over names and sizes in bytes: tells data sets apart without reading them, wherever they lie."""
    sha = hashlib.sha256()
    paths = {path for item in found.items() for path in (item.a, item.b, item.instances) if path}
    for name, path in sorted((found.relative(path), path) for path in paths):
        sha.update(f"{name.as_posix()} {path.stat().st_size}\n".encode())
    return sha.hexdigest()
