"""The layouts of a folder: what was found in it, arranged as pairs or as pictures for themselves."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from diptych.data import pairing
from diptych.data.finding import Fault, Found, Roots
from diptych.data.folders import Folder, Item, Kind, Splits
from diptych.data.pairing import Matching, Names, Pair
from diptych.errors import DataError
from diptych.images import Header

NAMED = 3
"""Files without a partner for which the nearest name is looked for."""


def names_of(found: Found, domain: str) -> Names:
    """The names of a domain's pictures, with their splits."""
    return {
        path: (split, found.names[path]) for (split, of), paths in found.files.items() if of == domain for path in paths
    }


def training(names: Names) -> Names:
    """Those of training, or all where there are none."""
    return {path: name for path, name in names.items() if name[0] == "train"} or names


def alike(headers: dict[Path, Header], pair: Pair) -> bool:
    """Whether two pictures are of one size."""
    a, b = headers[pair.a], headers[pair.b]
    return (a.width, a.height) == (b.width, b.height)


def singles(names: Names) -> Splits:
    """Each with its name, or with its suffix as well where 1.png lies beside 1.jpg."""
    counts = Counter(names.values())
    items: dict[str, list[Item]] = {split: [] for split, _ in names.values()}
    for path, (split, name) in names.items():
        items[split].append(Item(name if counts[split, name] == 1 else f"{name}{path.suffix}", path))
    return {split: tuple(some) for split, some in items.items()}


def all_singles(found: Found) -> Splits:
    """The pictures of all domains together."""
    return singles(
        {
            path: (split, f"{domain}/{found.names[path]}" if domain else found.names[path])
            for (split, domain), paths in found.files.items()
            for path in paths
        }
    )


def unpaired(roots: Roots, found: Found, domains: list[str], headers: dict[Path, Header]) -> Folder:
    a, b = (names_of(found, domain) for domain in domains)
    truth = {split: _truth(a, b, headers, split) for split in ("val", "test")}
    remarks = [nearly] if (nearly := _nearly_pairs(a, b)) else []
    names = domains[0], domains[1]
    return Folder(roots, "unpaired", names, singles(a), (singles(b),), truth, remarks=tuple(remarks))


def several(roots: Roots, found: Found, domains: list[str], headers: dict[Path, Header]) -> Folder:
    """Two domains or more, each for itself."""
    names = [names_of(found, domain) for domain in domains]
    truth = {split: _truth(names[0], names[1], headers, split) for split in ("val", "test")}
    first, *others = map(singles, names)
    return Folder(roots, "domains", tuple(domains), first, tuple(others), truth)


def _nearly_pairs(a: Names, b: Names) -> str:
    """That most training pictures would have a partner by name, if that says something, and the option for it."""
    a, b = training(a), training(b)
    pairs = [pair for pair in pairing.match(a, b, beginnings=True).pairs if not pair.name.isdigit()]
    if not pairs or 2 * len(pairs) < min(len(a), len(b)):
        return ""
    but = next((f" but for {pair.how}" for pair in pairs if pair.how), "")
    return f"the names of the two kinds match{but}: if they are pairs, say so by data.kind='two folders'"


def _truth(a: Names, b: Names, headers: dict[Path, Header], split: str) -> tuple[Item, ...]:
    """The pairs of a split of an unpaired folder, where most of its names match and this says something.

    Numbers that match in training too, where nothing is a pair, do not (horse2zebra's 1.jpg and 1.jpg).
    """

    def mostly(pairs: list[Pair], *sides: Names) -> bool:
        return bool(pairs) and 2 * len(pairs) >= min(map(len, sides))

    here, training = (
        [{path: name for path, name in names.items() if name[0] == which} for names in (a, b)]
        for which in (split, "train")
    )
    pairs = pairing.match(*here).pairs
    numbers = all(pair.name.isdigit() for pair in pairs)
    if not mostly(pairs, *here) or (numbers and mostly(pairing.match(*training).pairs, *training)):
        return ()
    return tuple(Item(pair.name, pair.a, pair.b) for pair in pairs if alike(headers, pair))


