"""Volumes in a folder of pictures: each stands for its slices, which stay together when some are held out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from diptych import images
from diptych.data.finding import Fault, Found
from diptych.data.folders import Groups, Item
from diptych.errors import DataError
from diptych.storage.prefetch import ahead


def unfolded(found: Found, axis: str) -> Found:
    """What was found, with the slices along an axis, or in a plane, in the place of each volume."""

    def look(path: Path) -> list[Path] | Fault:
        try:
            return images.slices(path, axis)
        except DataError as error:
            return Fault(path, str(error).removeprefix(f"{path}: "))

    volumes = [path for paths in found.files.values() for path in paths if images.is_volume(path)]
    looked = dict(zip(volumes, ahead(look, volumes), strict=True))
    faults = [one for one in looked.values() if isinstance(one, Fault)]
    within = {path: one if isinstance(one, list) else [] for path, one in looked.items()}
    names = {
        place: f"{name}/{place.name}" if path in within else name
        for path, name in found.names.items()
        for place in within.get(path, [path])
    }
    files = {place: [one for path in paths for one in within.get(path, [path])] for place, paths in found.files.items()}
    return found._replace(files=files, names=names, faults=[*found.faults, *faults])


def volume_of(item: Item) -> str:
    """The name of the volume that a slice is of; any other image stands for itself."""
    return item.name.rpartition("/")[0] if images.is_slice(item.a) else item.name


def groups(items: Iterable[Item]) -> Groups | None:
    """What belongs together where there are slices, and nobody says otherwise."""
    return volume_of if any(images.is_slice(item.a) for item in items) else None
