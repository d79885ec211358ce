"""The findings of an audit, and one screen that says them: at its end a verdict, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from diptych.data.labels import Share
from diptych.errors import printable

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
Weight = Literal["spoils", "improve", "know"]
WEIGHTS: dict[Weight, str] = {
    "spoils": "What spoils the training or its scores",
    "improve": "Better put right before training",
    "know": "Good to know",
}
"""How much a finding matters, the weightiest first."""
Group = tuple[str, ...]
Noted = tuple[tuple[str, str], ...]


class Finding(NamedTuple):
    """One thing to know about a folder, with what to do about it."""

    weight: Weight
    text: str


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
    """The findings, with paths relative to the folder. Of a pair, its first file stands for both."""

    root: str
    kind: str
    counts: dict[str, tuple[int, ...]]  # by split: pairs, or the pictures of each domain
    domains: tuple[Domain, ...]
    faults: Noted  # file, what is wrong with it
    left_out: str  # files that are no pictures, counted by kind
    truth: dict[str, int]  # by split of an unpaired folder: pairs by name, to score with
    duplicates: tuple[Group, ...]  # groups of files with the same pixels
    near_duplicates: tuple[Group, ...]  # groups of images, or of pairs, that are nearly the same
    leaks: tuple[Group, ...]  # those of both that lie in more than one split
    overlaps: tuple[Group, ...]  # those of both that lie in more than one domain of a folder without pairs
    blank: tuple[str, ...]  # pictures of one single value
    shifted: tuple[tuple[str, int, int], ...]  # pairs: by how many pixels the second lies to the right, and below
    strange: tuple[str, ...]  # pairs whose images have no more in common than those of different pairs
    odd: Noted  # images unlike the others of their kind, and in what
    blurred: tuple[str, ...]
    classes: tuple[Share, ...]  # of label maps, in training
    notes: tuple[str, ...]  # how pictures are converted in reading
    findings: tuple[Finding, ...]  # the weightiest first

    @property
    def advice(self) -> tuple[str, ...]:
        """What was found and what to do, in sentences."""
        return tuple(finding.text for finding in self.findings)

    @property
    def verdict(self) -> str:
        """Whether to train on this, in a sentence."""
        counts = {weight: sum(one.weight == weight for one in self.findings) for weight in WEIGHTS}
        if counts["spoils"]:
            return f"not ready to train on, for {_reasons(counts['spoils'])}"
        if counts["improve"]:
            return f"can be trained on; {_reasons(counts['improve'])} to put something right first"
        return "ready to train on"

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        findings = [finding._asdict() for finding in self.findings]
        return {**asdict(self), "findings": findings, "advice": self.advice, "verdict": self.verdict}

    def to_text(self) -> str:
        """One screen to read; long lists are cut."""
        lines = [f"{self.root}: {TITLE[self.kind]}", *self.summary()]
        for title, files in self.lists().items():
            lines += _listed(title, files)
        lines.append(f"Verdict: {self.verdict}.")
        for weight, words in WEIGHTS.items():
            texts = [finding.text for finding in self.findings if finding.weight == weight]
            lines += [f"{words}:"] if texts else []
            lines += [f"  {text}" for text in texts]
        return "\n".join(map(printable, lines))

    def summary(self) -> list[str]:
        """What the folder holds, in lines."""
        lines = []
        for split, count in self.counts.items():
            truth = f" ({self.truth[split]} pairs by name, for scores only)" if split in self.truth else ""
            lines.append(f"  {split:<6} {_counted(self.kind, count, self.domains)}{truth}")
        width = max(6, *(len(domain.name) for domain in self.domains))
        lines += [f"  {domain.name:<{width}} {_described(domain)}" for domain in self.domains]
        lines += [_shared(share) for share in self.classes]
        return lines + ([f"Left out by kind: {self.left_out}"] if self.left_out else [])

    def lists(self) -> dict[str, list[str]]:
        """The files that were found, each in a line, by what is to be said of them."""
        found = {
            "Converted in reading": list(self.notes),
            "Left out": [f"{file}: {what}" for file, what in self.faults],
            "Exact duplicates": self._said(self.duplicates),
            "Near-duplicates": self._said(self.near_duplicates),
            "Pairs that may not belong together": list(self.strange),
            "Shifted pairs": [f"{file}: {shift(dx, dy)}" for file, dx, dy in self.shifted],
            "Blank pictures": list(self.blank),
            "Odd ones": [f"{file}: {what}" for file, what in self.odd],
            "Blurred": list(self.blurred),
        }
        return {title: lines for title, lines in found.items() if lines}

    def ordered(self, groups: Sequence[Group]) -> list[Group]:
        """Groups of copies: those across splits or domains come first."""
        return sorted(groups, key=lambda group: (not self.where(group), group))

    def where(self, group: Group) -> str:
        """What is worse of copies than that they are some."""
        found = {"across splits": group in self.leaks, "in both domains": group in self.overlaps}
        return ", ".join(words for words, true in found.items() if true)

    def _said(self, groups: Sequence[Group]) -> list[str]:
        return [
            " = ".join(group) + (f" ({where})" if (where := self.where(group)) else "")
            for group in self.ordered(groups)
        ]


def shift(dx: int, dy: int) -> str:
    """Where the second image lies, in words.

    >>> shift(-6, 1)
    'the second lies 6 pixels to the left and 1 below'
    """
    parts = [f"{abs(dx)} pixels to the {'right' if dx > 0 else 'left'}"] if dx else []
    parts += [f"{abs(dy)}{'' if parts else ' pixels'} {'below' if dy > 0 else 'above'}"] if dy else []
    return f"the second lies {' and '.join(parts)}"


def _reasons(count: int) -> str:
    return "one reason" if count == 1 else f"{count} reasons"


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


def _listed(title: str, things: Sequence[str]) -> list[str]:
    more = [f"  and {len(things) - AT_MOST} more"] if len(things) > AT_MOST else []
    return [f"{title} ({len(things)}):", *(f"  {thing}" for thing in things[:AT_MOST]), *more]
