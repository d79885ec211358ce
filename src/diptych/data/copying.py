"""Files of a data folder into a new one, in the same places or in others; what is there already is never touched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from diptych import images
from diptych.data.finding import LEGEND
from diptych.data.folders import Folder, Item
from diptych.errors import ConfigError
from diptych.kinds import text
from diptych.storage import shards
from diptych.storage.files import atomic_folder, storing, write_bytes


@contextmanager
def new_folder(out: Path, folder: Folder) -> Iterator[Path]:
    """Make a folder that appears whole or not at all.

    Raises ConfigError where something has its name, or where it would lie among the pictures.
    """
    if out.exists() or out.is_symlink():
        raise ConfigError(f"{out} is there already: name a new folder")
    for root in folder.roots.values():
        if out.resolve().is_relative_to(root.resolve()):
            raise ConfigError(f"{out} would lie inside {root}, and be read with it: name a folder elsewhere")
    with atomic_folder(out) as new:
        yield new


def belonging(item: Item) -> list[Path]:
    """The files of an item, and the texts beside them; of a slice the whole volume."""
    files = [images.file_of(path) for path in item.files]
    texts = (path.with_suffix(text.SUFFIX) for path in files)
    return list(dict.fromkeys([*files, *(path for path in texts if path.is_file() or shards.find(path))]))


def legends(folder: Folder) -> dict[Path, Path]:
    """The legend of a folder, and its place in a new one."""
    places = [root / LEGEND for root in folder.roots.values() if (root / LEGEND).is_file()]
    return {place: Path(LEGEND) for place in places[:1]}


def copy(places: Mapping[Path, Path], new: Path, *, link: bool) -> None:
    """Copy files, or give them one more name, to their places in the folder `new`; those of archives are unpacked."""
    for source, place in places.items():
        target = new / place
        with storing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            if not source.is_file():
                with shards.opened(source) as content:
                    write_bytes(target, content.read())
            elif link:
                os.link(source.resolve(), target)
            else:
                shutil.copyfile(source, target)


def in_place(folder: Folder, items: Iterable[Item]) -> dict[Path, Path]:
    """The files of items, each with its place as seen from the folder."""
    return {path: folder.relative(path) for item in items for path in belonging(item)}
