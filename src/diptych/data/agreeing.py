"""Images of one domain agree: what has other channels, another depth or another size than its partner is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import chain
from typing import TypeVar

from diptych.data.finding import Fault
from diptych.data.folders import Folder, Item, Splits

T = TypeVar("T")
OTHER_SHAPE = 0.02
"""From which difference on, of width to height, a label map does not belong to a picture of another size."""


def agreeing(folder: Folder) -> Folder:
    """Leave out pairs of different sizes, and pictures that cannot be brought to what most of their domain have."""
    heads = [[folder.headers[path] for path in folder.files(side)] for side in range(len(folder.names))]
    if folder.kind == "domains":
        heads = [list(chain(*heads))] * len(heads)  # one network is given them all
    channels = [most([head.channels for head in some], 0) for some in heads]
    dtypes = [most([head.dtype for head in some], "") for some in heads]
    faults: list[Fault] = []

    def keeps(item: Item, side: int) -> bool:
        fault = _misfit(folder, item, side, channels, dtypes)
        faults.extend([fault] if fault else [])
        return fault is None

    splits = {split: tuple(item for item in items if keeps(item, 0)) for split, items in folder.splits.items()}
    others = tuple(
        {split: tuple(item for item in items if keeps(item, side)) for split, items in table.items()}
        for side, table in enumerate(folder.others, 1)
    )
    return replace(
        folder,
        splits=splits,
        others=others,
        truth=_kept(folder.truth, (splits, *others)),
        faults=(*folder.faults, *faults),
        channels=tuple(channels),
        dtypes=tuple(dtypes),
    )


def _kept(truth: Splits, tables: tuple[Splits, ...]) -> Splits:
    """The pairs both of whose pictures are left."""
    left = {item.a for table in tables for items in table.values() for item in items}
    return {split: tuple(item for item in items if {item.a, item.b} <= left) for split, items in truth.items()}


def _misfit(folder: Folder, item: Item, first: int, channels: list[int], dtypes: list[str]) -> Fault | None:
    """first: the domain of the item, or of its first image."""
    paths = [path for path in (item.a, item.b) if path]
    for side, path in enumerate(paths, first):
        head, most, dtype = folder.headers[path], channels[side], dtypes[side]
        if side == folder.labels:
            continue
        if head.dtype != dtype:
            return Fault(path, f"is {head.dtype} among {dtype} pictures: convert it")
        if head.channels != most and {head.channels, most} != {1, 3}:
            return Fault(path, f"has {head.channels} channels among pictures of {most}: convert it")
    sizes = [folder.size(path) for path in paths]
    if len(set(sizes)) > 1:
        (h, w), (other_h, other_w) = sizes
        if folder.labels is not None and abs(w * other_h - other_w * h) <= max(w * h, other_w * other_h) * OTHER_SHAPE:
            return None
        return Fault(paths[0], f"is {w}x{h}, its partner {paths[1]} {other_w}x{other_h}: give both one size")
    return None


def most(values: list[T], otherwise: T) -> T:
    return Counter(values).most_common(1)[0][0] if values else otherwise
