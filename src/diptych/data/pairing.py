"""Which names belong together: equal ones, then those that differ in form alone, by one rule for a whole folder."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from diptych.images import FORMATS, SUFFIX_OF

Name = tuple[str, str]  # split, and the name without its suffix, below folders of its own perhaps: ("train", "bern/7")
Names = Mapping[Path, Name]
Form = Callable[[str], str]

SOURCES = {"source", "src", "input", "inputs", "in", "before", "x", "noisy", "blurred", "lq", "lr", "low", "from"}
TARGETS = {"target", "tgt", "dst", "output", "outputs", "out", "after", "y", "gt", "clean", "sharp", "hq", "hr", "high"}
"""Words that tell which of two is translated to the other."""
LABELS = {"label", "labels", "labelids", "gtfine", "gtcoarse", "mask", "masks", "seg", "segmentation", "annotations"}
OTHERS = {"a", "b", "image", "images", "img", "photo", "photos", "picture", "real", "sketch", "edges", "map", "sat",
          "day", "night", "left", "right", "leftimg8bit", "labeltrainids"}  # fmt: skip
"""Further words by which the two of a pair are told apart."""
PARTS = re.compile(r"[_\-. ]+|(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)")
NEARLY = 0.9  # of the names of the smaller side, to believe in a rule that was found in the names
ALTERNATIVES = 12  # endings of a side that are tried


class Pair(NamedTuple):
    """Two files, the name that they have in common, and in what their own names differ."""

    a: Path
    b: Path
    name: str
    how: str = ""


class Matching(NamedTuple):
    """The pairs, and what lies beside them: other versions of a paired file, with the ending that was taken instead."""

    pairs: list[Pair]
    beside: dict[Path, str]


class Rule(NamedTuple):
    """What the names of each side have around what they have in common."""

    a: str
    b: str
    behind: bool  # endings; or beginnings

    def common(self, side: str, name: str) -> str | None:
        """What is left of a name, or None where it is not of this form."""
        folder, slash, last = name.rpartition("/")
        fits = last.endswith(side) if self.behind else last.startswith(side)
        if not fits or len(last) == len(side):
            return None
        return folder + slash + (last[: len(last) - len(side)] if self.behind else last[len(side) :])

    @property
    def how(self) -> str:
        where = "endings" if self.behind else "beginnings"
        return f"their {where} ({self.a or 'none'} and {self.b or 'none'})"


def match(a: Names, b: Names, *, beginnings: bool = False) -> Matching:
    """Pair two sides by name: as they are, in one Unicode form, without case, zeros, or folders above, by endings.

    Only what is left goes on to the next, and only what is the only one of its form. beginnings: try those as well.
    """
    left = dict(a), dict(b)
    pairs: list[Pair] = []
    for how, form in FORMS.items():
        _take(pairs, left, how, form, form)
    beside: dict[Path, str] = {}
    if 2 * len(pairs) < min(len(a), len(b)):
        rules = [rule for behind in (True, *((False,) * beginnings)) if (rule := rule_of(*left, behind=behind))]
        if rules:
            beside = _apply(rules[0], pairs, left)
    order = {path: number for number, path in enumerate(a)}
    return Matching(sorted(pairs, key=lambda pair: order[pair.a]), beside)


def by_rule(rule: Rule, a: Names, b: Names) -> Matching:
    """Pair two sides by what their names have in common under a rule."""
    pairs: list[Pair] = []
    beside = _apply(rule, pairs, (dict(a), dict(b)))
    order = {path: number for number, path in enumerate(a)}
    return Matching(sorted((pair._replace(how="") for pair in pairs), key=lambda pair: order[pair.a]), beside)


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _nfc(_nfc(name).casefold())


def _without_zeros(name: str) -> str:
    return re.sub(r"(?<!\d)0+(?=\d)", "", _folded(name))


FORMS: dict[str, Form] = {
    "": lambda name: name,
    "their Unicode form": _nfc,
    "case": _folded,
    "leading zeros": _without_zeros,
    "the folders above them": lambda name: _without_zeros(name.rpartition("/")[2]),
}
"""In what names of a pair may differ, and the form in which they do not."""


def _take(pairs: list[Pair], left: tuple[dict[Path, Name], dict[Path, Name]], how: str, *forms: Form) -> None:
    """Move from what is left to the pairs what has one form on both sides."""
    a, b = (_by_form(side, form, unique=bool(how)) for side, form in zip(left, forms, strict=True))
    for key in a.keys() & b.keys():
        pairs.append(Pair(a[key], b[key], left[0].pop(a[key])[1], how))
        del left[1][b[key]]


def _by_form(names: Names, form: Form, *, unique: bool) -> dict[Name, Path]:
    """Of equal ones the last, or none where they have to be unique."""
    forms = {path: (split, form(name)) for path, (split, name) in names.items()}
    counts = Counter(forms.values())
    return {key: path for path, key in forms.items() if not unique or counts[key] == 1}


def _apply(rule: Rule, pairs: list[Pair], left: tuple[dict[Path, Name], dict[Path, Name]]) -> dict[Path, str]:
    sides = [
        {(split, common): path for path, (split, name) in side.items() if (common := rule.common(ending, name))}
        for side, ending in zip(left, rule[:2], strict=True)
    ]
    a, b = sides
    both = a.keys() & b.keys()
    pairs += [Pair(a[key], b[key], key[1], rule.how) for key in both]
    beside: dict[Path, str] = {}
    for names, own, ending in zip(left, sides, rule[:2], strict=True):
        taken = {own[key] for key in both}
        for path, (split, name) in names.items():
            if path not in taken and any((split, base) in both for base, _ in _cuts(name, behind=rule.behind)):
                beside[path] = ending
    return beside


# --- Rules that are found in the names -------------------------------------------------------------------------------


def rule_of(a: Names, b: Names, *, behind: bool) -> Rule | None:
    """The endings (or beginnings) without which nearly all names of the smaller side have a partner, if there are some.

    Of several that do equally well, label ids are preferred, then what is shortest.
    """
    if not a or not b:
        return None
    bases = [_bases(names, behind=behind) for names in (a, b)]
    scored = [
        (len(in_a & in_b), -_rank(one) - _rank(other), -len(one) - len(other), Rule(one, other, behind))
        for one, in_a in bases[0].items()
        for other, in_b in bases[1].items()
        if one != other
    ]
    count, *_, rule = max(scored, default=(0, 0, 0, None))
    enough = count >= NEARLY * min(len(a), len(b)) and (count > 1 or (rule and _known(rule.a) and _known(rule.b)))
    return rule if enough else None


def rule_within(names: Names) -> Rule | None:
    """The two endings that make pairs of nearly all names of one folder, or of most if both are known; or None.

    Beginnings have to be known: cat.0 and dog.0 are no pair.
    """
    for behind in (True, False):
        bases = _bases(names, behind=behind)
        scored = [
            (2 * len(in_a & in_b), _known(one) + _known(other), -len(one) - len(other), Rule(one, other, behind))
            for one, in_a in bases.items()
            for other, in_b in bases.items()
            if one < other
        ]
        count, known, _, rule = max(scored, default=(0, 0, 0, None))
        if rule and 2 * count >= len(names) and known == 2 and (rule.a or count >= NEARLY * len(names)):
            return rule
        if rule and behind and count >= NEARLY * len(names) and count > 4:
            return rule
    return None


def formats_within(names: Names) -> tuple[str, str] | None:
    """The two formats, as ("jpg", "png"), in which most names of one folder occur, if there are some."""
    formats = sorted({format_name(path) for path in names})
    if len(formats) != 2 or "" in formats:
        return None
    a, b = ({name for path, name in names.items() if format_name(path) == form} for form in formats)
    return (formats[0], formats[1]) if 4 * len(a & b) >= len(names) else None


def format_name(path: Path) -> str:
    """The format of a file by its suffix, in short: "jpg" for .JPEG, "" for none that is known."""
    form = FORMATS.get(path.suffix.lower(), "")
    return SUFFIX_OF[form][1:] if form else ""


def _bases(names: Names, *, behind: bool) -> dict[str, set[Name]]:
    """For the most frequent endings (or beginnings), and for none: what is left of the names that have it."""
    found: dict[str, set[Name]] = {"": set(names.values())}
    for split, name in names.values():
        for base, cut in _cuts(name, behind=behind):
            found.setdefault(cut, set()).add((split, base))
    frequent = sorted(found, key=lambda cut: (cut != "", -len(found[cut]), cut))[:ALTERNATIVES]
    return {cut: found[cut] for cut in frequent}


def _cuts(name: str, *, behind: bool) -> Iterable[tuple[str, str]]:
    """Each way to cut a word or more off the end (or the beginning) of a name: what is left, what is cut off."""
    folder, slash, last = name.rpartition("/")
    for place in PARTS.finditer(last):
        at = place.start() if behind else place.end()
        base, cut = (last[:at], last[at:]) if behind else (last[at:], last[:at])
        if base and word(cut) and not word(cut).isdigit():
            yield folder + slash + base, cut


def word(ending: str) -> str:
    """An ending without what separates it: what its side is called.

    >>> word("_labelIds"), word("-A")
    ('labelIds', 'A')
    """
    return ending.strip("_-. ()[]")


def _known(ending: str) -> bool:
    return not ending or _words(ending) <= SOURCES | TARGETS | LABELS | OTHERS


def _words(name: str) -> set[str]:
    return {part for part in re.split(r"[\W_]+", name.casefold()) if part}


def _rank(ending: str) -> int:
    """Which of several versions of a label map is its ids."""
    kinds = ("labelids", "labeltrainids", "label")
    return next((rank for rank, kind in enumerate(kinds) if kind in ending.casefold()), len(kinds))


# --- What the names tell ---------------------------------------------------------------------------------------------


def source_by_name(names: Sequence[str]) -> int | None:
    """Which of two sides is the source by what they are called (0 or 1), if that tells."""
    roles = [(bool(_words(name) & SOURCES), bool(_words(name) & TARGETS)) for name in names]
    source, target, untold = (True, False), (False, True), (False, False)
    first = {(source, target): 0, (source, untold): 0, (untold, target): 0}
    return first.get((roles[0], roles[1]), 1 if (roles[1], roles[0]) in first else None)


def labels_by_name(names: Sequence[str]) -> int | None:
    """Which of two sides is of label maps by what they are called (0 or 1), if that tells."""
    a, b = (bool(_words(name) & LABELS) for name in names)
    return None if a == b else int(b)


def nearest(name: str, others: Iterable[str]) -> str:
    """The most similar of other names, or ""."""
    found = difflib.get_close_matches(name, list(others)[:2000], 1, 0.75)
    return found[0] if found else ""
