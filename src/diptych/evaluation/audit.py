"""An audit as one page to look at: the verdict, what to do, and the pictures that it speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from diptych import images
from diptych.data.audit import Audit, Examination
from diptych.data.audit.looking import FEW_IDS
from diptych.data.audit.report import AT_MOST, WEIGHTS, Group, shift
from diptych.data.folders import Folder, Item
from diptych.data.reading import halves
from diptych.errors import DataError
from diptych.evaluation.markup import Markup, join, tag
from diptych.evaluation.page import embed, heading, page, panel, quiet, section
from diptych.images import Picture
from diptych.storage.files import write_text

SIDE = 160
"""Longest side of the pictures on the page, in pixels."""
TOGETHER = 6
"""Pictures of one group that are shown."""


def write_page(path: Path, found: Examination) -> None:
    """Write the page. Raises StorageError where that fails."""
    audit, shown = found.audit, Shown(found.folder)
    about = " · ".join(line.strip() for line in audit.summary()[: len(audit.counts)])
    sections = [
        heading("data check", audit.root, about),
        _verdict(audit),
        *_groups("Near-duplicates", audit, audit.near_duplicates, shown),
        *_groups("Exact duplicates", audit, audit.duplicates, shown),
        *_pictures("Pairs that may not belong together", dict.fromkeys(audit.strange, ""), shown),
        *_pictures("Shifted pairs", {file: shift(dx, dy) for file, dx, dy in audit.shifted}, shown),
        *_pictures("Odd ones", dict(audit.odd), shown),
        *_pictures("Blurred", dict.fromkeys(audit.blurred, ""), shown),
        *_pictures("Blank pictures", dict.fromkeys(audit.blank, ""), shown),
        _lines("What the folder holds", [line.strip() for line in audit.summary()]),
        _lines("Converted in reading", audit.notes),
        _lines("Left out", [f"{file}: {what}" for file, what in audit.faults]),
    ]
    write_text(path, page(f"{audit.root}: data check", sections))


class Shown:
    """The pictures of a folder by the names of their files; of a pair both."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.items = {str(folder.relative(path)): item for item in folder.items() for path in item.files}

    def alone(self, name: str) -> list[np.ndarray]:
        """One file as it is."""
        path = next(path for path in self.items[name].files if str(self.folder.relative(path)) == name)
        return [_small(picture) for picture in _read(path)]

    def pair(self, name: str) -> list[np.ndarray]:
        """Both pictures of the pair that a file belongs to."""
        item: Item = self.items[name]
        if self.folder.kind == "side by side":
            return [_small(half) for picture in _read(item.a) for half in halves(picture)]
        return [_small(picture) for path in (item.a, item.b) if path for picture in _read(path)]


def _read(path: Path) -> list[Picture]:
    """The picture of a file; nothing where it has become unreadable since."""
    try:
        return [images.read(path, limit_mp=float("inf"), indices=False)]
    except DataError:
        return []


def _small(picture: Picture) -> np.ndarray:
    array = images.displayable(picture.visible)
    array = array * np.uint8(255 // array.max()) if 0 < array.max() < FEW_IDS else array
    return images.reduced(array, SIDE)


def _verdict(audit: Audit) -> Markup:
    parts = []
    for weight, words in WEIGHTS.items():
        if texts := [one.text for one in audit.findings if one.weight == weight]:
            parts.append(panel(words, f"{len(texts)}", *(tag("p", text) for text in texts)))
    return section(f"Verdict: {audit.verdict}", *parts)


def _groups(title: str, audit: Audit, groups: Sequence[Group], shown: Shown) -> Iterable[Markup]:
    """Groups of copies, each in one row."""
    if not groups:
        return
    examples = []
    for group in audit.ordered(groups)[:AT_MOST]:
        figures = [_figure(array, file) for file in group[:TOGETHER] for array in shown.alone(file)]
        more = f"and {len(group) - TOGETHER} more" if len(group) > TOGETHER else ""
        said = ", ".join(filter(None, (audit.where(group), more)))
        examples.append(tag("div", tag("div", *figures, class_="panels"), tag("p", tag("b", said)), class_="example"))
    yield section(f"{title} ({len(groups)})", tag("div", *examples, class_="examples"), *_more(len(groups)))


def _pictures(title: str, files: Mapping[str, str], shown: Shown) -> Iterable[Markup]:
    """Pictures or pairs, and what is to be said of each."""
    if not files:
        return
    examples = []
    for name, what in list(files.items())[:AT_MOST]:
        figures = [_figure(array, name) for array in shown.pair(name)]
        caption = tag("p", tag("b", name), tag("span", what, class_="quiet"))
        examples.append(tag("div", tag("div", *figures, class_="panels"), caption, class_="example"))
    yield section(f"{title} ({len(files)})", tag("div", *examples, class_="examples"), *_more(len(files)))


def _figure(array: np.ndarray, name: str) -> Markup:
    return tag("figure", tag("img", src=embed(array), alt=name), tag("figcaption", name))


def _more(count: int) -> list[Markup]:
    return [quiet(f"and {count - AT_MOST} more; diptych data check --json names all")] if count > AT_MOST else []


def _lines(title: str, lines: Sequence[str]) -> Markup:
    return section(title, tag("div", join(quiet(line) for line in lines))) if lines else Markup()
