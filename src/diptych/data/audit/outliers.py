"""Images unlike the others of their kind: in size or shape, too dark, too bright, blurred, and with faulty pixels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from diptych.data.audit.looking import Look

Size = tuple[int, int]  # height, width
Noted = dict[Path, str]  # files, and what is odd about each

FEW = 0.1
"""Share of the images of a kind up to which what they have in common makes them odd ones."""
ENOUGH = 12
"""Images that it takes to say what is usual."""
ASPECT = 1.1
"""Factor of width to height from which on a shape differs."""
AREA = 16
"""Factor of pixels from which on sizes differ."""
BLACK, WHITE, FLAT = 24, 231, 16
"""Brightness that 99 % do not exceed, that 99 % do exceed, and the span between the two, of 255."""
BLURRED = 0.15
"""Share of the usual sharpness below which an image is called blurred."""
SPECKLED = 5e-3
"""Share of single pixels that differ from all around them."""
STUCK = 8
"""Images of one size that must have a speck in one place, and half of all that are of this size."""


def sizes(found: Mapping[Path, Size]) -> Noted:
    """Images of another size than nearly all others; or else of another shape, or far larger or smaller."""
    if len(found) < ENOUGH:
        return {}
    (usual, _), *_ = Counter(found.values()).most_common(1)
    odd = {path: f"{_words(size)} among {_words(usual)}" for path, size in found.items() if size != usual}
    if len(odd) <= FEW * len(found):
        return odd
    aspect, area = median(w / h for h, w in found.values()), median(h * w for h, w in found.values())
    shapes = {
        path: f"{_words((h, w))}, of another shape than most"
        for path, (h, w) in found.items()
        if not 1 / ASPECT < w / h / aspect < ASPECT
    }
    areas = {
        path: f"{_words((h, w))}, far {'larger' if h * w > area else 'smaller'} than most"
        for path, (h, w) in found.items()
        if not 1 / AREA < h * w / area < AREA
    }
    return {**_if_few(shapes, found), **_if_few(areas, found)}


def exposures(found: Mapping[Path, Look]) -> Noted:
    """Images that are nearly black, nearly white or nearly without contrast, where few are."""
    black = {path: "nearly black" for path, look in found.items() if look.bright <= BLACK}
    white = {path: "nearly white" for path, look in found.items() if look.dark >= WHITE}
    pale = {path: "hardly any contrast" for path, look in found.items() if look.bright - look.dark <= FLAT}
    noted = {**_if_few(pale, found), **_if_few(white, found), **_if_few(black, found)}
    return {path: what for path, what in noted.items() if not found[path].blank}


def blurred(found: Mapping[Path, Look]) -> list[Path]:
    """Images far less sharp than the others, where few are."""
    seen = {path: look.sharpness for path, look in found.items() if look.bright - look.dark > FLAT}
    if len(seen) < ENOUGH:
        return []
    usual = median(seen.values())
    return list(_if_few({path: "" for path, value in seen.items() if value < BLURRED * usual}, found))


def speckled(found: Mapping[Path, Look], sizes: Mapping[Path, Size]) -> Noted:
    """Images with many single pixels unlike all around them, where few have them."""
    shares = {path: look.specks / (sizes[path][0] * sizes[path][1]) for path, look in found.items()}
    return _if_few(
        {path: f"{share:.2%} of its pixels are specks" for path, share in shares.items() if share > SPECKLED}, found
    )


def stuck(found: Mapping[Path, Look], sizes: Mapping[Path, Size]) -> dict[Size, list[tuple[int, int]]]:
    """Pixels (x, y) that are specks in half of the images of a size: those of a damaged sensor."""
    places: dict[Size, Counter[int]] = defaultdict(Counter)
    for path, look in found.items():
        places[sizes[path]].update(look.places.tolist())
    counts = Counter(sizes[path] for path in found)
    stuck = {
        size: [
            (place % size[1], place // size[1])
            for place, count in seen.items()
            if count >= max(STUCK, counts[size] / 2)
        ]
        for size, seen in places.items()
    }
    return {size: sorted(some) for size, some in stuck.items() if some}


def _if_few(noted: Noted, of: Mapping[Path, object]) -> Noted:
    return noted if len(noted) <= FEW * len(of) and len(of) >= ENOUGH else {}


def _words(size: Sequence[int]) -> str:
    return f"{size[1]}x{size[0]}"