def side_by_side(roots: Roots, names: Names, headers: dict[Path, Header], *, strict: bool) -> Folder:
    """Pairs in one file each; strict: exactly twice as wide as high, as where this was not said but guessed."""

    def fits(path: Path) -> bool:
        head = headers[path]
        return head.width == 2 * head.height if strict else head.width % 2 == 0

    splits = {
        split: tuple(Item(item.name, item.a, item.a) for item in items if fits(item.a))
        for split, items in singles(names).items()
    }
    what = "the others are pairs side by side, twice as wide as high" if strict else "an odd width has no two halves"
    faults = [
        Fault(path, f"is {headers[path].width}x{headers[path].height}: {what}") for path in names if not fits(path)
    ]
    return Folder(roots, "side by side", ("left", "right"), splits, faults=tuple(faults))


def one_folder(roots: Roots, names: Names) -> Folder | None:
    """Pairs whose two files lie in one folder, told apart by their formats, or by the end of their names; or None."""
    if formats := pairing.formats_within(names):
        a, b = ({path: name for path, name in names.items() if pairing.format_name(path) == f} for f in formats)
        return paired(roots, "one folder", formats, a, b, pairing.match(a, b))
    if rule := pairing.rule_within(names):
        b = {path: name for path, name in names.items() if rule.common(rule.b, name[1])}
        a = {path: name for path, name in names.items() if path not in b}
        matching = pairing.by_rule(rule, a, b)
        called = pairing.word(rule.a) or "plain", pairing.word(rule.b)
        if 2 * len(matching.beside) >= len(matching.pairs):
            place, other = " and ".join(map(str, roots.values())), next(iter(matching.beside))
            raise DataError(
                f"{place} holds more than two pictures of one name, as those that end in {called[0]} and {called[1]}, "
                f"and {other.name}: keep two of each there, or take all for photos by data.kind=photos"
            )
        return paired(roots, "one folder", called, a, b, matching)
    return None


def paired(roots: Roots, kind: Kind, called: tuple[str, str], a: Names, b: Names, matching: Matching) -> Folder:
    """Pairs by name; a name that occurs twice (1.png beside 1.jpg), or on one side alone, is a fault."""
    splits: dict[str, list[Item]] = {split: [] for split, _ in (*a.values(), *b.values())}
    for pair in matching.pairs:
        splits[a[pair.a][0]].append(Item(pair.name, pair.a, pair.b))
    paired = {path for pair in matching.pairs for path in (pair.a, pair.b)}
    faults = []
    for names, other, partners in ((a, called[1], b), (b, called[0], a)):
        alone = {path: name for path, name in names.items() if path not in paired}
        free = [name for path, (_, name) in partners.items() if path not in paired]
        taken = set(partners.values())
        versions = [path for path in alone if path in matching.beside]
        for number, (path, name) in enumerate((p, n) for p, n in alone.items() if p not in matching.beside):
            near = pairing.nearest(name[1], free) if number < NAMED and name not in taken else ""
            what = f"has no partner in {other}/{near and f' (the nearest name there: {near})'}"
            faults.append(Fault(path, "has a name that occurs twice" if name in taken else what))
        if versions:
            what = f"is another version of what ends in {matching.beside[versions[0]]} (and {len(versions) - 1} more)"
            faults.append(Fault(versions[0], what))
    return Folder(
        roots, kind, called, {split: tuple(items) for split, items in splits.items()}, faults=tuple(faults),
        remarks=tuple(_loose(matching.pairs)),
    )  # fmt: skip


def _loose(pairs: list[Pair]) -> list[str]:
    """How many pairs have names that are not quite equal, by what they differ in, with an example."""
    notes = []
    for how, count in Counter(pair.how for pair in pairs if pair.how).items():
        one = next(pair for pair in pairs if pair.how == how)
        a, b = ("/".join(path.parts[-2:]) if "folders" in how else path.name for path in (one.a, one.b))
        notes.append(f"{count} pairs by names that differ in {how}, as {a} and {b}")
    return notes
