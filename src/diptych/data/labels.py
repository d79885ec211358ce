"""Label maps of a data set: which side they are, what their numbers mean, and whether all of them keep to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from diptych import images
from diptych.data.finding import LEGEND, Fault
from diptych.data.folders import Folder, Item
from diptych.data.reading import halves
from diptych.errors import ConfigError, DataError
from diptych.images import Picture
from diptych.images.legend import MOST, Class, Coding, Legend, coding, numbers
from diptych.options.recipes import read_yaml
from diptych.options.schema import unknown
from diptych.storage.prefetch import ahead

LABELS_AT_MOST = 200
"""Different numbers in pictures that are taken for label maps without a legend."""


Given = str | Mapping[str, Any] | None
"""A legend's file, or what such a file holds."""


class Survey(NamedTuple):
    """What a look at every label map shows."""

    legend: Legend
    shares: tuple[Share, ...]  # of each class, in the training pictures
    codings: Mapping[Coding, Sequence[Path]]  # how the ids are stored, and in which files so


def survey(
    folder: Folder, side: int, given: Given, *, limit_mp: float, snap: bool, wrong: list[Fault] | None = None
) -> Survey:
    """The legend of one domain: the one that is given, that of the folder's legend.yaml, or of the numbers that occur.

    Every label map is looked at. Raises DataError that names the file with what is not in the legend, and where; unless
    `wrong` takes all of those.
    """
    found = given_legend(given) if given is not None else own_legend(folder)
    items = {split: folder.singles(side, split) for split in ("train", "val", "test")}
    scan = LabelScan(folder.kind == "side by side", side, found, limit_mp, snap)

    def reader(item: Item) -> Scanned | Fault | None:
        try:
            return scan(item)
        except DataError as error:
            if wrong is None:
                raise
            return Fault(item.a, str(error).removeprefix(f"{item.a} "))

    scans = {split: list(ahead(reader, some)) for split, some in items.items()}
    seen = {split: [one for one in some if isinstance(one, Scanned)] for split, some in scans.items()}
    if wrong is not None:
        wrong += [one for one in chain(*scans.values()) if isinstance(one, Fault)]
    if found is None:
        found = from_numbers(folder, [look for looks in seen.values() for look in looks])
    shares = tuple(share(c, seen["train"]) for c in found.classes)
    absent = tuple(c.id for c, its in zip(found.classes, shares, strict=True) if not its.pictures and not c.void)
    codings: dict[Coding, list[Path]] = defaultdict(list)
    for look in chain(*seen.values()):
        codings[look.coding].append(look.path)
    return Survey(found.model_copy(update={"absent": absent}), shares, codings)


def mixed(folder: Folder, codings: Mapping[Coding, Sequence[Path]]) -> list[str]:
    """That label maps are stored in more than one way, if they are, with an example of each."""
    if len(codings) < 2:
        return []
    ways = [f"{len(paths)} as {how} (as {folder.relative(paths[0])})" for how, paths in codings.items()]
    return [f"the label maps are stored in different ways, and each is read as what it is: {', '.join(ways)}"]


class Share(NamedTuple):
    """How much of the training pictures a class has: of all pixels 0 to 1, and in how many of them it is."""

    name: str
    pixels: float
    pictures: int


def share(kind: Class, looks: Sequence[Scanned]) -> Share:
    counts = [look.pixels.get(kind.id, 0) for look in looks]
    total = sum(sum(look.pixels.values()) for look in looks)
    name = f"{kind.name} (void)" if kind.void and kind.name != "void" else kind.name
    return Share(name, sum(counts) / max(1, total), sum(count > 0 for count in counts))


def given_legend(given: str | Mapping[str, Any]) -> Legend:
    """A legend from a file, or from what such a file holds. Raises ConfigError."""
    return parsed(given, "data.legend") if isinstance(given, Mapping) else read_legend(Path(given))


def own_legend(folder: Folder) -> Legend | None:
    """The legend in the data set's own folder, if there is one."""
    places = [root / LEGEND for root in folder.roots.values() if (root / LEGEND).is_file()]
    return read_legend(places[0]) if places else None


def read_legend(path: Path) -> Legend:
    """The legend in a YAML file. Raises ConfigError that names the file, and where it is wrong."""
    return parsed(read_yaml(path, "legend"), f"the legend {path}")


def parsed(content: Any, where: str) -> Legend:
    """A legend from `{classes: [{id: 0, name: sky, colour: [1, 2, 3]}, {id: 9, ..., void: true}]}`."""
    fault = wrong_form(content)
    if not fault:
        try:
            return Legend.model_validate({"classes": content["classes"]})
        except ValidationError as error:
            first = error.errors()[0]
            at = f"class {first['loc'][1]}: {first['loc'][2]}: " if len(first["loc"]) > 2 else ""
            fault = at + first["msg"].removeprefix("Value error, ")
    raise ConfigError(f"{where}: {fault}; its form is classes: [{{id: 0, name: sky, colour: [128, 128, 128]}}, ...]")


