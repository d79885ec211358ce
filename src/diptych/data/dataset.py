"""A data set that has been opened: training batches, and whole images to score with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from diptych import images
from diptych.data import cache
from diptych.data.augment import Augment
from diptych.data.cache import Cache, Progress
from diptych.data.finding import summary
from diptych.data.folders import Folder, Item
from diptych.data.loader import (
    STREAM_OF_DOMAINS,
    STREAM_OF_PAIRS,
    Decode,
    InfiniteSampler,
    MultiDomainData,
    PairedData,
    UnpairedData,
    loader,
)
from diptych.data.ranges import Policy, Range
from diptych.data.reading import PairReader, SingleReader
from diptych.errors import ConfigError, DataError
from diptych.images import Picture
from diptych.images.legend import Legend
from diptych.kinds import Images, Labels, of_domain
from diptych.storage.prefetch import ahead
from diptych.tasks import Task

if TYPE_CHECKING:
    import torch

Legends = tuple[Legend | None, ...]
Inputs = tuple[str, ...]
PAIRS, UNPAIRED, MULTI_DOMAIN = ("source", "target"), ("a", "b"), ("image",)
"""What a method may learn from, by the names of its inputs."""
LARGEST_STYLE = 512
"""Pixels of the shorter side of a picture whose style is learnt."""
T = TypeVar("T")


@dataclass(frozen=True)
class TrainingSet:
    """Training items that are shuffled together: pairs, or the images of one domain."""

    what: str  # in words
    items: tuple[Item, ...]
    read: PairReader | SingleReader
    dtypes: tuple[str, ...]  # of the sides of an item
    stream: int


@dataclass
class Data:
    """Images to learn from, and pairs to score with. Values for each domain come in the order source, target, others.

    What a method learns from is its `inputs`: ("source", "target") are pairs, ("a", "b") the images of two domains, the
    source's first, ("image",) those of all domains in turn. Only a folder of pairs has the first.
    """

    folder: Folder
    train: tuple[Item, ...]  # pairs, as val and test; of an unpaired folder, val and test are its truth
    val: tuple[Item, ...]
    test: tuple[Item, ...]
    names: tuple[str, ...]
    channels: tuple[int, ...]
    dtype: tuple[str, ...]
    range: tuple[Range, ...]
    fingerprint: str  # of the names and sizes of all files that are used
    augment: Augment
    read: PairReader
    task: Task
    legends: Legends = (None, None)  # of label maps; their channels are one-hot
    style: Path | None = None  # a picture whose style is learnt
    style_sha256: str = ""  # of its file, as it was when the data were opened
    policies: tuple[Policy | None, ...] = (None, None)  # how ranges were chosen, where they were
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
    def given_channels(self) -> tuple[int, ...]:
        """The channels that a method is given: those of the images, or of what the task makes of them."""
        source, target, *others = self.channels
        return (*self.task.channels(source, target), *others)

    @property
    def kinds(self) -> tuple[Images | Labels, ...]:
        """What each domain holds."""
        domains = zip(self.channels, self.dtype, self.range, self.legends, strict=True)
        return tuple(of_domain(count, dtype, *span, legend) for count, dtype, span, legend in domains)

    @property
    def paired(self) -> bool:
        """Whether the training pictures are pairs."""
        return self.folder.paired

    def items(self, split: str) -> tuple[Item, ...]:
        """The pairs of train, val or test."""
        if split not in (splits := {"train": self.train, "val": self.val, "test": self.test}):
            raise ConfigError(f"split={split} is unknown: use one of {', '.join(splits)}")
        return splits[split]

    def singles(self, split: str) -> tuple[tuple[Item, ...], ...]:
        """The images of each domain in train, val or test, each for itself."""
        pairs = self.items(split)

        def of(domain: int) -> tuple[Item, ...]:
            items = [item.single(domain) for item in pairs] if self.paired else self.folder.singles(domain, split)
            return tuple(item for item in items if item.a not in self._undecodable)

        return turn(tuple(map(of, range(len(self.names)))), self.read.reverse)

    def epoch(self, inputs: Inputs) -> int:
        """Images in an epoch: all pairs, or as many as show each one of the largest domain once.

        Raises DataError where there are none.
        """
        sets = self._training_sets(inputs)
        return max(len(each.items) for each in sets) * (len(sets) if inputs == MULTI_DOMAIN else 1)

    def bytes_of(self, inputs: Inputs) -> int:
        """Bytes that travel to the device for each image: all channels of a picture, one number of a label map."""
        height, width = self.size
        given = zip(inputs, self.given_channels, self.dtype, self.legends, strict=False)  # of all domains one at a time
        pixels = [np.dtype(dtype).itemsize * (1 if legend else channels) for _, channels, dtype, legend in given]
        maps = [np.dtype(kind.dtype).itemsize for kind in self.read.maps.values()] if inputs == PAIRS else []
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
        sets = self._training_sets(inputs)
        total, done, caches = sum(len(each.items) for each in sets), 0, []
        for each in sets:
            caches.append(
                cache.fill(
                    Path(cache_dir) if cache_dir else None,
                    each.items,
                    each.read,
                    self.augment,
                    kind=repr((each.read.key, each.dtypes)),
                    dtypes=each.dtypes,
                    limit_gb=self.cache_gb * len(each.items) / total,
                    progress=_onwards(progress, done, total),
                )
            )
            done += len(each.items)
        self._caches[inputs] = tuple(caches)
        for each, filled in zip(sets, caches, strict=True):
            self._leave_out(each, filled)
        if inputs == UNPAIRED and self.folder.kind == "two folders" and all(item.name.isdigit() for item in self.train):
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
        samplers = [
            InfiniteSampler(each.items, each.read, self.augment, seed, cached, each.stream)
            for each, cached in zip(self._training_sets(inputs), self._caches[inputs], strict=True)
        ]
        ids = self.legends[0] is not None, self.legends[1] is not None
        maps = tuple(self.read.maps)
        dataset: PairedData | UnpairedData | MultiDomainData
        if inputs == PAIRS:
            dataset = PairedData(samplers[0], self.task, ids, maps, self.range)
        else:
            dataset = UnpairedData(*samplers) if inputs == UNPAIRED else MultiDomainData(samplers)
        return loader(dataset, batch=batch, start=start, rank=rank, world=world, workers=self.workers)

    def tensors(self, inputs: Inputs, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """A batch `B H W C` as methods want it, on the device it is on: `B C H W` in [-1, 1], label maps one-hot.

        The maps that go with it are there by their kinds.
        """
        instances = batch.get("instances")
        ready = {name: kind.tensor(batch[name], instances) for name, kind in zip(inputs, self.kinds, strict=False)}
        maps = {name: kind for name, kind in self.read.maps.items() if name in batch}
        others = {name: batch[name] for name in ("domain", "text") if name in batch}
        return {**ready, **{name: kind.tensor(batch[name].movedim(-1, -3)) for name, kind in maps.items()}, **others}

    def example(self) -> torch.Tensor:
        """The picture whose style is learnt, as methods want it: `1 C H W` in [-1, 1] with the target's channels.

        It is at its own size, as strokes have theirs, but for a shorter side of 512 pixels at most. Raises DataError
        where it cannot be read, and for floats and signed numbers that are not between 0 and 1.
        """
        assert self.style is not None
        picture = images.read(self.style, limit_mp=self.read.limit_mp)
        try:
            low, high = images.own_range(picture.array)
        except DataError as error:
            raise DataError(f"{self.style}: {error}") from None
        array = images.match_channels(picture.array, self.channels[1])
        height, width = array.shape[:2]
        share = min(1.0, LARGEST_STYLE / min(height, width))
        array = images.resize(array, round(height * share), round(width * share))
        return images.to_unit(array, low, high)[None].contiguous()

    def unit(self, picture: Picture, side: int) -> torch.Tensor:
        """A picture of the source side (0) or target side (1) as metrics want it: `C H W` in [-1, 1], or one-hot."""
        return self.kinds[side].tensor(picture.array)

    def pairs(self, split: str) -> Iterator[tuple[str, Picture, Picture]]:
        """(name, source, target) of a split, whole and not augmented; what cannot be decoded is left out, and noted.

        The source is as the task makes it, drawn in the same way every time; the target is what a user wants to get.
        They have their own size, or that of `shown`.
        """
        for item, (source, target, *maps) in self._whole(self.items(split), self.read):
            name = item.name
            named = dict(zip(self.read.maps, maps, strict=True))
            source, target = (replace(one, span=span) for one, span in zip((source, target), self.range, strict=False))
            sample = {"source": source, "target": target, **named}
            prepared, _ = self.task.pair(sample, np.random.default_rng(list(name.encode(errors="surrogateescape"))))
            beside = {kind: one.array for kind, one in named.items()}
            yield name, replace(prepared, maps=beside, text=item.text, prepared=True), target

    def pictures(self, split: str, side: int) -> Iterator[tuple[str, Picture]]:
        """(name, picture) of all pictures of the source side (0) or target side (1) of a split, like `pairs`."""
        for item, (picture,) in self._whole(self.singles(split)[side], SingleReader(self.read, side)):
            yield item.name, replace(picture, text=item.text)

    def _whole(self, items: Sequence[Item], decode: Decode) -> Iterator[tuple[Item, tuple[Picture, ...]]]:
        def fitted(picture: Picture) -> Picture:
            size = self.shown or picture.array.shape[:2]
            return replace(picture, array=images.resize(picture.array, *size, nearest=picture.ids))

        def read(item: Item) -> tuple[Item, tuple[Picture, ...]] | str:
            try:
                return item, tuple(fitted(picture) for picture in decode(item))
            except DataError as error:
                return str(error)

        for found in ahead(read, items):
            if isinstance(found, str):
                self.notes.append(f"left out: {found}")
            else:
                yield found

    def _training_sets(self, inputs: Inputs) -> tuple[TrainingSet, ...]:
        """What is to be learnt from: pairs, or the pictures of each side. Raises DataError where a set is empty."""
        if inputs != PAIRS and self.read.neighbours:
            raise ConfigError(
                f"data.neighbours={self.read.neighbours} goes with methods that learn from pairs, and this one learns "
                f"from each side for itself: leave it out, or choose another method"
            )
        if inputs == PAIRS:
            sets = [self._training_pairs()]
        elif inputs == UNPAIRED:
            sets = [self._training_set(0), self._training_set(1)]
        elif inputs == MULTI_DOMAIN:
            sets = [self._training_set(domain) for domain in range(len(dict.fromkeys(self.names)))]
        else:
            raise ConfigError(
                f"there is no data for a method that learns from {', '.join(inputs)}: its steps() may take "
                f"{' and '.join(PAIRS)} (pairs), {' and '.join(UNPAIRED)} (two domains without pairs), or "
                f"{' and '.join(MULTI_DOMAIN)} (any number of domains)"
            )
        for each in sets:
            if not each.items:
                why = f"; left out: {summary(faults, self.folder.roots)}" if (faults := self.folder.faults) else ""
                raise DataError(f"{self.folder.place} has no training {each.what}: put some into train/{why}")
        return tuple(sets)

    def _training_pairs(self) -> TrainingSet:
        if not self.paired:
            raise DataError(
                f"{self.folder.place} holds unpaired pictures, not pairs: put the two of a pair side by side in one "
                "file, or into two folders under one name (diptych data check tells what is found); if their names "
                "tell the pairs, set data.kind='two folders'; to learn from each by itself, data.kind=photos and "
                "task.name=itself; or choose a method that needs no pairs"
            )
        maps = (kind.dtype for kind in self.read.maps.values())
        return TrainingSet("pairs", self.train, self.read, (*self.dtype, *maps), STREAM_OF_PAIRS)

    def _training_set(self, domain: int) -> TrainingSet:
        what, read = f"pictures of {self.names[domain]}", SingleReader(self.read, domain)
        items = self.singles("train")[domain]
        return TrainingSet(what, items, read, (self.dtype[domain],), STREAM_OF_DOMAINS + domain)

    def _leave_out(self, one: TrainingSet, filled: Cache) -> None:
        """Drop from training, and note, what could not be decoded. Raises DataError where nothing else is left."""
        self.notes += [*filled.notes, *(f"left out: {fault}" for fault in filled.faults.values())]
        if len(filled.faults) == len(one.items):
            first = next(iter(filled.faults.values()))
            raise DataError(f"{self.folder.place} has no training {one.what} that can be decoded: {first}")
        if one.stream == STREAM_OF_PAIRS:
            self.train = tuple(item for item in one.items if item.name not in filled.faults)
        else:
            self._undecodable |= {item.a for item in one.items if item.name in filled.faults}


def turn(values: tuple[T, ...], reverse: bool) -> tuple[T, ...]:
    """Source, target and others from a, b and others."""
    return (values[1], values[0], *values[2:]) if reverse else values


def _onwards(progress: Progress | None, before: int, total: int) -> Progress | None:
    """For one of several parts: counts on from what the parts before it did."""
    return None if progress is None else lambda done, _: progress(before + done, total)
