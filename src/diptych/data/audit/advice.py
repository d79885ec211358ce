"""The findings of an audit in sentences, each with what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from diptych.data import compare
from diptych.data.audit.looking import Look
from diptych.data.audit.report import Domain, Finding
from diptych.data.finding import Fault
from diptych.data.folders import Folder, Item
from diptych.data.reach import advice as on_ranges

FEW_PAIRS, FEW_SINGLES = 20, 100
"""Training pictures below which there are few: of pairs, and of each domain of a folder without pairs."""
SHOWN = 5
"""Pixels of a sensor that are named."""
Copies = Sequence[Sequence[Path]]
Looks = Callable[[int, str], Mapping[Path, Look]]


@dataclass(frozen=True)
class Facts:
    """What was found."""

    domains: Sequence[Domain]
    copies: Copies
    near: Copies
    leaks: Copies
    overlaps: Copies
    blank: Sequence[Path]
    shifted: Sequence[Item]
    strange: Sequence[Item]
    all_strange: bool
    odd: int
    blurred: int
    stuck: Mapping[str, Sequence[tuple[int, int]]]
    wrong_ids: Sequence[Fault]
    groups: Sequence[str]


def advise(folder: Folder, facts: Facts, looks: Looks) -> Iterator[Finding]:
    """All there is to say, in no order."""
    yield from (Finding("know", remark) for remark in folder.remarks)
    yield from _on_files(folder, facts)
    yield from _on_copies(folder, facts)
    yield from _on_pairs(facts)
    yield from _on_pixels(folder, facts, looks)
    yield from _on_splits(folder)
    yield from _on_sizes(folder)


def _on_files(folder: Folder, facts: Facts) -> Iterator[Finding]:
    if folder.missing:
        yield Finding(
            "spoils", f"there is no picture of {' or '.join(folder.missing)} that can be used: put some there"
        )
    if facts.wrong_ids:
        yield Finding(
            "spoils",
            f"{len(facts.wrong_ids)} label map(s) do not keep to the legend: correct one or the other, or remove them",
        )
    if others := len(folder.faults) - len(facts.wrong_ids):
        yield Finding("improve", f"{others} file(s) are left out: replace or correct them, or remove them (--fix does)")
    yield from (Finding("improve", text) for text in compare.same_but_for_case(folder))


def _on_copies(folder: Folder, facts: Facts) -> Iterator[Finding]:
    where = "both domains" if len(folder.names) == 2 else "several domains"
    for copies, how in ((facts.copies, "lie"), (facts.near, "lie, nearly the same,")):
        if leaks := sum(group in facts.leaks for group in copies):
            yield Finding(
                "spoils",
                f"{leaks} picture(s) {how} in more than one split: remove one of each, or the test flatters the model "
                f"(--fix leaves out the one in training)",
            )
        if overlaps := sum(group in facts.overlaps for group in copies):
            yield Finding(
                "spoils",
                f"{overlaps} picture(s) {how} in {where}: remove them where they do not belong (--fix: all of them)",
            )
    once = [
        sum(group not in facts.leaks and group not in facts.overlaps for group in some)
        for some in (facts.copies, facts.near)
    ]
    if once[0]:
        yield Finding(
            "improve",
            f"{once[0]} picture(s) are there more than once, and learnt as often: keep one of each (--fix does)",
        )
    if once[1]:
        yield Finding(
            "know",
            f"{once[1]} group(s) of pictures are nearly the same: copies that were resized or compressed again, or one "
            f"scene; keep those of a group in one split (data.groups)",
        )
    yield from (Finding("spoils", f"{text}: keep each in one split") for text in facts.groups)


def _on_pairs(facts: Facts) -> Iterator[Finding]:
    if facts.strange:
        yield Finding(
            "spoils",
            f"{len(facts.strange)} pair(s) have no more edges in common than pictures of different pairs: look whether "
            f"they belong together, and remove those that do not (--fix: all of them)",
        )
    if facts.shifted:
        yield Finding(
            "spoils",
            f"{len(facts.shifted)} pair(s) are shifted against each other: the result of training would be blurred; "
            f"register them, or remove them (--fix does)",
        )
    if facts.all_strange:
        yield Finding(
            "know",
            "the pairs have no more edges in common than pictures of different pairs: if they should show one thing in "
            "one place, look whether their names are right",
        )


def _on_pixels(folder: Folder, facts: Facts, looks: Looks) -> Iterator[Finding]:
    if facts.blank:
        yield Finding("improve", f"{len(facts.blank)} picture(s) are blank: remove them (--fix does)")
    for name, places in facts.stuck.items():
        named = ", ".join(f"{x},{y}" for x, y in places[:SHOWN])
        yield Finding(
            "improve",
            f"{len(places)} pixel(s) of {name} are faulty in half of its pictures (x,y: {named}): a damaged sensor; "
            f"replace them by their neighbours, or the model learns them",
        )
    if facts.odd or facts.blurred:
        yield Finding(
            "know",
            f"{facts.odd + facts.blurred} picture(s) are unlike the others: look whether they belong to the data",
        )
    for side, domain in enumerate(facts.domains):
        if set(domain.dtypes) == {"uint8"} and domain.high < 64 and side != folder.labels:
            yield Finding(
                "improve",
                f"{domain.name} goes up to {domain.high:g} of 255: class ids? As pictures they are almost black; "
                f"--labels {domain.name}, and data.labels={domain.name} in training, take them for label maps",
            )
        if side != folder.labels:
            reaches = {path: look.reach for path, look in looks(side, "train").items()}
            yield from (Finding("improve", text) for text in on_ranges(domain.name, folder.dtypes[side], reaches))


def _on_splits(folder: Folder) -> Iterator[Finding]:
    train, paired = folder.splits.get("train", ()), folder.paired
    counts = [len(table.get("train", ())) for table in folder.tables]
    if not folder.files(0, "test"):
        yield Finding(
            "improve",
            "there is no test/: move some pictures there before training, to measure on what was never seen "
            "(diptych data split)",
        )
    if paired and not folder.splits.get("val") and len(train) == 1:
        yield Finding(
            "spoils", "there is one training pair and none to validate with: training refuses that unless data.val=0"
        )
    elif paired and train and not folder.splits.get("val"):
        yield Finding("know", "there is no val/: 5 % of train/ (at most 50 pairs) will be held out for validation")
    if not paired and folder.kind != "photos" and not all(counts):
        yield Finding("spoils", f"training needs pictures of each of {' and '.join(folder.names)} in train/")
    elif len(counts) > 1 and sum(counts) >= FEW_PAIRS and min(counts) < FEW_SINGLES:
        yield Finding(
            "improve", f"{min(counts)} training pictures of a domain are few for methods that learn without pairs"
        )
    if sum(counts) < FEW_PAIRS:
        yield Finding("improve", "these are few pictures to train on: the result will learn them by heart")
    yield from (Finding("improve", text) for text in compare.imbalance(folder))


def _on_sizes(folder: Folder) -> Iterator[Finding]:
    train = folder.splits.get("train", ())
    if folder.paired and train and (least := min(min(folder.size(item.a)) for item in train)) < 256:
        yield Finding("know", f"the smallest side of a training picture is {least}: {_size_advice(least)}")
    if folder.kind in ("two folders", "one folder") and len({folder.size(item.a) for item in train}) > 1:
        yield Finding(
            "know", "sizes differ: data.resize=short keeps every picture's aspect, the default makes all of them square"
        )


def _size_advice(least: int) -> str:
    """Options that train on pictures as small as `least` pixels: U-Nets take them."""
    fitting = [size for size in (128, 64, 32) if size <= least]
    if not fitting:
        return "too small for the networks, which take 32 and more; data.enlarge=true enlarges all to data.size"
    return f"data.size={fitting[0]}, or data.enlarge=true"
