"""Decodes a pair, or one side of it: halves cut, channels as the domain has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from diptych import images
from diptych.data.folders import Item
from diptych.errors import DataError
from diptych.images import Picture
from diptych.images.legend import Legend
from diptych.kinds import Images, Labels, MapKind


@dataclass(frozen=True)
class PairReader:
    """Decodes a pair as (source, target), and the maps that go with it.

    channels, legends, ranges: of source, target, and further domains. A legend says that it is a label map. Of a range
    that is set, what lies beyond is cut off, before resizing mixes it with its neighbours. halved: both are in one
    file. snap: label maps in other colours than the classes' have the nearest class. neighbours: a source is a slice of
    a volume, with the channels of so many on either side.
    """

    reverse: bool
    channels: tuple[int, ...]
    limit_mp: float
    halved: bool = False
    legends: tuple[Legend | None, ...] = (None, None)
    snap: bool = False
    ranges: tuple[tuple[float, float] | None, ...] = (None, None)
    maps: Mapping[str, MapKind] = field(default_factory=dict)
    neighbours: int = 0

    def __call__(self, item: Item) -> tuple[Picture, ...]:
        assert item.b is not None
        a, b = self.both(item)
        source, target = (b, a) if self.reverse else (a, b)
        pair = self.as_known(source, 0, item), self.as_known(target, 1, item)
        return _of_one_size((*pair, *(self.map(item.maps[name], kind) for name, kind in self.maps.items())))

    def map(self, path: Path, kind: MapKind) -> Picture:
        """A map of that kind. Raises DataError for what is none."""
        picture = self.file(path, numbers=True)
        try:
            return replace(picture, array=kind.read(picture.array), alpha=None, ids=True)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None

    def both(self, item: Item) -> tuple[Picture, Picture]:
        """a and b, each as what it is: numbers where it is a label map, else a picture with its colours."""
        source, target, *_ = (legend is not None for legend in self.legends)
        numbers = (target, source) if self.reverse else (source, target)
        around = (0, self.neighbours) if self.reverse else (self.neighbours, 0)
        other = item.a if self.halved else item.b
        assert other is not None
        a = self.file(item.a, numbers=numbers[0], neighbours=around[0])
        same = other == item.a and numbers[0] == numbers[1] and around[0] == around[1]
        b = a if same else self.file(other, numbers=numbers[1], neighbours=around[1])
        return (halves(a)[0], halves(b)[1]) if self.halved else (a, b)

    def file(self, path: Path, *, numbers: bool, neighbours: int = 0) -> Picture:
        """An image as it is in the file, with the channels of so many slices on either side."""
        if not neighbours:
            return images.read(path, limit_mp=self.limit_mp, indices=numbers)
        slices = [images.read(one, limit_mp=self.limit_mp) for one in images.around(path, neighbours)]
        return images.joined(slices, self.channels[0] // len(slices))

    def as_known(self, picture: Picture, side: int, item: Item) -> Picture:
        """A picture as those of its side (0: source, 1: target): ids, or with the side's channels."""
        legend, span = self.legends[side], self.ranges[side]
        picture = replace(picture, array=images.filled(picture.array))
        kind = Labels(legend) if legend else Images(self.channels[side])
        try:
            picture = kind.read(picture, snap=self.snap)
        except DataError as error:
            path = item.b if item.b and side != self.reverse else item.a
            raise DataError(f"{path} {error}") from None
        if span is None:
            return picture
        return replace(picture, array=picture.array.clip(*span).astype(picture.array.dtype))

    @property
    def key(self) -> str:
        """The same for readers that decode the same, in every process."""
        legends = [legend and legend.classes for legend in self.legends]
        return repr(
            (images.READING, self.reverse, self.channels, self.limit_mp, self.halved, legends, self.snap, self.ranges,
             list(self.maps), self.neighbours)
        )  # fmt: skip


@dataclass(frozen=True)
class SingleReader:
    """Decodes the images of one domain (0: source, 1: target, and so on), each for itself."""

    pairs: PairReader
    side: int

    def __call__(self, item: Item) -> tuple[Picture]:
        return (self.pairs.as_known(self.whole(item), self.side, item),)

    def values(self, item: Item) -> np.ndarray:
        """The values of an image, without those of pixels that hold nothing."""
        picture = self.whole(item)
        empty = picture.metadata.empty(picture.array)
        return picture.array if empty is None else picture.array[~empty]

    def whole(self, item: Item) -> Picture:
        """The image as it is in the file, or in its half of one."""
        numbers, neighbours = self.pairs.legends[self.side] is not None, 0 if self.side else self.pairs.neighbours
        picture = self.pairs.file(item.a, numbers=numbers, neighbours=neighbours)
        return halves(picture)[self.side ^ self.pairs.reverse] if self.pairs.halved else picture

    @property
    def key(self) -> str:
        """The same for readers that decode the same, in every process."""
        return repr((self.pairs.key, self.side))


def _of_one_size(pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
    """Maps of ids brought to the size of the picture beside them, by the nearest pixel."""
    height, width = next((p for p in pictures if not p.ids), pictures[0]).array.shape[:2]

    def fitted(picture: Picture) -> Picture:
        return replace(picture, array=images.resize(picture.array, height, width, nearest=True))

    return tuple(fitted(picture) if picture.ids else picture for picture in pictures)


def halves(picture: Picture) -> tuple[Picture, Picture]:
    """The left and the right half of a picture."""
    middle = picture.array.shape[1] // 2

    def half(part: slice) -> Picture:
        alpha = None if picture.alpha is None else picture.alpha[:, part]
        return replace(picture, array=np.ascontiguousarray(picture.array[:, part]), alpha=alpha)

    return half(slice(None, middle)), half(slice(middle, None))
