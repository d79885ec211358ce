"""A new folder without the pictures that an audit found to be bad; the old one stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from diptych import images
from diptych.data import manifest
from diptych.data.audit import Examination
from diptych.data.copying import copy, in_place, legends, new_folder
from diptych.data.finding import MANIFEST
from diptych.data.folders import Folder, Item
from diptych.errors import DataError

SPLITS = ("test", "val", "train")
"""Of copies in several splits those in the first of these stay."""
Reasons = dict[Item, str]


def fix(
    found: Examination, out: Path, *, link: bool = False, source: str | None = None, licence: str | None = None
) -> dict[str, str]:
    """Copy what is good of an examined folder to the new folder `out`, and give what is left out, and why.

    link: give files one more name instead of copying them. A manifest says of each file what it is, or why it is left
    out; source, licence: what it says of all. Raises ConfigError for an `out` that cannot be a new folder, DataError
    where nothing is left, StorageError where it cannot be written.
    """
    folder = found.folder
    reasons = left_out(found)
    kept = [item for item in folder.items() if item not in reasons]
    if not kept:
        raise DataError(f"{folder.place}: nothing would be left, so nothing is written: look at the findings")
    left = {str(folder.relative(item.a)): why for item, why in reasons.items()}
    places = {**in_place(folder, kept), **legends(folder)}
    left |= {file: what for file, what in found.audit.faults if Path(file) not in places.values()}  # but for texts
    with new_folder(out, folder) as new:
        copy(places, new, link=link)
        files = {path: places[path] for item in kept for path in map(images.file_of, item.files)}
        lines = list(manifest.lines(folder, files, source=source, licence=licence))
        manifest.write(new / MANIFEST, [*lines, *({"path": name, "left_out": why} for name, why in left.items())])
    return left


def left_out(found: Examination) -> Reasons:
    """The pictures and pairs that an audit speaks against, each with the reason; of copies one stays."""
    folder, facts = found.folder, found.facts
    of = {path: item for item in folder.items() for path in item.files}
    reasons: Reasons = dict.fromkeys(facts.strange, "may not belong to its partner")
    reasons |= dict.fromkeys(facts.shifted, "is shifted against its partner")
    reasons |= dict.fromkeys((of[path] for path in facts.blank), "is blank")
    for group in facts.overlaps:
        reasons |= dict.fromkeys((of[path] for path in group), "lies in more than one domain")
    for group in facts.leaks:
        if folder.labels is None or not set(folder.files(folder.labels)).issuperset(group):
            _keep_in_first_split(folder, [of[path] for path in group], reasons)
    for group in facts.copies:
        _keep_one([of[path] for path in group], facts.copies, reasons)
    return reasons


def _keep_in_first_split(folder: Folder, items: Sequence[Item], reasons: Reasons) -> None:
    split_of = folder.split_of()
    left = [item for item in items if item not in reasons]
    splits = {split_of[item.a] for item in left}
    first = next((split for split in SPLITS if split in splits), "")
    for item in left:
        if (split := split_of[item.a]) != first:
            reasons[item] = f"is, or is nearly, in {first}/ too, and here in {split}/"


def _keep_one(items: Sequence[Item], copies: Sequence[Sequence[Path]], reasons: Reasons) -> None:
    """Leave out what is a copy as a whole: of pairs, both sides."""
    number = {path: n for n, group in enumerate(copies) for path in group}
    stays: dict[tuple[int | None, ...], Item] = {}
    for item in items:
        whole = tuple(number.get(path) for path in (item.a, item.b) if path)
        if item in reasons or None in whole:
            continue
        if (first := stays.setdefault(whole, item)) != item:
            reasons[item] = f"is a copy of {first.a.name}"
