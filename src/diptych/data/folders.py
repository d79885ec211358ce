"""A folder of pictures explains itself: what it holds is recognised from names and headers, nothing is decoded.

Four layouts are known, each with or without train/, val/ and test/:

    side by side    FOLDER[/train]/0001.jpg, twice as wide as high: left half a, right half b
    two folders     FOLDER[/train]/{photo,label}/0001.png or FOLDER/{photo,label}[/train]/0001.png, paired by name
    unpaired        FOLDER/{trainA,trainB,testA,testB}, or two folders whose names do not match
    photos          any other folder with pictures in it
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar, get_args

from diptych import images
from diptych.ahead import ahead
from diptych.errors import ConfigError, DataError
from diptych.images import Header

Kind = Literal["side by side", "two folders", "unpaired", "photos"]
SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
HELD_OUT_AT_MOST = 50

T = TypeVar("T")
Place = tuple[str, str]  # split, domain; either may be ""
Files = dict[Place, list[Path]]


class Fault(NamedTuple):
    """A file that is left out, and why; or the first of several in one folder."""

    path: Path
    what: str


@dataclass(frozen=True)
class Item:
    """One picture, or one pair; of a pair side by side, `a` and `b` are the same file."""

    name: str
    a: Path
    b: Path | None = None


Splits = dict[str, tuple[Item, ...]]


@dataclass(frozen=True)
class Folder:
    """What a folder holds. Of an unpaired one, `splits` has the pictures of a and `second` those of b."""

    root: Path
    kind: Kind
    names: tuple[str, str]  # of the domains a and b
    splits: Splits
    second: Splits = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    headers: dict[Path, Header] = field(default_factory=dict, repr=False)
    channels: tuple[int, int] = (0, 0)  # of a and b, as most of their pictures have them
    dtypes: tuple[str, str] = ("", "")

    def reverses(self, direction: str) -> bool:
        """Whether `direction` (a2b, b2a, or the domains' names, as photo2label) goes from b to a."""
        a, b = self.names
        if direction in ("a2b", f"{a}2{b}"):
            return False
        if direction in ("b2a", f"{b}2{a}"):
            return True
        known = f"use {a}2{b} (that is a2b) or {b}2{a} (b2a)" if a != b else "photos have no sides, leave it out"
        raise DataError(f"{self.root}: direction={direction} is unknown: {known}")

    def files(self, side: int, split: str | None = None) -> list[Path]:
        """The files of a domain (0: a, 1: b), of one split or of all."""
        if self.kind == "unpaired":
            return [item.a for item in _items((self.splits, self.second)[side], split)]
        paths = [item.b if side else item.a for item in _items(self.splits, split)]
        return [path for path in paths if path]

    def items(self) -> Iterator[Item]:
        """All, of all splits and both domains."""
        yield from _items(self.splits)
        yield from _items(self.second)

    def notes(self) -> list[str]:
        """What a user should know: how files are converted, and which are left out."""
        return [*self.conversions(), *(f"left out: {self.relative(path)} {what}" for path, what in self.faults)]

    def conversions(self) -> list[str]:
        """How reading changes pictures, with an example of each."""
        return [
            f"{len(paths)} of {total} pictures in {name}: {what}, as {self.relative(paths[0])}"
            for side, name in enumerate(dict.fromkeys(self.names))
            for total in [len(self.files(side))]
            for what, paths in self._conversions(side).items()
        ]

    def _conversions(self, side: int) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for path in self.files(side):
            head, most = self.headers[path], self.channels[side]
            for note in head.notes:
                found[note].append(path)
            if head.channels != most:
                found["grey converted to RGB" if most == 3 else "RGB converted to grey"].append(path)
            if head.alpha:
                found["alpha left aside"].append(path)
        return found

    def relative(self, path: Path) -> Path:
        return path.relative_to(self.root)

    def size(self, path: Path) -> tuple[int, int]:
        """Height and width of the picture, or of the half, that a file holds."""
        head = self.headers[path]
        return head.height, head.width // 2 if self.kind == "side by side" else head.width


def recognise(
    root: Path | str, *, kind: str = "auto", direction: str = "a2b", limit_mp: float = images.LIMIT_MP
) -> Folder:
    """Find out what a folder holds, from headers alone, read in threads.

    `kind` says it instead; `direction` (photo2label) chooses two of several domains. Files that cannot be used are
    left out and listed in `faults`; DataError is raised when nothing is left, ConfigError for an impossible option.
    """
    if kind not in (kinds := ("auto", *get_args(Kind))):
        raise ConfigError(f"kind={kind} is unknown: use one of {', '.join(kinds)}")
    if not limit_mp > 0:
        raise ConfigError(f"limit_mp={limit_mp:g} is no limit: use a number of million pixels above 0")
    root = Path(root)
    files, faults = _find(root)
    headers, unreadable = _read_headers(files, limit_mp)
    faults += unreadable
    files = {place: [path for path in paths if path in headers] for place, paths in files.items()}
    folder = replace(_arrange(root, _choose(root, files, direction), kind, headers), headers=headers)
    folder = _agreeing(replace(folder, faults=(*faults, *folder.faults)))
    if not any(folder.splits.values()):
        raise DataError(_nothing_left(folder))
    return folder


def hold_out(items: tuple[Item, ...], share: float) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Split into (train, val) by a hash of the names: the same pictures every time, on every machine."""
    count = min(HELD_OUT_AT_MOST, max(1, round(share * len(items)))) if share > 0 else 0
    ranked = sorted(items, key=lambda item: hashlib.sha256(item.name.encode()).digest())
    held = {item.name for item in ranked[:count]}
    return tuple(i for i in items if i.name not in held), tuple(i for i in items if i.name in held)


# --- Finding files ---------------------------------------------------------------------------------------------------


def _find(root: Path) -> tuple[Files, list[Fault]]:
    if not root.is_dir():
        what = "is a file, not a folder of pictures" if root.exists() else "does not exist"
        raise DataError(f"{root} {what}: give a folder of pictures")
    found = sorted(_walk(root, depth=2))
    places = {path: _place(path.relative_to(root).parts[:-1]) for path, fault in found if not fault}
    reasons = {path: fault or _unusable(path, places[path]) for path, fault in found}
    files: Files = defaultdict(list)
    for path, place in places.items():
        if place and not reasons[path]:
            files[place].append(path)
    files, strays = _without_strays(files)
    faults = _summed_up(reasons | strays)
    if not files:
        there = f"; left out: {_first(root, faults)}" if faults else ""
        raise DataError(f"{root} holds no pictures: put {' '.join(sorted(images.SUFFIXES))} there{there}")
    return files, faults


def _walk(folder: Path, depth: int) -> Iterator[tuple[Path, str]]:
    """Every file, with what is wrong with it or ""; also the folders that are not looked into."""
    for entry in os.scandir(folder):
        path = Path(entry.path)
        if entry.name.startswith("."):
            continue
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


def _unusable(path: Path, place: Place | None) -> str:
    if (suffix := path.suffix.lower()) not in images.SUFFIXES:
        return f"is {suffix or 'without a suffix'}, which is not read: if it is a picture, convert it to PNG or TIFF"
    return "" if place else "lies below two folders that are no split: call one of them train, val or test"


def _summed_up(reasons: dict[Path, str]) -> list[Fault]:
    """One fault for all files (or folders) in one folder that have the same one."""
    alike: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path, what in reasons.items():
        if what:
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


def _without_strays(files: Files) -> tuple[Files, dict[Path, str]]:
    """Pictures beside the folders of splits or domains (a preview, say) belong to none: say so of each."""
    strays: dict[Path, str] = {}
    for position, folders in enumerate(("train/, val/ or test/", "the folders of the sides")):
        if any(place[position] for place in files):
            beside = [path for place, paths in files.items() if not place[position] for path in paths]
            strays |= dict.fromkeys(beside, f"lies outside {folders}: move it there if it belongs there")
            files = {place: paths for place, paths in files.items() if place[position]}
    return {(split or "train", domain): paths for (split, domain), paths in files.items()}, strays


def _read_headers(files: Files, limit_mp: float) -> tuple[dict[Path, Header], list[Fault]]:
    def look(path: Path) -> Header | Fault:
        try:
            return images.header(path, limit_mp=limit_mp)
        except DataError as error:
            return Fault(path, str(error).removeprefix(f"{path}: "))

    paths = [path for some in files.values() for path in some]
    looked = dict(zip(paths, ahead(look, paths), strict=True))
    headers = {path: found for path, found in looked.items() if isinstance(found, Header)}
    return headers, [found for found in looked.values() if isinstance(found, Fault)]


# --- Arranging them --------------------------------------------------------------------------------------------------


def _domains(files: Files) -> list[str]:
    return sorted({domain for _, domain in files})


def _choose(root: Path, files: Files, direction: str) -> Files:
    """Of more than two domains, those that the direction names."""
    domains = _domains(files)
    if len(domains) <= 2:
        return files
    for a in domains:
        for b in domains:
            if a != b and direction == f"{a}2{b}":
                return {place: paths for place, paths in files.items() if place[1] in (a, b)}
    raise DataError(
        f"{root} holds {len(domains)} folders of pictures ({', '.join(domains)}): "
        f"choose two by name, as direction={domains[0]}2{domains[1]}"
    )


def _arrange(root: Path, files: Files, kind: str, headers: dict[Path, Header]) -> Folder:
    domains = _domains(files)
    if len(domains) == 2:
        matching = _share_of_matching_names(files, domains)
        lettered = all(re.fullmatch("[A-Z]", domain) for domain in domains)
        if kind == "two folders" or (kind == "auto" and matching >= 0.5 and not lettered):
            return _two_folders(root, files, domains)
        if kind in ("auto", "unpaired"):
            return _unpaired(root, files, domains)
    elif kind == "side by side" or (kind == "auto" and _mostly_twice_as_wide(headers)):
        return _side_by_side(root, files, headers, strict=kind == "auto")
    elif kind in ("auto", "photos"):
        return Folder(root, "photos", ("photo", "photo"), _singles(files, domains[0]))
    raise DataError(f"{root} is not laid out as {kind!r}: it holds {_layout(files)}")


def _layout(files: Files) -> str:
    return ", ".join(f"{len(paths)} in {split}/{domain}".rstrip("/") for (split, domain), paths in files.items())


def _share_of_matching_names(files: Files, domains: list[str]) -> float:
    def names(domain: str) -> set[Place]:
        return {(split, path.stem) for (split, of), paths in files.items() if of == domain for path in paths}

    a, b = map(names, domains)
    return len(a & b) / max(1, min(len(a), len(b)))


def _mostly_twice_as_wide(headers: dict[Path, Header]) -> bool:
    return 2 * sum(head.width == 2 * head.height for head in headers.values()) > len(headers)


def _singles(files: Files, domain: str) -> Splits:
    places = {split: paths for (split, of), paths in files.items() if of == domain}
    return {split: tuple(Item(name, path) for name, path in _named(paths)) for split, paths in places.items()}


def _named(paths: list[Path]) -> list[tuple[str, Path]]:
    """Each with its stem, or with its whole name where 1.png lies beside 1.jpg."""
    stems = Counter(path.stem for path in paths)
    return [(path.stem if stems[path.stem] == 1 else path.name, path) for path in paths]


def _unpaired(root: Path, files: Files, domains: list[str]) -> Folder:
    a, b = domains
    return Folder(root, "unpaired", (a, b), _singles(files, a), _singles(files, b))


def _side_by_side(root: Path, files: Files, headers: dict[Path, Header], *, strict: bool) -> Folder:
    def fits(path: Path) -> bool:
        head = headers[path]
        return head.width == 2 * head.height if strict else head.width % 2 == 0

    splits = {
        split: tuple(Item(name, path, path) for name, path in _named(paths) if fits(path))
        for (split, _), paths in files.items()
    }
    what = "the others are pairs side by side, twice as wide as high" if strict else "an odd width has no two halves"
    faults = [
        Fault(path, f"is {headers[path].width}x{headers[path].height}: {what}")
        for paths in files.values()
        for path in paths
        if not fits(path)
    ]
    return Folder(root, "side by side", ("left", "right"), splits, faults=tuple(faults))


def _two_folders(root: Path, files: Files, domains: list[str]) -> Folder:
    """Pair by stem; a stem that occurs twice (1.png beside 1.jpg), or on one side alone, is a fault."""
    splits, faults = {}, []
    for split in dict.fromkeys(split for split, _ in files):
        a, b = ({path.stem: path for path in files.get((split, domain), [])} for domain in domains)
        splits[split] = tuple(Item(stem, path, b[stem]) for stem, path in a.items() if stem in b)
        paired = {path for item in splits[split] for path in (item.a, item.b)}
        for domain, other, partners in zip(domains, reversed(domains), (b, a), strict=True):
            for path in files.get((split, domain), []):
                if path not in paired:
                    what = "has a name that occurs twice" if path.stem in partners else f"has no partner in {other}/"
                    faults.append(Fault(path, what))
    return Folder(root, "two folders", (domains[0], domains[1]), splits, faults=tuple(faults))


# --- Leaving out what does not fit -----------------------------------------------------------------------------------


def _agreeing(folder: Folder) -> Folder:
    """Leave out pairs of different sizes, and pictures that cannot be brought to what most of their domain have."""
    heads = [[folder.headers[path] for path in folder.files(side)] for side in (0, 1)]
    channels = [_most([head.channels for head in some], 0) for some in heads]
    dtypes = [_most([head.dtype for head in some], "") for some in heads]
    faults: list[Fault] = []

    def keeps(item: Item, side: int) -> bool:
        fault = _misfit(folder, item, channels[side:], dtypes[side:])
        faults.extend([fault] if fault else [])
        return fault is None

    splits = {split: tuple(item for item in items if keeps(item, 0)) for split, items in folder.splits.items()}
    second = {split: tuple(item for item in items if keeps(item, 1)) for split, items in folder.second.items()}
    return replace(
        folder,
        splits=splits,
        second=second,
        faults=(*folder.faults, *faults),
        channels=(channels[0], channels[1]),
        dtypes=(dtypes[0], dtypes[1]),
    )


def _misfit(folder: Folder, item: Item, channels: list[int], dtypes: list[str]) -> Fault | None:
    paths = [path for path in (item.a, item.b) if path]
    for path, most, dtype in zip(paths, channels, dtypes, strict=False):
        head = folder.headers[path]
        if head.dtype != dtype:
            return Fault(path, f"is {head.dtype} among {dtype} pictures: convert it")
        if head.channels != most and {head.channels, most} != {1, 3}:
            return Fault(path, f"has {head.channels} channels among pictures of {most}: convert it")
    sizes = [folder.size(path) for path in paths]
    if len(set(sizes)) > 1:
        (h, w), (other_h, other_w) = sizes
        return Fault(paths[0], f"is {w}x{h}, its partner {paths[1]} {other_w}x{other_h}: give both one size")
    return None


def _most(values: list[T], otherwise: T) -> T:
    return Counter(values).most_common(1)[0][0] if values else otherwise


def _nothing_left(folder: Folder) -> str:
    return f"{folder.root}: none of its files can be used as {folder.kind}: {_first(folder.root, folder.faults)}"


def _first(root: Path, faults: Sequence[Fault]) -> str:
    more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
    return "; ".join(f"{path.relative_to(root)} {what}" for path, what in faults[:3]) + more


def _items(splits: Splits, split: str | None = None) -> Iterator[Item]:
    for name, items in splits.items():
        if split in (None, name):
            yield from items
