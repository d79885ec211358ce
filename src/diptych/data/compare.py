"""What is suspicious when pictures are compared: copies in both domains or in two splits, very different domains."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from statistics import median_low

from diptych import images
from diptych.data.folders import Folder, Groups
from diptych.storage import shards
from diptych.storage.prefetch import ahead

NAMED = 5  # groups of copies in one sentence
FEWER, SMALLER = 3, 2  # from this factor on, counts and sides are called very different
BEGINNING = 4096


def notes(folder: Folder) -> list[str]:
    """Sentences about copies, about two domains that differ much in number or size, and about what is kept as truth."""
    groups = copies([path for path in folder.all_files() if not images.is_slice(path)])
    both = "both" if len(folder.names) == 2 else "several of"
    found = {
        f"in {both} {' and '.join(folder.names)}": overlapping(folder, groups),
        "in more than one split": leaking(folder, groups),
    }
    notes = [f"{_pictures(some)} {where}: {_named(folder, some)}" for where, some in found.items() if some]
    return [*notes, *imbalance(folder), *scorable(folder)]


def copies(paths: Sequence[Path]) -> list[list[Path]]:
    """Groups of files with the same bytes. Only of files of equal size and equal beginning are all bytes read."""
    groups = [list(paths)]
    for look in (lambda path: shards.stamp(path)[0], _beginning, shards.digest):
        groups = [alike for group in groups for alike in grouped(group, look) if len(alike) > 1]
    return groups


def grouped(paths: Sequence[Path], look: Callable[[Path], Hashable]) -> list[list[Path]]:
    """Paths of which `look`, called in threads, tells the same."""
    groups: dict[Hashable, list[Path]] = defaultdict(list)
    for path, seen in zip(paths, ahead(look, paths), strict=True):
        groups[seen].append(path)
    return list(groups.values())


def overlapping(folder: Folder, groups: Iterable[list[Path]]) -> list[list[Path]]:
    """Those copies that are in more than one domain, where each has its own files."""
    sides = [set(folder.files(side)) for side in range(len(folder.names))]
    if folder.kind == "side by side":
        return []
    return [paths for paths in groups if sum(not side.isdisjoint(paths) for side in sides) > 1]


def leaking(folder: Folder, groups: Iterable[list[Path]]) -> list[list[Path]]:
    """Those copies that are in more than one split."""
    split_of = folder.split_of()
    return [paths for paths in groups if len({split_of[path] for path in paths}) > 1]


def divided(folder: Folder, groups: Groups | None) -> list[str]:
    """That images of one group are in more than one split, if they are: a score on them says little of others."""
    if groups is None:
        return []
    splits: dict[str, set[str]] = defaultdict(set)
    for table in folder.tables:
        for split, items in table.items():
            for item in items:
                splits[groups(item)].add(split)
    found = sorted(group for group, where in splits.items() if len(where) > 1)
    return [f"{len(found)} groups are in more than one split: {', '.join(found[:NAMED])}"] if found else []


def imbalance(folder: Folder) -> list[str]:
    """Without pairs: whether one domain has far more, or far larger images than another."""
    sides = [folder.files(side, "train") for side in range(len(folder.names))]
    if folder.kind not in ("unpaired", "domains") or not all(sides):
        return []
    found = []
    few, *_, many = sorted(zip(map(len, sides), folder.names, strict=True))
    if many[0] >= FEWER * few[0]:
        found.append(
            f"{few[0]} training pictures of {few[1]}, {many[0]} of {many[1]}: those of {few[1]} come round "
            f"{many[0] / few[0]:.0f} times as often"
        )
    medians = [median_low(map(folder.size, paths)) for paths in sides]
    small, *_, large = sorted(zip(medians, folder.names, strict=True), key=lambda found: max(found[0]))
    if max(large[0]) >= SMALLER * max(small[0]):
        found.append(
            f"pictures of {small[1]} are {_size(small[0])}, of {large[1]} {_size(large[0])} (medians): "
            f"they are resized to one size, and may differ in sharpness"
        )
    return found


def scorable(folder: Folder) -> list[str]:
    """Of an unpaired folder: which of its pictures are taken for pairs."""
    return [
        f"{len(pairs)} pictures of {split} have one name in {folder.names[0]} and {folder.names[1]}: "
        f"they are taken for pairs, and used for scores only"
        for split, pairs in folder.truth.items()
        if pairs
    ]


def same_but_for_case(folder: Folder) -> list[str]:
    """That files have names which are one on systems that do not tell capitals from small letters."""
    groups: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path in folder.all_files():
        groups[path.parent, path.name.casefold()].append(path)
    alike = [group for group in groups.values() if len(group) > 1]
    if not alike:
        return []
    return [
        f"{len(alike)} name(s) differ in case alone, as {' and '.join(path.name for path in alike[0])}: on Windows and "
        f"macOS they are one file, so rename them before the folder travels"
    ]


def _beginning(path: Path) -> bytes:
    with shards.opened(path) as file:
        return file.read(BEGINNING)


def _pictures(groups: Sequence[object]) -> str:
    return "1 picture is" if len(groups) == 1 else f"{len(groups)} pictures are"


def _named(folder: Folder, groups: Sequence[Sequence[Path]]) -> str:
    named = [" = ".join(str(path) for path in sorted(map(folder.relative, paths))) for paths in groups[:NAMED]]
    return ", ".join(named) + (f" and {len(groups) - NAMED} more" if len(groups) > NAMED else "")


def _size(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
