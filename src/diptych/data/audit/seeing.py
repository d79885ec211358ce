"""One pass over all images of a folder: each file is decoded once, in threads, and pairs are compared on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diptych import images
from diptych.data.audit.looking import Look, digest, look
from diptych.data.audit.registration import STRANGERS, Agreement, Edges, agreement, edges
from diptych.data.finding import Fault
from diptych.data.folders import Folder, Item
from diptych.errors import DataError
from diptych.storage.prefetch import ahead

Progress = Callable[[int, int], None]  # done, total


class Seen(NamedTuple):
    """What decoding one file told: of a pair side by side, of both halves."""

    sha256: str  # of the pixels
    looks: tuple[Look, ...]


@dataclass
class Sight:
    """What a pass over a folder told: by file, and of pairs by item."""

    files: dict[Path, Seen] = field(default_factory=dict)
    agreements: dict[Item, Agreement] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def of(self, folder: Folder, side: int, path: Path) -> Look:
        """The look at the image of that side in a file."""
        return self.files[path].looks[side if folder.kind == "side by side" else 0]


def see(folder: Folder, limit_mp: float, progress: Progress | None) -> Sight:
    """Decode everything."""
    reader = Seeing(folder, limit_mp)
    items, sight = list(folder.items()), Sight()
    if folder.paired:
        reader = replace(reader, strangers=reader.edges_of(items))
    for done, (item, found) in enumerate(zip(items, ahead(reader, items), strict=True), 1):
        for path, one in found.files.items():
            if isinstance(one, Fault):
                sight.faults.append(one)
            else:
                sight.files[path] = one
        if found.agreement:
            sight.agreements[item] = found.agreement
        if progress:
            progress(done, len(items))
    return sight


def without(folder: Folder, faults: Sequence[Fault]) -> Folder:
    """The folder without the files that have a fault, and without their partners."""
    broken = {fault.path for fault in faults}

    def whole(splits: dict[str, tuple[Item, ...]]) -> dict[str, tuple[Item, ...]]:
        return {split: tuple(i for i in items if broken.isdisjoint(i.files)) for split, items in splits.items()}

    return replace(
        folder,
        splits=whole(folder.splits),
        others=tuple(map(whole, folder.others)),
        truth=whole(folder.truth),
        faults=(*folder.faults, *faults),
    )


class _Found(NamedTuple):
    """What one item told."""

    files: dict[Path, Seen | Fault]
    agreement: Agreement | None


@dataclass(frozen=True)
class Seeing:
    """Decodes an item, and sums it up."""

    folder: Folder
    limit_mp: float
    strangers: tuple[tuple[Item, Edges], ...] = ()

    def __call__(self, item: Item) -> _Found:
        files: dict[Path, Seen | Fault] = {}
        sides: list[np.ndarray] = []
        for path in dict.fromkeys(path for path in (item.a, item.b) if path):
            array = self._decoded(path)
            if isinstance(array, Fault):
                files[path] = array
            else:
                parts = self._parts(array)
                files[path] = Seen(digest(array), tuple(map(look, parts)))
                sides += parts
        return _Found(files, self._agreement(item, sides) if len(sides) == 2 and item.b else None)

    def edges_of(self, items: Sequence[Item]) -> tuple[tuple[Item, Edges], ...]:
        """The edges of the second images of some pairs, evenly taken from all."""
        chosen = (
            [items[n] for n in sorted({round(n) for n in np.linspace(0, len(items) - 1, STRANGERS)})] if items else []
        )
        found = []
        for item in chosen:
            array = self._decoded(item.b or item.a)
            if not isinstance(array, Fault) and (seen := self._edges(self._parts(array)[-1], 1)):
                found.append((item, seen))
        return tuple(found)

    def _decoded(self, path: Path) -> np.ndarray | Fault:
        try:
            return images.filled(images.read(path, limit_mp=self.limit_mp).array)
        except DataError as error:
            return Fault(path, str(error).removeprefix(f"{path}: "))

    def _parts(self, array: np.ndarray) -> tuple[np.ndarray, ...]:
        middle = array.shape[1] // 2
        return (array[:, :middle], array[:, middle:]) if self.folder.kind == "side by side" else (array,)

    def _agreement(self, item: Item, sides: Sequence[np.ndarray]) -> Agreement | None:
        if sides[0].shape[:2] != sides[1].shape[:2]:  # a label map, which is brought to its partner's size
            return None
        strangers = [found for other, found in self.strangers if other != item]
        first, second = (self._edges(side, number) for number, side in enumerate(sides))
        return agreement(first, second, strangers) if first and second else None

    def _edges(self, array: np.ndarray, side: int) -> Edges | None:
        return edges(array, ids=side == self.folder.labels)
