"""Volumes in a folder of pictures: each stands for its slices, which stay together when some are held out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from diptych import images
from diptych.data.finding import Fault, Found
from diptych.data.folders import Folder, Groups, Item
from diptych.errors import DataError
from diptych.storage.prefetch import ahead


def unfolded(found: Found, axis: str) -> Found:
    """What was found, with the slices along an axis, or in a plane, in the place of each volume."""

    def look(path: Path) -> list[Path] | Fault:
        try:
            return images.slices(path, axis) if images.is_volume(path) or images.is_stack(path) else [path]
        except DataError as error:
            return Fault(path, str(error).removeprefix(f"{path}: "))

    everything = (path for paths in found.files.values() for path in paths)
    volumes = [path for path in everything if images.is_volume(path) or images.may_be_stack(path)]
    looked = dict(zip(volumes, ahead(look, volumes), strict=True))
    faults = [one for one in looked.values() if isinstance(one, Fault)]
    within = {path: [] if isinstance(one, Fault) else one for path, one in looked.items() if one != [path]}
    names = {
        place: f"{name}/{place.name}" if path in within else name
        for path, name in found.names.items()
        for place in within.get(path, [path])
    }
    files = {place: [one for path in paths for one in within.get(path, [path])] for place, paths in found.files.items()}
    return found._replace(files=files, names=names, faults=[*found.faults, *faults])


def agreeing(folder: Folder) -> Folder:
    """Without the pairs of volumes that differ in their number of slices: nothing says which of them belong together.

    Of slices of one volume that have the same fault, one is named.
    """
    folder = _of_one_length(folder)
    of: dict[tuple[Path, str], list[Fault]] = defaultdict(list)
    for fault in folder.faults:
        of[images.file_of(fault.path), fault.what.partition(" (")[0]].append(fault)
    return replace(folder, faults=tuple(_summed_up(alike) for alike in of.values()))


def _summed_up(faults: list[Fault]) -> Fault:
    first = faults[0]
    more = f", as {len(faults) - 1} more slices of it" if len(faults) > 1 else ""
    return first._replace(what=first.what + more)


def _of_one_length(folder: Folder) -> Folder:
    counts = Counter(path.parent for path in folder.headers if images.is_slice(path))
    partners = {
        (item.a.parent, item.b.parent)
        for item in folder.items()
        if item.b and images.is_slice(item.a) and images.is_slice(item.b)
    }
    uneven = sorted((a, b) for a, b in partners if counts[a] != counts[b])
    if not uneven:
        return folder
    faults = [
        Fault(a, f"has {counts[a]} slices, its partner {folder.relative(b)} {counts[b]}: give both the same slices")
        for a, b in uneven
    ]
    out = {path for both in uneven for path in both}
    told = [fault for fault in folder.faults if fault.path.parent not in out]
    splits = {split: tuple(i for i in items if i.a.parent not in out) for split, items in folder.splits.items()}
    return replace(folder, splits=splits, faults=(*told, *faults))


def volume_of(item: Item) -> str:
    """The name of the volume that a slice is of; any other image stands for itself."""
    return item.name.rpartition("/")[0] if images.is_slice(item.a) else item.name


def groups(items: Iterable[Item]) -> Groups | None:
    """What belongs together where there are slices, and nobody says otherwise."""
    return volume_of if any(images.is_slice(item.a) for item in items) else None
