"""Finds the pictures of a folder, or of two, by split and domain; of every file that is left out it says why."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from diptych import images
from diptych.ahead import ahead
from diptych.errors import DataError
from diptych.images import Header

LEGEND = "legend.yaml"
"""The file of a data set that says what its label maps mean."""
SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}

Place = tuple[str, str]  # split, domain; either may be ""
Files = dict[Place, list[Path]]  # an empty list: the folder is there, but nothing in it can be used
Roots = Mapping[str, Path]  # one folder as {"": folder}, or one for each domain, by the domain's name


class Fault(NamedTuple):
    """A file that is left out, and why; or the first of several in one folder."""

    path: Path
    what: str


def find(root: Path) -> tuple[Files, list[Fault]]:
    """The pictures of one folder that holds all domains. Raises DataError where there are none."""
    files, reasons = _look(root, 2, _place, "lies below two folders that are no split: call one of them")
    files, strays = _without_strays(files)
    faults = _summed_up(reasons | strays)
    _refuse_empty(root, files, faults, {"": root})
    return {(split or "train", domain): paths for (split, domain), paths in files.items()}, faults


def find_domains(roots: Roots) -> tuple[Files, list[Fault]]:
    """The pictures of folders that hold one domain each. Raises DataError where one of them has none."""
    files: Files = {}
    faults: list[Fault] = []
    for domain, root in roots.items():
        found, reasons = _look(root, 1, _split, "lies in a folder that is no split: call it")
        found, strays = _without_strays(found)
        faults += (here := _summed_up(reasons | strays))
        _refuse_empty(root, found, here, roots)
        files |= {(split or "train", domain): paths for (split, _), paths in found.items()}
    return files, faults


def read_headers(files: Files, limit_mp: float) -> tuple[dict[Path, Header], list[Fault]]:
    """The headers of all files, read in threads, and what is wrong with the files that have none."""

    def look(path: Path) -> Header | Fault:
        try:
            return images.header(path, limit_mp=limit_mp)
        except DataError as error:
            return Fault(path, str(error).removeprefix(f"{path}: "))

    paths = [path for some in files.values() for path in some]
    looked = dict(zip(paths, ahead(look, paths), strict=True))
    headers = {path: found for path, found in looked.items() if isinstance(found, Header)}
    return headers, [found for found in looked.values() if isinstance(found, Fault)]


def relative(path: Path, roots: Roots) -> Path:
    """`path` as seen from its folder; of several folders, behind the domain's name."""
    name, root = max(
        ((name, root) for name, root in roots.items() if path.is_relative_to(root)),
        key=lambda found: len(found[1].parts),
    )
    return Path(name) / path.relative_to(root)


def summary(faults: Sequence[Fault], roots: Roots) -> str:
    """The first three faults, and how many more there are."""
    more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
    return "; ".join(f"{relative(path, roots)} {what}" for path, what in faults[:3]) + more


def _look(
    root: Path, depth: int, place: Callable[[tuple[str, ...]], Place | None], elsewhere: str
) -> tuple[Files, dict[Path, str]]:
    """All usable files by place, and of the others what is wrong with them."""
    if not root.is_dir():
        what = "is a file, not a folder of pictures" if root.exists() else "does not exist"
        raise DataError(f"{root} {what}: give a folder of pictures")
    files: Files = defaultdict(list)
    reasons: dict[Path, str] = {}
    for path, fault in sorted(_walk(root, depth)):
        here = place(path.relative_to(root).parts[: None if fault and path.is_dir() else -1])
        fault = fault or _unusable(path) or ("" if here else f"{elsewhere} train, val or test")
        if fault:
            reasons[path] = fault
        if here:
            files[here] += [] if fault else [path]
    return files, reasons


def _walk(folder: Path, depth: int) -> Iterator[tuple[Path, str]]:
    """Every file, with what is wrong with it or ""; also the folders that are empty or not looked into."""
    with os.scandir(folder) as scan:
        entries = [entry for entry in scan if not entry.name.startswith(".") and entry.name != LEGEND]
    if not entries:
        yield folder, "is an empty folder"
    for entry in entries:
        path = Path(entry.path)
        if entry.is_symlink() and not path.exists():
            yield path, "is a link to what is gone: replace or remove it"
        elif entry.is_file():
            yield path, ""
        elif path.suffix.lower() in images.SUFFIXES:
            yield path, "is no file, though called like a picture: rename it"
        elif entry.is_dir() and depth:
            yield from _walk(path, depth - 1)
        elif entry.is_dir():
            yield path, "is a folder too deep to be looked into: move its pictures into the folder above it"


def _unusable(path: Path) -> str:
    if (suffix := path.suffix.lower()) in images.SUFFIXES:
        return ""
    return f"is {suffix or 'without a suffix'}, which is not read: if it is a picture, convert it to PNG or TIFF"


def _summed_up(reasons: dict[Path, str]) -> list[Fault]:
    """One fault for all files (or folders) in one folder that have the same one."""
    alike: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path, what in reasons.items():
        alike[path.parent, what].append(path)
    return [
        Fault(paths[0], f"{what} (and {len(paths) - 1} more there)" if len(paths) > 1 else what)
        for (_, what), paths in alike.items()
    ]


def _place(parts: tuple[str, ...]) -> Place | None:
    """Split and domain from the folders' names, in either order: train/photo, photo/train, trainA, train, photo."""
    split = domain = ""
    for part in parts:
        if part.lower() in SPLITS and not split:
            split = SPLITS[part.lower()]
        elif (match := re.fullmatch(r"(train|val|test)([A-Z])", part)) and not split and not domain:
            split, domain = match.groups()
        elif not domain:
            domain = part
        else:
            return None
    return split, domain


def _split(parts: tuple[str, ...]) -> Place | None:
    """The split, inside the folder of one domain."""
    if not parts:
        return "", ""
    return (SPLITS[parts[0].lower()], "") if len(parts) == 1 and parts[0].lower() in SPLITS else None


def _without_strays(files: Files) -> tuple[Files, dict[Path, str]]:
    """Pictures beside the folders of splits or domains (a preview, say) belong to none: say so of each."""
    strays: dict[Path, str] = {}
    for position, folders in enumerate(("train/, val/ or test/", "the folders of the sides")):
        if any(place[position] for place, paths in files.items() if paths):
            beside = [path for place, paths in files.items() if not place[position] for path in paths]
            strays |= dict.fromkeys(beside, f"lies outside {folders}: move it there if it belongs there")
            files = {place: paths for place, paths in files.items() if place[position]}
    return files, strays


def _refuse_empty(root: Path, files: Files, faults: Sequence[Fault], roots: Roots) -> None:
    if not any(files.values()):
        left_out = [fault for fault in faults if fault.path != root]
        there = f"; left out: {summary(left_out, roots)}" if left_out else ""
        raise DataError(f"{root} holds no pictures: put {' '.join(sorted(images.SUFFIXES))} there{there}")
