"""What was seen of a folder's images, turned into findings: what is wrong, how much that matters, what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median_low
from typing import NamedTuple

import numpy as np

from diptych.data import compare
from diptych.data.audit import outliers, registration
from diptych.data.audit.advice import Facts, advise
from diptych.data.audit.duplicates import nearly_same
from diptych.data.audit.looking import Look
from diptych.data.audit.report import WEIGHTS, Audit, Domain, Group
from diptych.data.audit.seeing import Sight
from diptych.data.finding import Fault
from diptych.data.folders import Folder, Groups, Item
from diptych.data.labels import Survey, mixed

Looks = dict[Path, Look]


class Examined(NamedTuple):
    """A folder of usable pictures, and all that was seen of them."""

    folder: Folder
    sight: Sight
    labels: Survey | None
    wrong: tuple[Fault, ...]  # label maps that do not keep to the legend
    groups: Groups | None

    def looks(self, side: int, split: str | None = None) -> Looks:
        """The looks at the images of one side."""
        return {path: self.sight.of(self.folder, side, path) for path in self.folder.files(side, split)}

    @property
    def sides(self) -> list[int]:
        """The sides that have images of their own."""
        return list(range(len(dict.fromkeys(self.folder.names))))

    @property
    def images(self) -> list[int]:
        """Those that hold no label maps."""
        return [side for side in self.sides if side != self.folder.labels]


def audited(found: Examined) -> tuple[Audit, Facts]:
    """Everything that is to be said of a folder, and what it rests on."""
    folder = found.folder
    copies = [
        paths
        for paths in compare.grouped(list(found.sight.files), lambda p: found.sight.files[p].sha256)
        if len(paths) > 1
    ]
    near = list(_near_duplicates(found, copies))
    groups = [*copies, *near]
    leaks, overlaps = compare.leaking(folder, groups), [] if folder.paired else compare.overlapping(folder, groups)
    blank = list(dict.fromkeys(path for side in found.images for path, it in found.looks(side).items() if it.blank))
    compared = {item: one for item, one in found.sight.agreements.items() if not {item.a, item.b} & set(blank)}
    pairs, agreements = list(compared), list(compared.values())
    shifted = [pairs[n] for n in registration.shifted(agreements)]
    strange = [pairs[n] for n in registration.strange(agreements)]
    odd = {path: what for side in found.images for path, what in _odd(found, side).items()}
    blurred = [path for side in found.images for path in outliers.blurred(found.looks(side))]
    domains = tuple(_domain(found, side) for side in found.sides)
    facts = Facts(
        domains, copies=copies, near=near, leaks=leaks, overlaps=overlaps, blank=blank, shifted=shifted,
        strange=strange, all_strange=registration.all_strange(agreements), odd=len(odd), blurred=len(blurred),
        stuck=_stuck(found), wrong_ids=found.wrong, groups=compare.divided(folder, found.groups),
    )  # fmt: skip
    findings = sorted(advise(found.folder, facts, found.looks), key=lambda one: list(WEIGHTS).index(one.weight))
    moved = {item: found.sight.agreements[item] for item in shifted}
    audit = Audit(
        root=folder.place,
        kind=folder.kind,
        counts=_counts(folder),
        domains=domains,
        faults=tuple((str(folder.relative(path)), what) for path, what in folder.faults),
        left_out=folder.left_out,
        truth={split: len(pairs) for split, pairs in folder.truth.items() if pairs},
        duplicates=_relative(folder, copies),
        near_duplicates=_relative(folder, near),
        leaks=_relative(folder, leaks),
        overlaps=_relative(folder, overlaps),
        blank=tuple(str(folder.relative(path)) for path in blank),
        shifted=tuple((str(folder.relative(item.a)), one.dx, one.dy) for item, one in moved.items()),
        strange=tuple(str(folder.relative(item.a)) for item in strange),
        odd=tuple((str(folder.relative(path)), what) for path, what in odd.items()),
        blurred=tuple(str(folder.relative(path)) for path in blurred),
        classes=found.labels.shares if found.labels else (),
        notes=(*folder.conversions(), *(mixed(folder, found.labels.codings) if found.labels else ())),
        findings=tuple(findings),
    )
    return audit, facts


def _near_duplicates(found: Examined, copies: Sequence[Sequence[Path]]) -> Iterator[list[Path]]:
    """Groups of images that are nearly the same, or of pairs that are so on both sides; of exact copies one each."""
    folder = found.folder
    known = {path: number for number, paths in enumerate(copies) for path in paths}
    items = list(folder.items())
    if len(items) < 2 or not found.images:
        return
    sides = found.images if folder.paired else [0]
    files = [[_file(folder, item, side) for item in items] for side in sides]
    thumbnails = [
        np.stack([found.sight.of(folder, side, path).thumbnail for path in paths])
        for side, paths in zip(sides, files, strict=True)
    ]
    for numbers in nearly_same(thumbnails):
        different = {tuple(known.get(some[n], some[n]) for some in files): items[n].a for n in reversed(numbers)}
        if len(different) > 1:
            yield list(dict.fromkeys(items[n].a for n in numbers))


def _file(folder: Folder, item: Item, side: int) -> Path:
    return item.b if side and item.b and folder.paired else item.a


def _odd(found: Examined, side: int) -> dict[Path, str]:
    looks, sizes = found.looks(side), {path: found.folder.size(path) for path in found.folder.files(side)}
    noted = [outliers.sizes(sizes), outliers.exposures(looks), outliers.speckled(looks, sizes)]
    odd: dict[Path, str] = {}
    for path, what in ((path, what) for some in noted for path, what in some.items()):
        odd[path] = f"{odd[path]}; {what}" if path in odd else what
    return odd


def _stuck(found: Examined) -> dict[str, list[tuple[int, int]]]:
    """The pixels (x, y) of a side that are faulty in half of its images."""
    places: dict[str, list[tuple[int, int]]] = {}
    for side in found.images:
        sizes = {path: found.folder.size(path) for path in found.folder.files(side)}
        pixels = [place for some in outliers.stuck(found.looks(side), sizes).values() for place in some]
        places |= {found.folder.names[side]: pixels} if pixels else {}
    return places


def _counts(folder: Folder) -> dict[str, tuple[int, ...]]:
    splits = [split for split in ("train", "val", "test") if any(table.get(split) for table in folder.tables)]
    return {split: tuple(len(table.get(split, ())) for table in folder.tables) for split in splits}


def _domain(found: Examined, side: int) -> Domain:
    folder, looks = found.folder, found.looks(side)
    sizes = sorted((folder.size(path)[::-1] for path in looks), key=lambda size: (size[0] * size[1], size))
    ranges = [look.reach.whole for look in looks.values()]
    return Domain(
        name=folder.names[side],
        count=len(folder.files(side)),
        smallest=sizes[0] if sizes else (0, 0),
        median=median_low(sizes) if sizes else (0, 0),
        largest=sizes[-1] if sizes else (0, 0),
        channels=dict(Counter(folder.headers[path].channels for path in looks)),
        dtypes=dict(Counter(folder.headers[path].dtype for path in looks)),
        low=min((low for low, _ in ranges), default=0.0),
        high=max((high for _, high in ranges), default=0.0),
    )


def _relative(folder: Folder, groups: Sequence[Sequence[Path]]) -> tuple[Group, ...]:
    return tuple(tuple(map(str, sorted(map(folder.relative, paths)))) for paths in groups)
