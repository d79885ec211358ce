"""What a folder of pictures holds, or two of them: pictures and pairs by split, and what was left out."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from diptych.data import finding
from diptych.data.finding import Fault, Roots
from diptych.errors import ConfigError, DataError
from diptych.images import Header
from diptych.kinds import text

Groups = Callable[["Item"], str]
Kind = Literal["side by side", "two folders", "one folder", "unpaired", "domains", "photos", "photos twice"]
PAIRED = ("side by side", "two folders", "one folder", "photos twice")
HELD_OUT_AT_MOST = 50


@dataclass(frozen=True)
class Item:
    """One picture, or one pair; of a pair side by side, `a` and `b` are the same file.

    maps: what goes with the pixels of the pair, by its kind. text: what is said of it, where that is asked for.
    """

    name: str
    a: Path
    b: Path | None = None
    maps: Mapping[str, Path] = field(default_factory=dict, hash=False)
    text: str = ""

    @property
    def files(self) -> list[Path]:
        """All that it is read from."""
        return [path for path in (self.a, self.b, *self.maps.values()) if path]

    def single(self, side: int) -> Item:
        """One side (0: a, 1: b) of a pair, for itself."""
        assert self.b is not None
        return Item(self.name, self.b if side else self.a, text=self.text)


Splits = dict[str, tuple[Item, ...]]


@dataclass(frozen=True)
class Folder:
    """What a folder holds, or two.

    `splits` has the pairs. Without pairs it has the images of the first domain, and `others` those of each further one;
    `truth` has the pairs of the first two whose names match, in val and test: nothing to learn from, only to score.
    """

    roots: Roots
    kind: Kind
    names: tuple[str, ...]  # of the domains: a and b, or more
    splits: Splits
    others: tuple[Splits, ...] = ()
    truth: Splits = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    missing: tuple[str, ...] = ()  # domains of which there is a folder, but no picture
    headers: dict[Path, Header] = field(default_factory=dict, repr=False)
    channels: tuple[int, ...] = (0, 0)  # of each domain, as most of its images have them
    dtypes: tuple[str, ...] = ("", "")
    labels: int | None = None  # the domain (0: a, 1: b) whose pictures are label maps
    direction: str = "a2b"  # as asked; of "auto", what it came to
    remarks: tuple[str, ...] = ()  # sentences on how it was recognised: the direction, names that nearly fit
    left_out: str = ""  # files that are no pictures, counted by kind

    @property
    def place(self) -> str:
        """Where the pictures are, for messages."""
        return " and ".join(map(str, self.roots.values()))

    @property
    def tables(self) -> tuple[Splits, ...]:
        """The items by split: of pairs all in one, without pairs those of each domain."""
        return self.splits, *self.others

    @property
    def paired(self) -> bool:
        """Whether every item is a pair, be it of a picture and itself."""
        return self.kind in PAIRED

    @property
    def lettered(self) -> bool:
        """Whether it is laid out as trainA and trainB are, with a letter for each domain."""
        return self.kind == "unpaired" and all(re.fullmatch("[A-Z]", name) for name in self.names)

    def pairs(self, split: str) -> tuple[Item, ...]:
        """The pairs of a split: to learn from as well, unless the folder is unpaired."""
        return (self.splits if self.paired else self.truth).get(split, ())

    def singles(self, side: int, split: str) -> tuple[Item, ...]:
        """The images of a domain (0: a, 1: b, and so on) in a split, each for itself."""
        if self.paired:
            return tuple(item.single(side) for item in self.pairs(split))
        return self.tables[side].get(split, ()) if side < len(self.tables) else ()

    def reverses(self, direction: str) -> bool:
        """Whether `direction` (a2b, b2a, or the domains' names, as photo2label) goes from b to a."""
        a, b, *_ = self.names
        if direction in ("a2b", f"{a}2{b}"):
            return False
        if direction in ("b2a", f"{b}2{a}"):
            return True
        known = f"use {a}2{b} (that is a2b) or {b}2{a} (b2a)" if a != b else "photos have no sides, leave it out"
        raise DataError(f"{self.place}: direction={direction} is unknown: {known}")

    def files(self, side: int, split: str | None = None) -> list[Path]:
        """The files of a domain (0: a, 1: b), of one split or of all."""
        splits = dict.fromkeys(name for table in self.tables for name in table) if split is None else [split]
        return [item.a for name in splits for item in self.singles(side, name)]

    def all_files(self) -> list[Path]:
        """The files of all domains, each once."""
        return list(dict.fromkeys(path for side in range(len(self.names)) for path in self.files(side)))

    def split_of(self) -> dict[Path, str]:
        """The split that each file is in."""
        return {
            path: split
            for table in self.tables
            for split, items in table.items()
            for item in items
            for path in (item.a, item.b)
            if path
        }

    def items(self) -> Iterator[Item]:
        """All, of all splits and domains."""
        for table in self.tables:
            for items in table.values():
                yield from items

    def twice(self) -> Folder:
        """Of single photos: each as a pair with itself."""
        splits = {split: tuple(replace(i, b=i.a) for i in items) for split, items in self.splits.items()}
        kinds = (self.channels[0], self.channels[0]), (self.dtypes[0], self.dtypes[0])
        return replace(self, kind="photos twice", splits=splits, channels=kinds[0], dtypes=kinds[1])

    def with_texts(self, *, complete: bool = True) -> Folder:
        """Each item with its text. Raises DataError where one has none; or, if not `complete`, leaves those out."""

        def with_text(item: Item) -> Item:
            found = sorted({words for path in item.files if (words := text.read(path))})
            missing.extend([item] if not found else [])
            if len(found) > 1:
                first = self.relative(item.a.with_suffix(text.SUFFIX))
                raise DataError(f"{self.place}: {first} and the text of its partner differ: keep one of them")
            return replace(item, text=found[0] if found else "")

        missing: list[Item] = []

        def told(table: Splits) -> Splits:
            items = {split: tuple(map(with_text, its)) for split, its in table.items()}
            return {split: tuple(item for item in its if item.text) for split, its in items.items()}

        splits, *others = map(told, self.tables)
        truth = told(self.truth)
        if missing and complete:
            first = missing[0].a.with_suffix(text.SUFFIX)
            raise DataError(
                f"{self.place}: {len(missing)} images or pairs have no text, as {self.relative(first)}: write what "
                f"each shows into a file of its name, or leave them out"
            )
        silent = (Fault(item.a, f"has no text, {item.a.with_suffix(text.SUFFIX).name}") for item in missing)
        return replace(self, splits=splits, others=tuple(others), truth=truth, faults=(*self.faults, *silent))

    def notes(self) -> list[str]:
        """What a user should know: how files are converted, and which are left out."""
        counted = [f"left out by kind: {self.left_out}"] if self.left_out else []
        faults = [f"left out: {self.relative(path)} {what}" for path, what in self.faults]
        return [*self.remarks, *self.conversions(), *counted, *faults]

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
        if side == self.labels:
            return self._enlarged(side)
        for path in self.files(side):
            head, most = self.headers[path], self.channels[side]
            for note in head.notes:
                found[note].append(path)
            if head.channels != most:
                found["grey converted to RGB" if most == 3 else "RGB converted to grey"].append(path)
            if head.alpha:
                found["alpha left aside"].append(path)
        return found

    def _enlarged(self, side: int) -> dict[str, list[Path]]:
        """The label maps of another size than their partners, which is what they are brought to."""
        pairs = [(item.b, item.a) if side else (item.a, item.b) for item in self.items() if item.b]
        other = [path for path, partner in pairs if path and partner and self.size(path) != self.size(partner)]
        return {"brought to the size of its partner, by the nearest pixel": other} if other else {}

    def relative(self, path: Path) -> Path:
        return finding.relative(path, self.roots)

    def size(self, path: Path) -> tuple[int, int]:
        """Height and width of the picture, or of the half, that a file holds."""
        head = self.headers[path]
        return head.height, head.width // 2 if self.kind == "side by side" else head.width


def groups_by(pattern: str, items: Iterable[Item], *, option: str = "data.groups") -> Groups:
    """To which group an item belongs: what the pattern finds in its name, of parentheses the first.

    option: that gave the pattern. Raises ConfigError where it finds nothing in one of the `items`: that would be a
    group of its own, and leak.
    """
    try:
        known = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"{option}={pattern} is no regular expression: {error}") from None
    part = min(known.groups, 1)

    def group(item: Item) -> str:
        found = known.search(item.name)
        return (found[part] or "") if found else ""

    names = [item.name for item in items if not group(item)]
    if names:
        raise ConfigError(f"{option}={pattern} finds nothing in {len(names)} names, as in {names[0]}")
    return group


def hold_out(
    items: tuple[Item, ...], share: float, groups: Groups | None = None
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Split into (train, val) by a hash of the names: the same images every time, on every machine.

    Those of one group stay together: of groups as many as it takes for the share, but never all.
    """
    count = min(HELD_OUT_AT_MOST, max(1, round(share * len(items)))) if share > 0 else 0
    members: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        members[item.name if groups is None else groups(item)].append(item)
    held: set[str] = set()
    for group in sorted(members, key=lambda name: hashlib.sha256(_bytes(name)).digest())[: len(members) - 1]:
        if len(held) >= count:
            break
        held |= {item.name for item in members[group]}
    return tuple(i for i in items if i.name not in held), tuple(i for i in items if i.name in held)


def _bytes(name: str) -> bytes:
    """Of a name with accents the same on every system, and of any name that a file can have."""
    return unicodedata.normalize("NFC", name).encode(errors="surrogateescape")
