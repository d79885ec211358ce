"""Decodes a pair, or one side of it: halves cut, the task applied, channels as the domain has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diptych import images
from diptych.data.folders import Item
from diptych.images import Picture
from diptych.tasks import Task


@dataclass(frozen=True)
class PairReader:
    """Decodes a pair as (source, target). `channels` are of source and target, `halves`: both are in one file."""

    reverse: bool
    channels: tuple[int, int]
    limit_mp: float
    task: Task
    halves: bool = False

    def __call__(self, item: Item) -> tuple[Picture, Picture]:
        assert item.b is not None
        a = images.read(item.a, limit_mp=self.limit_mp)
        a, b = _halves(a) if self.halves else (a, images.read(item.b, limit_mp=self.limit_mp))
        source, target = self.task.pair(*((b, a) if self.reverse else (a, b)))
        return _with_channels(source, self.channels[0]), _with_channels(target, self.channels[1])

    @property
    def key(self) -> str:
        """The same for readers that decode the same, in every process."""
        return repr((self.reverse, self.channels, self.limit_mp, type(self.task).__qualname__, self.halves))


@dataclass(frozen=True)
class SingleReader:
    """Decodes the pictures of one side (0: source, 1: target), each for itself: a task has no say, it makes pairs."""

    pairs: PairReader
    side: int

    def __call__(self, item: Item) -> tuple[Picture]:
        picture = images.read(item.a, limit_mp=self.pairs.limit_mp)
        if self.pairs.halves:
            picture = _halves(picture)[self.side ^ self.pairs.reverse]
        return (_with_channels(picture, self.pairs.channels[self.side]),)

    @property
    def key(self) -> str:
        """The same for readers that decode the same, in every process."""
        return repr((self.pairs.key, self.side))


def _halves(picture: Picture) -> tuple[Picture, Picture]:
    middle = picture.array.shape[1] // 2

    def half(part: slice) -> Picture:
        alpha = None if picture.alpha is None else picture.alpha[:, part]
        return Picture(np.ascontiguousarray(picture.array[:, part]), alpha, picture.format, picture.notes)

    return half(slice(None, middle)), half(slice(middle, None))


def _with_channels(picture: Picture, channels: int) -> Picture:
    return Picture(images.match_channels(picture.array, channels), picture.alpha, picture.format, picture.notes)
