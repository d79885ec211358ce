"""Finds the pictures of a folder, or of two, by split and domain; of every file that is left out it says why."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from pathlib import Path
from typing import NamedTuple

from diptych import images
from diptych.errors import DataError
from diptych.images import Header, listing
from diptych.storage import shards
from diptych.storage.prefetch import ahead

LEGEND = "legend.yaml"
"""The file of a data set that says what its label maps mean."""
MANIFEST = "manifest.jsonl"
"""The file of a data set that says of each file what it is, where it comes from, and under which licence."""
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
LETTERED = re.compile("(train|val|test)([A-Z])")
JOINED = re.compile(f"({'|'.join(SPLITS)})[_-](.+)", re.IGNORECASE)
"""Folders as pix2pixHD has them: train_label, train_img."""
MOVE = "move it there if it belongs there"
BELOW = "lies in a folder of its own, while most pictures lie beside that folder: move it there if it belongs to them"
SILENT = ("system", "hidden")  # kinds that are counted, and not named
WHY = {
    "empty folder": "is an empty folder",
    "unreadable folder": "cannot be looked into: check its permissions",
    "unreadable file": "cannot be read: check its permissions",
    "broken link": "is a link to what is gone: replace or remove it",
    "circular link": "is a link that leads back to a folder above it: remove it",
    "misnamed folder": "is no file, though called like a picture: rename it",
    "preview": "is called like a preview: if it is data, rename it",
    "preview folder": "is called like a folder of previews: if they are data, rename it",
}

Parts = tuple[str, ...]  # split, domain, either may be "", and folders further below; or the folders of a path
Place = tuple[str, str]  # split, domain; either may be ""
Files = dict[Place, list[Path]]  # an empty list: the folder is there, but nothing in it can be used
Roots = Mapping[str, Path]  # one folder as {"": folder}, or one for each domain, by the domain's name


class Fault(NamedTuple):
    """A file that is left out, and why; or the first of several in one folder."""

    path: Path
    what: str


class Found(NamedTuple):
    """The pictures by place, their names, and what is left out: the faults, and the kinds of all that is no picture.

    names: inside a picture's place and without suffix: "0001", or below further folders "bern/0001". lettered: the
    domains are those of trainA and trainB, which is how pictures without pairs are laid out.
    """

    files: Files
    names: dict[Path, str]
    faults: list[Fault]
    kinds: list[str]
    lettered: bool = False


def find(root: Path) -> Found:
    """The pictures of one folder that holds all domains. Raises DataError where there are none."""
    found = _look(root, _place)
    _refuse_empty(root, found, {"": root})
    files = {(split or "train", domain): paths for (split, domain), paths in found.files.items()}
    return found._replace(files=files)


def find_domains(roots: Roots) -> Found:
    """The pictures of folders that hold one domain each. Raises DataError where one of them has none."""
    everything = Found({}, {}, [], [])
    for domain, root in roots.items():
        found = _look(root, _split)
        _refuse_empty(root, found, roots)
        everything.files.update({(split or "train", domain): paths for (split, _), paths in found.files.items()})
        everything.names.update(found.names)
        everything.faults.extend(found.faults)
        everything.kinds.extend(found.kinds)
    return everything


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


def _look(root: Path, place: Callable[[Parts, bool], Parts]) -> Found:
    """All usable files by place, and of the others what is wrong with them."""
    if not root.is_dir():
        what = "is a file, not a folder of pictures" if root.exists() else "does not exist"
        raise DataError(f"{root} {what}: give a folder of pictures")
    files: dict[Parts, list[Path]] = defaultdict(list)
    wrong: dict[Path, tuple[Parts, str]] = {}
    entries = sorted(_entries(root), key=lambda entry: entry.path.parts)  # much faster than by the paths
    entries = [entry for entry in entries if entry.path.name not in (LEGEND, MANIFEST)]
    depth = _depth(root, entries)
    joined = all(
        JOINED.fullmatch(path.parts[depth]) for path, kind in entries if not kind and len(path.parts) > depth + 1
    )
    for path, kind in entries:
        parts = path.parts[depth:]
        here = place(parts if kind.endswith(" folder") else parts[:-1], joined)
        if not kind:
            files[here].append(path)
        elif kind.split()[0] not in SILENT:
            wrong[path] = here[:2], _why(kind)
            if not kind.startswith("preview"):
                files[here[:2]] += []
    strays = _strays(files)
    for here, what in strays.items():
        wrong |= dict.fromkeys(files.pop(here), (here[:2], what))
    kept: Files = defaultdict(list)
    for here, paths in files.items():
        kept[here[0], here[1]] += paths
    names = {path: "/".join((*here[2:], images.stem(path))) for here, paths in files.items() for path in paths}
    kinds = [kind for _, kind in entries if kind]
    by_name = {place: sorted(paths, key=lambda path: path.parts) for place, paths in kept.items()}
    lettered = any(LETTERED.fullmatch(path.parts[depth]) for path in names)
    return Found(by_name, names, _summed_up(wrong), kinds, lettered)


def _entries(root: Path) -> Iterable[listing.Entry]:
    """What lies in a folder, or in its archives."""
    packed = shards.listed(root)
    if packed is None:
        return listing.walk(root)
    return (listing.Entry(path, listing.kind_of(path.name)) for path in packed)


def _depth(root: Path, entries: Sequence[listing.Entry]) -> int:
    """How many parts of all paths say nothing: those of the folder, and of a lone folder around all that it holds."""
    depth = len(root.parts)
    folders = {
        path.parts[: None if kind.endswith(" folder") else -1]
        for path, kind in entries
        if kind.split(" ")[0] not in SILENT and (not kind or path.parent != root)
    }
    while len({parts[depth : depth + 1] for parts in folders}) == 1 and all(
        len(parts) > depth + 1 for parts in folders
    ):
        around = next(iter(folders))[depth]
        if around.lower() in SPLITS or LETTERED.fullmatch(around):
            break
        depth += 1
    return depth


def _why(kind: str) -> str:
    if kind in WHY:
        return WHY[kind]
    if kind in ("FIFO", "socket", "device"):
        return f"is a {kind}, not a file: remove it"
    suffix = "without a suffix" if kind == "suffixless file" else kind
    return f"is {suffix}, which is not read: if it is a picture, convert it to PNG or TIFF"


def _summed_up(wrong: Mapping[Path, tuple[Parts, str]]) -> list[Fault]:
    """One fault for all files (or folders) of one place that have the same one."""
    alike: dict[tuple[Parts, str], list[Path]] = defaultdict(list)
    for path, (here, what) in sorted(wrong.items()):
        alike[here, what].append(path)
    return [
        Fault(paths[0], f"{what} (and {len(paths) - 1} more there)" if len(paths) > 1 else what)
        for (_, what), paths in alike.items()
    ]


def _place(parts: Parts, joined: bool) -> Parts:
    """Split, domain, and further folders, from the folders' names: train/photo, photo/train/bern, trainA, photo.

    joined: all have names such as train_photo.
    """
    split = domain = ""
    further: list[str] = []
    for part in parts:
        if part.lower() in SPLITS and not split:
            split = SPLITS[part.lower()]
        elif (match := LETTERED.fullmatch(part)) and not split and not domain:
            split, domain = match.groups()
        elif joined and (match := JOINED.fullmatch(part)) and not split and not domain:
            split, domain = SPLITS[match[1].lower()], match[2]
        elif not domain:
            domain = part
        else:
            further.append(part)
    return (split, domain, *further)


def _split(parts: Parts, _: bool) -> Parts:
    """The split, no domain, and further folders, inside the folder of one domain."""
    at = next((n for n, part in enumerate(parts) if part.lower() in SPLITS), None)
    return ("", "", *parts) if at is None else (SPLITS[parts[at].lower()], "", *parts[:at], *parts[at + 1 :])


def _strays(files: Mapping[Parts, Sized]) -> dict[Parts, str]:
    """The places that do not belong to the data, and why: beside splits or domains, or below most pictures."""

    def count(some: Iterable[Parts]) -> int:
        return sum(len(files[here]) for here in some)

    strays: dict[Parts, str] = {}
    if any(here[0] == "train" and files[here] for here in files):
        strays = {here: f"lies outside train/, val/ or test/: {MOVE}" for here in files if not here[0]}
    rest = [here for here in files if here not in strays]
    beside, inside = ([here for here in rest if bool(here[1]) == sides] for sides in (False, True))
    lone = len({here[1] for here in inside if files[here]}) == 1
    if count(beside) > count(inside) - lone:
        strays |= dict.fromkeys(inside, BELOW)
    elif count(inside):
        strays |= dict.fromkeys(beside, f"lies outside the folders of the sides: {MOVE}")
    for domain in {here[1] for here in rest if here not in strays}:
        above, below = (
            [here for here in rest if here[1] == domain and (len(here) > 2) == deep] for deep in (False, True)
        )
        if count(above) >= count(below):
            strays |= dict.fromkeys(below, BELOW)
    return strays


def _refuse_empty(root: Path, found: Found, roots: Roots) -> None:
    if not any(found.files.values()):
        left_out = [fault for fault in found.faults if fault.path != root]
        there = f"; left out: {summary(left_out, roots)}" if left_out else ""
        raise DataError(f"{root} holds no pictures: put {' '.join(sorted(images.SUFFIXES))} there{there}")
