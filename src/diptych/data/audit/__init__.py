"""An audit of a folder of pictures: every file is decoded once, and what a user should know is said on one screen."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median_low
from typing import Any, NamedTuple

import numpy as np

from diptych import images
from diptych.data import compare
from diptych.data.finding import Fault
from diptych.data.folders import Folder, Item
from diptych.data.labels import Share, mixed, survey
from diptych.data.reach import Reach, reach
from diptych.data.reach import advice as advise
from diptych.data.recognising import recognise
from diptych.errors import DataError, printable
from diptych.storage.prefetch import ahead

AT_MOST = 10  # lines of one list
PLURAL = {
    "side by side": "pairs",
    "two folders": "pairs",
    "one folder": "pairs",
    "unpaired": "pictures",
    "domains": "pictures",
    "photos": "pictures",
}
TITLE = {
    "side by side": "pairs, side by side in one file",
    "two folders": "pairs, by name in two folders",
    "one folder": "pairs, by name in one folder",
    "unpaired": "two kinds of pictures, unpaired",
    "domains": "a folder for each of several domains",
    "photos": "photos, without partners",
}


class Decoded(NamedTuple):
    """What decoding one file told."""

    sha256: str  # of the pixels
    reaches: tuple[Reach, ...]  # of the values, per half where it has halves


@dataclass(frozen=True)
class Domain:
    """The pictures of one kind, summed up. Sizes are (width, height)."""

    name: str
    count: int
    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]
    channels: dict[int, int]  # number of channels: how many pictures
    dtypes: dict[str, int]
    low: float
    high: float


@dataclass(frozen=True)
class Audit:
    """The findings, with paths relative to the folder."""

    root: str
    kind: str
    counts: dict[str, tuple[int, ...]]  # by split: pairs, or the pictures of each domain
    domains: tuple[Domain, ...]
    faults: tuple[tuple[str, str], ...]  # file, what is wrong with it
    left_out: str  # files that are no pictures, counted by kind
    truth: dict[str, int]  # by split of an unpaired folder: pairs by name, to score with
    duplicates: tuple[tuple[str, ...], ...]  # groups of files with the same pixels
    leaks: tuple[tuple[str, ...], ...]  # those of them that lie in more than one split
    overlaps: tuple[tuple[str, ...], ...]  # those of them that lie in both domains
    blank: tuple[str, ...]  # pictures of one single value
    classes: tuple[Share, ...]  # of label maps, in training
    notes: tuple[str, ...]  # how pictures are converted in reading
    advice: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return asdict(self)

    def to_text(self) -> str:
        """One screen to read; long lists are cut."""
        lines = [f"{self.root}: {TITLE[self.kind]}"]
        for split, count in self.counts.items():
            truth = f" ({self.truth[split]} pairs by name, for scores only)" if split in self.truth else ""
            lines.append(f"  {split:<6} {_counted(self.kind, count, self.domains)}{truth}")
        width = max(6, *(len(domain.name) for domain in self.domains))
        lines += [f"  {domain.name:<{width}} {_described(domain)}" for domain in self.domains]
        lines += [_shared(share) for share in self.classes]
        lines += _listed("Converted in reading", self.notes)
        lines += [f"Left out by kind: {self.left_out}"] if self.left_out else []
        lines += _listed("Left out", [f"{file}: {what}" for file, what in self.faults])
        lines += _listed("Exact duplicates", sorted(map(self._said, self.duplicates), key=lambda line: "(" not in line))
        lines += _listed("Blank pictures", self.blank)
        return "\n".join(map(printable, [*lines, *_listed("Advice", self.advice, count=False)]))

    def _said(self, group: tuple[str, ...]) -> str:
        where = {"across splits": group in self.leaks, "in both domains": group in self.overlaps}
        message = ", ".join(words for words, true in where.items() if true)
        return " = ".join(group) + (f" ({message})" if message else "")


def check(
    root: Path | str | None = None,
    *,
    a: Path | str | None = None,
    b: Path | str | None = None,
    kind: str = "auto",
    direction: str = "auto",
    labels: str | None = None,
    legend: str | None = None,
    snap_colours: bool = False,
    limit_mp: float = images.LIMIT_MP,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Recognise a folder, or two (`a` and `b`), decode all pictures in threads, and sum up what was found.

    `direction` (photo2label) chooses two of several domains; `progress(done, total)` is called after every file.
    labels: the side whose pictures are label maps; legend, snap_colours: as for training.
    Raises DataError when no picture can be used, the direction names no sides or a label map does not keep to its
    legend, ConfigError for an unknown kind.
    """
    folder = recognise(root, a=a, b=b, kind=kind, direction=direction, labels=labels, limit_mp=limit_mp)
    folder.reverses(folder.direction)  # refuses an unknown one, as training does
    seen, faults = _look(folder, limit_mp, progress)
    folder = _without(folder, faults)
    if not any(folder.items()):
        raise DataError(f"{folder.place}: none of its pictures can be decoded: {faults[0].path.name} {faults[0].what}")
    used = set(folder.all_files())  # not partners of damaged ones
    seen = {path: found for path, found in seen.items() if path in used}
    duplicates = compare.grouped(list(seen), lambda path: seen[path].sha256)
    copies = [paths for paths in duplicates if len(paths) > 1]
    leaks, overlaps = compare.leaking(folder, copies), compare.overlapping(folder, copies)
    domains = tuple(_domain(folder, side, seen) for side in range(len(set(folder.names))))
    classes: tuple[Share, ...] = ()
    codings: list[str] = []
    if folder.labels is not None:
        looked = survey(folder, folder.labels, legend, limit_mp=limit_mp, snap=snap_colours)
        classes, codings = looked.shares, mixed(folder, looked.codings)
    return Audit(
        root=folder.place,
        kind=folder.kind,
        counts=_counts(folder),
        domains=domains,
        faults=tuple((str(folder.relative(path)), what) for path, what in folder.faults),
        left_out=folder.left_out,
        truth={split: len(pairs) for split, pairs in folder.truth.items() if pairs},
        duplicates=_relative(folder, copies),
        leaks=_relative(folder, leaks),
        overlaps=_relative(folder, overlaps),
        blank=tuple(_blank(folder, seen)),
        classes=classes,
        notes=(*folder.conversions(), *codings),
        advice=(*_advice(folder, domains, leaks, overlaps), *_range_advice(folder, seen)),
    )