def wrong_form(content: Any) -> str:
    """What keeps `content` from being a list of classes, in words; or nothing."""
    classes = content.get("classes") if isinstance(content, Mapping) else None
    if not isinstance(classes, Sequence) or isinstance(classes, str) or not classes:
        return "it has no list called classes"
    for number, one in enumerate(classes):
        if not isinstance(one, Mapping):
            return f"class {number} is no id, name and colour, but {one!r}"
        wanted = list(Class.model_fields)
        if unknown_keys := [str(key) for key in one if key not in wanted]:
            return f"class {number}: {unknown(unknown_keys[0], wanted)}"
        if missing := [key for key in ("id", "name", "colour") if key not in one]:
            return f"class {number} has no {missing[0]}"
        if not isinstance(one["name"], str):
            return f"class {number}: the name {one['name']!r} is no text: put it in quotes"
        if not isinstance(one["colour"], Sequence) or isinstance(one["colour"], str) or len(one["colour"]) != 3:
            return f"class {number}: the colour {one['colour']!r} is not red, green and blue, as [128, 64, 0]"
    return ""


def write_legend(legend: Legend) -> str:
    """A legend as the text of its file."""
    lines = [
        "# What the label maps mean; void: true is for pixels of which nothing is known.",
        "classes:",
    ]
    for c in legend.classes:
        void = ", void: true" if c.void else ""
        lines.append(f"  - {{id: {c.id}, name: {c.name}, colour: [{', '.join(map(str, c.colour))}]{void}}}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Scanned:
    """What one label map shows: how many pixels each id has, the colours of a palette, and how the ids are stored."""

    path: Path
    pixels: Mapping[int, int]
    colours: Mapping[int, tuple[int, int, int]]
    coding: Coding


@dataclass(frozen=True)
class LabelScan:
    """Looks at a label map; None for a file that cannot be decoded, which is said when the picture is needed."""

    halved: bool
    side: int
    legend: Legend | None
    limit_mp: float
    snap: bool

    def __call__(self, item: Item) -> Scanned | None:
        try:
            picture = images.read(item.a, limit_mp=self.limit_mp, indices=True)
        except DataError:
            return None
        picture = halves(picture)[self.side] if self.halved else picture
        try:
            ids, counts = np.unique(self.ids(picture), return_counts=True)
            pixels = dict(zip(ids.tolist(), counts.tolist(), strict=True))
            return Scanned(item.a, pixels, colours(picture), coding(picture))
        except DataError as error:
            raise DataError(f"{item.a} {error}") from None

    def ids(self, picture: Picture) -> np.ndarray:
        if self.legend:
            return self.legend.read(picture, snap=self.snap).array
        if picture.array.shape[2] == 3:
            raise DataError(f"is in colours: which is which class? Write {LEGEND} (docs/data.md), or name data.legend")
        return numbers(picture)


def colours(picture: Picture) -> dict[int, tuple[int, int, int]]:
    """The colour of each index, of a picture whose palette has colours."""
    if picture.palette is None or coding(picture) != "palette":
        return {}
    shown = [int(n) for n in np.unique(picture.array) if n < len(picture.palette)]
    return {n: tuple(map(int, picture.palette[n])) for n in shown}  # type: ignore[misc]


def from_numbers(folder: Folder, looks: Iterable[Scanned]) -> Legend:
    """A legend of all the ids that occur.

    Raises DataError where there are more than label maps have, and where two palettes contradict each other.
    """
    ids: set[int] = set()
    palette: dict[int, tuple[int, int, int]] = {}
    first: dict[int, Path] = {}
    for look in looks:
        ids.update(look.pixels)
        for index, colour in look.colours.items():
            if palette.setdefault(index, colour) != colour:
                raise DataError(
                    f"{look.path}: the index {index} of its palette is {colour}, in {first[index].name} it is "
                    f"{palette[index]}: which class is it? Write {LEGEND} (docs/data.md), whose colours count then"
                )
            first.setdefault(index, look.path)
    if not ids:
        raise DataError(f"{folder.place}: none of its label maps can be read")
    if len(ids) >= LABELS_AT_MOST or max(ids) >= MOST:
        raise DataError(
            f"{folder.place}: its label maps hold {len(ids)} different numbers, more than label maps usually have; if "
            f"that is what they are, say what they mean in {LEGEND} (docs/data.md)"
        )
    return Legend.numbered(sorted(ids), palette)
