"""A folder brought to the size of training, once: what training would read and resize, in files without loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diptych import images
from diptych.data.copying import copy, new_folder
from diptych.data.dataset import Data
from diptych.data.finding import LEGEND
from diptych.data.folders import Item
from diptych.data.labels import write_legend
from diptych.data.reading import SingleReader
from diptych.errors import DataError
from diptych.images import Picture
from diptych.kinds import text
from diptych.storage import shards
from diptych.storage.files import write_text
from diptych.storage.prefetch import ahead


class Work(NamedTuple):
    """One item: how it is read, and where each of its pictures goes, without a suffix."""

    item: Item
    read: Callable[[Item], tuple[Picture, ...]]
    places: tuple[Path, ...]


def prepare(
    data: Data, out: Path, *, shard: int | None = None, progress: Callable[[int, int], None] | None = None
) -> tuple[int, list[str]]:
    """Write all pictures of opened data to the new folder `out`; gives their number, and what could not be decoded.

    They are as training takes them, before the crop: PNG, or TIFF where that cannot hold them; label maps as numbers,
    with their legend. shard: in archives of about so many bytes, instead of a file for each. Raises ConfigError for an
    `out` that cannot be a new folder, DataError where nothing can be decoded.
    """
    work, faults, count = list(_work(data)), [], 0
    with new_folder(out, data.folder) as new:

        def write(one: Work) -> str | int:
            try:
                pictures = one.read(one.item)
            except DataError as error:
                return str(error)
            for picture, place in zip(pictures, one.places, strict=True):
                _write(new / place, data.augment.prepare(picture))
            _copy_text(one, new)
            return len(pictures)

        for done, found in enumerate(ahead(write, work), 1):
            if isinstance(found, str):
                faults.append(found)
            else:
                count += found
            if progress:
                progress(done, len(work))
        if not count:
            raise DataError(f"{data.folder.place}: none of its pictures can be decoded: {faults[0]}")
        for legend in filter(None, data.legends):
            write_text(new / LEGEND, write_legend(legend))
        if shard:
            shards.pack(
                new, sorted(path for path in new.rglob("*") if path.is_file() and path.name != LEGEND), largest=shard
            )
    return count, faults


def _work(data: Data) -> Iterator[Work]:
    folder, names = data.folder, data.names
    if folder.kind == "photos twice":
        for split, items in folder.splits.items():
            for item in items:
                yield Work(item, SingleReader(data.read, 0), (Path(split, item.name),))
    elif folder.paired:
        sides = (*names[:2], *data.read.maps)
        for split, items in folder.splits.items():
            for item in items:
                yield Work(item, data.read, tuple(Path(split, side, item.name) for side in sides))
    else:
        for side, name in enumerate(names):
            for split in ("train", "val", "test"):
                parent = Path(f"{split}{name}") if folder.lettered else Path(split, name)
                own = side if len(names) > 2 else side ^ data.read.reverse
                for item in folder.singles(own, split):
                    yield Work(item, SingleReader(data.read, side), (parent / item.name,))


def _write(place: Path, array: np.ndarray) -> None:
    """As PNG where that holds it, else as TIFF; numbers of things that do not fit 16 bits are refused."""
    if array.dtype.kind == "i" and array.dtype.itemsize > 2 and 0 <= int(array.min()) <= int(array.max()) < 1 << 16:
        array = array.astype(np.uint16)
    suffix = ".png" if images.can_hold(".png", array.dtype, array.shape[2]) else ".tif"
    images.write(place.with_name(place.name + suffix), array)


def _copy_text(one: Work, new: Path) -> None:
    """The text beside a picture, to beside what becomes of it."""
    for path in one.item.files:
        source = path.with_suffix(text.SUFFIX)
        if source.is_file() or shards.find(source):
            copy({source: one.places[0].with_name(one.places[0].name + text.SUFFIX)}, new, link=False)
            return