# --- Looking ---------------------------------------------------------------------------------------------------------


def _look(
    folder: Folder, limit_mp: float, progress: Callable[[int, int], None] | None
) -> tuple[dict[Path, Decoded], list[Fault]]:
    def look(path: Path) -> Decoded | Fault:
        try:
            array = images.read(path, limit_mp=limit_mp).array
            pixels = hashlib.sha256(repr((array.shape, array.dtype)).encode() + array.tobytes()).hexdigest()
            return Decoded(pixels, _reaches(array, folder.kind == "side by side"))
        except DataError as error:
            return Fault(path, str(error).removeprefix(f"{path}: "))

    paths = folder.all_files()
    seen: dict[Path, Decoded] = {}
    faults = []
    for done, (path, found) in enumerate(zip(paths, ahead(look, paths), strict=True), 1):
        if isinstance(found, Decoded):
            seen[path] = found
        else:
            faults.append(found)
        if progress:
            progress(done, len(paths))
    return seen, faults


def _reaches(array: np.ndarray, halves: bool) -> tuple[Reach, ...]:
    middle = array.shape[1] // 2
    return tuple(map(reach, (array[:, :middle], array[:, middle:]) if halves else (array,)))


def _without(folder: Folder, faults: Sequence[Fault]) -> Folder:
    broken = {fault.path for fault in faults}

    def whole(splits: dict[str, tuple[Item, ...]]) -> dict[str, tuple[Item, ...]]:
        return {split: tuple(i for i in items if not {i.a, i.b} & broken) for split, items in splits.items()}

    return replace(
        folder,
        splits=whole(folder.splits),
        others=tuple(map(whole, folder.others)),
        truth=whole(folder.truth),
        faults=(*folder.faults, *faults),
    )


# --- Summing up ------------------------------------------------------------------------------------------------------


def _counts(folder: Folder) -> dict[str, tuple[int, ...]]:
    splits = [split for split in ("train", "val", "test") if any(table.get(split) for table in folder.tables)]
    return {split: tuple(len(table.get(split, ())) for table in folder.tables) for split in splits}


def _reaches_of(folder: Folder, side: int, seen: dict[Path, Decoded], split: str | None = None) -> dict[Path, Reach]:
    half = side if folder.kind == "side by side" else 0
    return {path: seen[path].reaches[half] for path in folder.files(side, split)}


def _domain(folder: Folder, side: int, seen: dict[Path, Decoded]) -> Domain:
    files = folder.files(side)
    sizes = sorted((folder.size(path)[::-1] for path in files), key=lambda size: (size[0] * size[1], size))
    ranges = [found.whole for found in _reaches_of(folder, side, seen).values()]
    return Domain(
        name=folder.names[side],
        count=len(files),
        smallest=sizes[0] if sizes else (0, 0),
        median=median_low(sizes) if sizes else (0, 0),
        largest=sizes[-1] if sizes else (0, 0),
        channels=dict(Counter(folder.headers[path].channels for path in files)),
        dtypes=dict(Counter(folder.headers[path].dtype for path in files)),
        low=min((low for low, _ in ranges), default=0.0),
        high=max((high for _, high in ranges), default=0.0),
    )


