"""A folder of pictures explains itself: what it holds is recognised from names and headers, nothing is decoded.

Six layouts are known, each with or without train/, val/ and test/:

    side by side    FOLDER[/train]/0001.jpg, twice as wide as high: left half a, right half b
    two folders     FOLDER[/train]/{photo,label}/0001.png or FOLDER/{photo,label}[/train]/0001.png, paired by name
    one folder      FOLDER[/train]/{0001_A,0001_B}.png, or {0001.jpg,0001.png}, paired by name
    unpaired        FOLDER/{trainA,trainB,testA,testB}, or two folders whose names do not match
    domains         FOLDER[/train]/{day,dusk,night}/0001.jpg: as many folders as there are, where that is asked for
    photos          any other folder with pictures in it

Instead of one FOLDER the two may be given, of any names and in any places: A[/train]/0001.jpg and B[/train]/0001.jpg.
Further folders inside those of the sides belong to the names: leftImg8bit/train/bern/7.png is bern/7.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

from diptych import images
from diptych.data import finding, layouts, pairing, volumes
from diptych.data.agreeing import agreeing
from diptych.data.directing import directed, side_of
from diptych.data.finding import SPLITS, Fault, Files, Found, Roots
from diptych.data.folders import Folder, Kind
from diptych.data.pairing import Matching, Names
from diptych.errors import ConfigError, DataError
from diptych.images import Header
from diptych.kinds import text


def recognise(
    root: Path | str | None = None,
    *,
    a: Path | str | None = None,
    b: Path | str | None = None,
    kind: str = "auto",
    direction: str = "auto",
    labels: str | None = None,
    maps: Mapping[str, str] | None = None,
    texts: bool = False,
    axis: str = "k",
    limit_mp: float = images.LIMIT_MP,
    alone: bool = False,
    complete: bool = True,
) -> Folder:
    """Find out what a folder holds, or two (`a` and `b`), from headers alone, read in threads.

    `kind` says it instead; `direction` (photo2label) chooses two of several domains; `labels` names the one whose
    pictures are label maps, and `maps` further folders, of maps that go with the pairs, by their kind. alone: single
    photos are enough, so that no photo is cut into halves. texts: each item has one, in a file beside it. axis: along
    which the slices of volumes lie. complete: a pair without a map or text that is asked for is a DataError; else it is
    left out. Files that cannot be used are left out and listed in `faults`; DataError is raised when nothing is left,
    ConfigError for an impossible option.
    """
    if kind not in (kinds := ("auto", *(kind for kind in get_args(Kind) if kind != "photos twice"))):
        raise ConfigError(f"kind={kind} is unknown: use one of {', '.join(kinds)}")
    if not limit_mp > 0:
        raise ConfigError(f"limit_mp={limit_mp:g} is no limit: use a number of million pixels above 0")
    roots = _roots(root, a, b)
    found = finding.find_domains(roots) if len(roots) == 2 else finding.find(roots[""])
    found = _without_texts(found) if texts else found
    found = volumes.unfolded(found, axis)
    headers, unreadable = finding.read_headers(found.files, limit_mp)
    faults = [*found.faults, *unreadable]
    files = {place: [path for path in paths if path in headers] for place, paths in found.files.items()}
    found = found._replace(files=files, faults=faults)
    further = {kind: (place, layouts.names_of(found, place)) for kind, place in (maps or {}).items()}
    apart = {place for place, _ in further.values()}
    found = found._replace(files={place: paths for place, paths in files.items() if place[1] not in apart})
    folder = _arrange(roots, found, kind, direction, headers, alone=alone)
    left_out = images.listing.counted(found.kinds)
    folder = replace(folder, headers=headers, faults=(*faults, *folder.faults), left_out=left_out)
    folder = volumes.agreeing(folder)
    folder = directed(folder, direction, labels)
    folder = replace(folder, labels=None if labels is None else side_of(folder, labels, folder.direction))
    for kind_of_map, (place, those) in further.items():
        folder = _with_maps(folder, kind_of_map, those, place, headers, complete=complete)
    folder = agreeing(folder)
    folder = folder.with_texts(complete=complete) if texts else folder
    if not any(folder.items()):
        raise DataError(_nothing_left(folder))
    return folder


def _without_texts(found: Found) -> Found:
    """What is left out but for texts, which are read."""
    faults = [fault for fault in found.faults if fault.path.suffix != text.SUFFIX]
    return found._replace(faults=faults, kinds=[kind for kind in found.kinds if kind != text.SUFFIX])


# --- One folder or two -----------------------------------------------------------------------------------------------


def _roots(root: Path | str | None, a: Path | str | None, b: Path | str | None) -> Roots:
    if root is not None and a is None and b is None:
        return {"": Path(root)}
    if root is None and a is not None and b is not None:
        a_name, b_name = domain_names(Path(a), Path(b))
        return {a_name: Path(a), b_name: Path(b)}
    given = " and ".join(name for name, value in (("folder", root), ("a", a), ("b", b)) if value is not None)
    raise ConfigError(
        f"where are the pictures? Give one folder with data.folder (--data FOLDER), or the folders of the two domains "
        f"with data.a and data.b (--a horses --b zebras); given: {given or 'none of them'}"
    )


def domain_names(a: Path, b: Path) -> tuple[str, str]:
    """What two domains are called: like their folders, or where these are called alike, like those above.

    >>> domain_names(Path("/x/horses"), Path("/y/zebras/train"))
    ('horses', 'zebras')
    >>> domain_names(Path("/cat/pictures"), Path("/dog/pictures"))
    ('cat', 'dog')
    """
    parts = [
        [part for part in reversed(Path(os.path.abspath(path)).parts[1:]) if part.lower() not in SPLITS]
        for path in (a, b)
    ]
    if os.path.abspath(a) == os.path.abspath(b):
        raise ConfigError(f"{a} is given for both domains: they need a folder each")
    return next(((one, other) for one, other in zip(*parts, strict=False) if one != other), ("a", "b"))


# --- Arranging them --------------------------------------------------------------------------------------------------


def _domains(roots: Roots, files: Files) -> list[str]:
    """Those of which there are pictures: in the order given, or that of the alphabet."""
    filled = {domain for (_, domain), paths in files.items() if paths}
    return [domain for domain in (roots if len(roots) == 2 else sorted(filled)) if domain in filled]


def _choose(roots: Roots, files: Files, direction: str) -> Files:
    """Of more than two domains, those that the direction names."""
    domains = _domains(roots, files)
    if len(domains) <= 2:
        return files
    for a in domains:
        for b in domains:
            if a != b and direction == f"{a}2{b}":
                return {place: paths for place, paths in files.items() if place[1] in (a, b)}
    raise DataError(
        f"{roots['']} holds {len(domains)} folders of pictures ({', '.join(domains)}): "
        f"choose two by name, as direction={domains[0]}2{domains[1]}; take each for a domain by data.kind=domains, or "
        f"all for photos by data.kind=photos"
    )


def _led_by(domains: list[str], direction: str) -> list[str]:
    """The domains with the two first that a direction names."""
    named = ([a, b] for a in domains for b in domains if a != b and direction == f"{a}2{b}")
    first = next(named, [])
    return [*first, *(domain for domain in domains if domain not in first)]


def _arrange(
    roots: Roots, found: Found, kind: str, direction: str, headers: dict[Path, Header], *, alone: bool
) -> Folder:
    if kind == "photos":
        return Folder(roots, "photos", ("photo", "photo"), layouts.all_singles(found))
    if kind == "domains" and len(domains := _domains(roots, found.files)) > 1:
        if empty := sorted({domain for _, domain in found.files if domain} - set(domains)):
            nothing = f"no picture of {' or '.join(empty)} can be used"
            raise DataError(f"{roots['']}: {nothing}: {finding.summary(found.faults, roots)}")
        return layouts.several(roots, found, _led_by(domains, direction), headers)
    found = found._replace(files=(files := _choose(roots, found.files, direction)))
    domains = _domains(roots, files)
    missing = tuple(sorted({domain for _, domain in files if domain} - set(domains)))
    place = " and ".join(map(str, roots.values()))
    if not domains or (missing and len(roots) == 2):
        nothing = f"no picture of {' or '.join(missing)}" if len(roots) == 2 else "none of its files"
        raise DataError(f"{place}: {nothing} can be used: {finding.summary(found.faults, roots)}")
    if len(domains) == 2 and kind in ("auto", "two folders", "unpaired"):
        a, b = (layouts.names_of(found, domain) for domain in domains)
        matching = pairing.match(a, b, beginnings=kind == "two folders")
        if kind == "two folders" or (kind == "auto" and _are_pairs(roots, found, domains, matching, headers)):
            return layouts.paired(roots, "two folders", (domains[0], domains[1]), a, b, matching)
        return layouts.unpaired(roots, found, domains, headers)
    if len(domains) == 1:
        names, guess = layouts.names_of(found, domains[0]), kind == "auto" and not alone
        if (kind == "one folder" or guess) and (folder := layouts.one_folder(roots, names)):
            return folder
        if kind == "side by side" or (guess and _mostly_twice_as_wide(headers)):
            return layouts.side_by_side(roots, names, headers, strict=kind == "auto")
        if kind == "auto":
            singles = layouts.singles(names)
            return Folder(roots, "photos", ("photo", "photo"), singles, missing=missing)
    raise DataError(f"{place} is not laid out as {kind!r}: it holds {_layout(files)}; choose another data.kind")


def _layout(files: Files) -> str:
    return ", ".join(f"{len(paths)} in {split}/{domain}".rstrip("/") for (split, domain), paths in files.items())


def _are_pairs(roots: Roots, found: Found, domains: list[str], matching: Matching, headers: dict[Path, Header]) -> bool:
    """Whether names pair most of the training pictures, or of all, where there are none.

    Of two folders in different places more is asked for: images that are numbered match by chance. So do those of A and
    B, as unpaired folders are called; trainA and trainB are never pairs by their names alone.
    """
    if found.lettered:
        return False
    sides = [layouts.training(layouts.names_of(found, domain)) for domain in domains]
    least, most = sorted(len(side) for side in sides)
    most -= sum(path in side for path in matching.beside for side in sides)
    pairs = [pair for pair in matching.pairs if pair.a in sides[0]]
    if len(roots) == 2:
        return sum(layouts.alike(headers, pair) for pair in pairs) >= 0.9 * max(least, most)
    numbers = all(pair.name.isdigit() for pair in pairs)
    if numbers and all(re.fullmatch("[A-Z]", domain) for domain in domains):
        return len(pairs) >= 0.9 * max(least, most)
    return bool(pairs) and len(pairs) >= 0.5 * least


def _mostly_twice_as_wide(headers: dict[Path, Header]) -> bool:
    return 2 * sum(head.width == 2 * head.height for head in headers.values()) > len(headers)


# --- What goes with pairs --------------------------------------------------------------------------------------------


def _with_maps(
    folder: Folder, kind: str, maps: Names, place: str, headers: Mapping[Path, Header], *, complete: bool
) -> Folder:
    """Each pair with its map of that kind. Raises DataError where one has none; or leaves those out."""
    asked = f"maps of the kind {kind} ({place}/)"
    if folder.kind != "two folders":
        raise DataError(f"{folder.place}: {asked} go with pairs in two folders")
    pairs = {item.a: (split, item.name) for split, items in folder.splits.items() for item in items}
    matched = {pair.a: pair.b for pair in pairing.match(pairs, maps).pairs}
    missing = [f"{split}/{name}" for path, (split, name) in pairs.items() if path not in matched]
    faults = [Fault(path, f"has no map of the kind {kind} in {place}/") for path in pairs if path not in matched]
    if missing and (complete or not matched):
        none = f"{len(missing)} of {len(pairs)} pairs have none there"
        where = none if maps else "there is no folder of that name beside the others"
        raise DataError(
            f"{folder.place}: {asked} are asked for, and {where} (the first: {missing[0]}): add them, or leave "
            f"{'data.instances' if kind == 'instances' else 'data.maps'} out"
        )
    splits = {
        split: tuple(replace(i, maps={**i.maps, kind: matched[i.a]}) for i in items if i.a in matched)
        for split, items in folder.splits.items()
    }
    other = [path for path, of in matched.items() if _size(headers[of]) != _size(headers[path])]
    message = f"{len(other)} of {len(pairs)} {asked} have another size than their pair, and are brought to it, as"
    remarks = [f"{message} {folder.relative(matched[other[0]])}"] if other else []
    return replace(folder, splits=splits, faults=(*folder.faults, *faults), remarks=(*folder.remarks, *remarks))


def _size(header: Header) -> tuple[int, int]:
    return header.height, header.width


def _nothing_left(folder: Folder) -> str:
    first = finding.summary(folder.faults, folder.roots)
    return (
        f"{folder.place}: none of its files can be used as {folder.kind}: {first}; if it is laid out "
        f"otherwise, say how by data.kind"
    )
