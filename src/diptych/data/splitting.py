"""A folder divided anew into train, val and test, so that what belongs together stays together."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from diptych import images
from diptych.data import volumes
from diptych.data.copying import belonging, copy, legends, new_folder
from diptych.data.folders import Folder, Item, groups_by
from diptych.errors import ConfigError

ASIDE = ("test", "val")
"""The splits that are filled first; the rest is for training."""


def split(
    folder: Folder,
    out: Path,
    *,
    by: str | None = None,
    val: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    link: bool = False,
) -> dict[str, int]:
    """Copy a folder of any layout to the new folder `out`, divided; gives the number of items in each split.

    by: a regular expression that finds in each name what a group shares; without one each image or pair is a group. The
    same names and the same seed give the same splits, on every machine. link: hard links instead of copies. Raises
    ConfigError for what cannot be divided so, and for an `out` that cannot be a new folder.
    """
    shares = {"test": test, "val": val}
    if min(shares.values()) < 0 or sum(shares.values()) >= 1:
        raise ConfigError(
            f"--val {val:g} and --test {test:g} leave nothing for training: use shares that add up to less than 1"
        )
    items = list(folder.items())
    groups = groups_by(by, items, option="--by") if by is not None else volumes.volume_of
    wanted = {name: share for name, share in shares.items() if share > 0}
    splits = divided(Counter(map(groups, items)), wanted, seed, by)
    chosen = {item: splits[groups(item)] for item in items}
    with new_folder(out, folder) as new:
        copy({**dict(places(folder, chosen)), **legends(folder)}, new, link=link)
    counts = Counter(chosen.values())
    return {name: counts[name] for name in ("train", "val", "test") if counts[name]}


def divided(sizes: Mapping[str, int], shares: Mapping[str, float], seed: int, by: str | None) -> dict[str, str]:
    """The split of each group: groups in an order by chance, until each split has its share of the items."""
    if len(sizes) == 1 and by is not None:
        (only,) = sizes
        raise ConfigError(
            f"--by {by} puts all {sizes[only]} images into one group ({only}): choose what differs between groups"
        )
    if len(sizes) <= len(shares):
        raise ConfigError(
            f"{len(sizes)} group(s) cannot be divided into {len(shares) + 1} splits: leave out --val or --test, as 0"
        )
    order = sorted(sizes, key=lambda group: hashlib.sha256(f"{seed} {group}".encode(errors="surrogateescape")).digest())
    total, splits = sum(sizes.values()), {}
    for number, (name, share) in enumerate(shares.items()):
        still = len(shares) - number  # groups that later splits and training need
        wanted, taken = round(share * total, 6), 0
        while len(order) > still and (taken < wanted or not taken):
            group = order.pop(0)
            splits[group] = name
            taken += sizes[group]
    return {**splits, **dict.fromkeys(order, "train")}


def places(folder: Folder, chosen: Mapping[Item, str]) -> Iterator[tuple[Path, Path]]:
    """Each file with its place in the new folder."""
    before = {item: name for table in folder.tables for name, items in table.items() for item in items}
    taken: set[Path] = set()
    placed: set[Path] = set()
    for side, item in _with_sides(folder):
        split = chosen[item]
        for path in belonging(item):
            if path in placed:  # another slice of a volume
                continue
            placed.add(path)
            domain = _domain(folder, item, path, side)
            parent = Path(f"{split}{domain}") if folder.lettered else Path(split, domain)
            below = parent / PurePosixPath(volumes.volume_of(item)).parent
            place = below / path.name
            while place in taken:
                place = below / f"{before[item]}_{place.name}"
            taken.add(place)
            yield path, place


def _with_sides(folder: Folder) -> Iterator[tuple[int, Item]]:
    for side, table in enumerate(folder.tables):
        for items in table.values():
            yield from ((side, item) for item in items)


def _domain(folder: Folder, item: Item, path: Path, side: int) -> str:
    """The folder of a file inside its split: that of a domain or of a kind of map, or none."""
    if folder.kind in ("side by side", "photos", "one folder"):
        return ""
    kinds = {images.file_of(of): kind for kind, of in item.maps.items()}
    if path in kinds:
        return kinds[path]
    of_b = item.b is not None and path.with_suffix("") == images.file_of(item.b).with_suffix("")
    return folder.names[1 if of_b else side]