def _relative(folder: Folder, groups: Sequence[Sequence[Path]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(map(str, sorted(map(folder.relative, paths)))) for paths in groups)


def _blank(folder: Folder, seen: dict[Path, Decoded]) -> Iterable[str]:
    for path, found in seen.items():
        if any(of.whole[0] == of.whole[1] for of in found.reaches):
            yield str(folder.relative(path))


def _advice(
    folder: Folder, domains: Sequence[Domain], leaks: Sequence[object], overlaps: Sequence[object]
) -> Iterable[str]:
    train, paired = folder.splits.get("train", ()), folder.paired
    yield from folder.remarks
    if folder.missing:
        yield f"there is no picture of {' or '.join(folder.missing)} that can be used: put some there"
    if leaks:
        yield f"{len(leaks)} picture(s) lie in more than one split: remove one of each, or the test flatters the model"
    if overlaps:
        yield f"{len(overlaps)} picture(s) lie in both domains: remove them where they do not belong"
    yield from compare.imbalance(folder)
    yield from compare.same_but_for_case(folder)
    if not folder.files(0, "test"):
        yield "there is no test/: move some pictures there before training, to measure on what was never seen"
    if paired and not folder.splits.get("val") and len(train) == 1:
        yield "there is one training pair and none to validate with: training refuses that unless data.val=0"
    elif paired and train and not folder.splits.get("val"):
        yield "there is no val/: 5 % of train/ (at most 50 pairs) will be held out for validation"
    if paired and train and (least := min(min(folder.size(item.a)) for item in train)) < 256:
        yield f"the smallest side of a training picture is {least}: {_size_advice(least)}"
    if folder.kind in ("two folders", "one folder") and len({folder.size(item.a) for item in train}) > 1:
        yield "sizes differ: data.resize=short keeps every picture's aspect, the default makes all of them square"
    for side, domain in enumerate(domains):
        if set(domain.dtypes) == {"uint8"} and domain.high < 64 and side != folder.labels:
            yield (
                f"{domain.name} goes up to {domain.high:g} of 255: class ids? As pictures they are almost black; "
                f"--labels {domain.name}, and data.labels={domain.name} in training, take them for label maps"
            )
    if not paired and folder.kind != "photos" and not all(table.get("train") for table in folder.tables):
        yield f"training needs pictures of each of {' and '.join(folder.names)} in train/"
    if sum(len(table.get("train", ())) for table in folder.tables) < 20:
        yield "these are few pictures to train on: the result will learn them by heart"


def _range_advice(folder: Folder, seen: dict[Path, Decoded]) -> Iterable[str]:
    """On values that set the range of a whole side."""
    for side in set(range(len(set(folder.names)))) - {folder.labels}:
        reaches = _reaches_of(folder, side, seen, "train")
        yield from advise(folder.names[side], folder.dtypes[side], reaches)


def _size_advice(least: int) -> str:
    """Options that train on pictures as small as `least` pixels: U-Nets take them."""
    fitting = [size for size in (128, 64, 32) if size <= least]
    if not fitting:
        return "too small for the networks, which take 32 and more; data.enlarge=true enlarges all to data.size"
    return f"data.size={fitting[0]}, or data.enlarge=true"


# --- Saying it -------------------------------------------------------------------------------------------------------


def _counted(kind: str, counts: tuple[int, ...], domains: Sequence[Domain]) -> str:
    if len(counts) > 1:
        return ", ".join(f"{count} {domain.name}" for count, domain in zip(counts, domains, strict=True))
    return f"{counts[0]} {PLURAL[kind]}"


def _shared(share: Share) -> str:
    return f"  {share.pixels:8.2%} of the training pixels, in {share.pictures} pictures: {share.name}"


def _described(domain: Domain) -> str:
    sizes = [f"{width}x{height}" for width, height in (domain.smallest, domain.median, domain.largest)]
    size = sizes[0] if domain.smallest == domain.largest else f"{sizes[0]} to {sizes[2]} (median {sizes[1]})"
    channels = " or ".join(f"{channels}" for channels in sorted(domain.channels))
    plural = "channel" if channels == "1" else "channels"
    dtypes = " or ".join(sorted(domain.dtypes))
    values = f"values {domain.low:g} to {domain.high:g}"
    return f"{domain.count} pictures, {size}, {channels} {plural}, {dtypes}, {values}"


def _listed(title: str, things: Sequence[str], *, count: bool = True) -> list[str]:
    if not things:
        return []
    more = [f"  and {len(things) - AT_MOST} more"] if len(things) > AT_MOST else []
    return [f"{title} ({len(things)}):" if count else f"{title}:", *(f"  {thing}" for thing in things[:AT_MOST]), *more]
