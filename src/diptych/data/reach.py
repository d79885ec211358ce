"""What the values of deep pictures reach to, and whether a few of them reach far beyond all others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diptych import images

Range = tuple[float, float]

AT_MOST = 1 << 18  # pixels of a picture that are looked at for what most of its values are
NUMBERS = 4  # single numbers at the ends that may each stand for something: no data, saturation
FEW = 1e-3  # share of a picture's values that are a few, at either end
FAR = 3.0  # widths of most values between them and what lies far from them
DISTINCT = 8  # fewer different values are those of a mask
OF_ALL = 0.1  # share of the pictures that may differ as a whole from the others


class Apart(NamedTuple):
    """Values of one picture that lie far from its others: the farthest, and the share of the pixels."""

    value: float
    share: float


class Reach(NamedTuple):
    """The values of one picture: all of them, and those without what lies apart."""

    whole: Range
    inner: Range
    apart: tuple[Apart, ...] = ()


def reach(array: np.ndarray) -> Reach:
    """How far the values of one picture reach; of 8 bits nothing lies apart."""
    whole = float(array.min()), float(array.max())
    if array.dtype == np.uint8:
        return Reach(whole, whole)
    values = np.sort(np.append(array.reshape(-1)[:: max(1, array.size // AT_MOST)], whole).astype(np.float64))
    apart = []
    for _ in range(NUMBERS):
        if (number := _number(values)) is None:
            break
        values = values[values != number]
        apart.append(Apart(number, float((array == np.asarray(number).astype(array.dtype)).mean())))
    low, high = _most(values)
    far = values[(values < low) | (values > high)]
    if len(far):
        beyond = (array < low) | (array > high)
        for value, _ in apart:
            beyond &= array != np.asarray(value).astype(array.dtype)
        farthest = far[np.abs(far - (low + high) / 2).argmax()]
        apart.append(Apart(float(farthest), float(beyond.mean())))
        values = values[(values >= low) & (values <= high)]
    return Reach(whole, (float(values[0]), float(values[-1])), tuple(apart))


def _number(values: np.ndarray) -> float | None:
    """The smallest or the largest number of sorted values, where many have it, and it lies far from the others."""
    ends = np.unique(values)
    if len(ends) < DISTINCT:
        return None
    between = values[(values > ends[0]) & (values < ends[-1])]
    width = between[-1 - len(between) // 1000] - between[len(between) // 1000]
    for number, gap in ((ends[0], ends[1] - ends[0]), (ends[-1], ends[-1] - ends[-2])):
        if gap > FAR * width and (values == number).mean() > FEW:
            return float(number)
    return None


def _most(values: np.ndarray) -> Range:
    """Between what most of the sorted values lie, and all that is not far from it."""
    few = max(3, int(FEW * len(values)))
    if len(values) < 10 * few or len(np.unique(values)) < DISTINCT:
        return float(values[0]), float(values[-1])
    low, high = values[few], values[-1 - few]
    return float(low - FAR * (high - low)), float(high + FAR * (high - low))


def advice(name: str, dtype: str, reaches: Mapping[Path, Reach]) -> list[str]:
    """That a few values set the range of a side's pictures: which, where, and the option that sets another.

    name: of the side. Of pictures that have one range whatever they hold, nothing is said.
    """
    if dtype == "uint8" or not reaches:
        return []
    others = _alien(reaches)
    inner = [of.inner for path, of in reaches.items() if path not in others]
    given = images.fitting_range(dtype, *_around([of.whole for of in reaches.values()]))
    low, high = images.fitting_range(dtype, *_around(inner))
    if (low, high) == given or high - low > (given[1] - given[0]) / 2:
        return []
    found = [*_named(reaches), *(_alone(path, reaches[path]) for path in list(others)[:1])]
    return [
        f"{name}: {'; '.join(found[:3])}: that lies far from all other values ({low:g} to {high:g}) and sets the range "
        f"that is spread over what a network sees; data.ranges.{name}=[{low:g},{high:g}] cuts it off"
    ]


def _around(ranges: list[Range]) -> Range:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _alien(reaches: Mapping[Path, Reach]) -> list[Path]:
    """The few pictures that lie far from all others as a whole."""
    lows, highs = (np.sort([of.inner[end] for of in reaches.values()]) for end in (0, 1))
    few = int(OF_ALL * len(reaches))
    low, high = float(lows[few]), float(highs[-1 - few])
    far = FAR * (high - low)
    return [path for path, of in reaches.items() if of.inner[0] < low - far or of.inner[1] > high + far]


def _named(reaches: Mapping[Path, Reach]) -> list[str]:
    """The numbers that lie apart, the most frequent first, and where."""
    places: dict[float, dict[Path, float]] = defaultdict(dict)
    for path, of in reaches.items():
        for value, share in of.apart:
            places[value][path] = share
    notes = []
    for value, shares in sorted(places.items(), key=lambda found: -len(found[1])):
        path, share = max(shares.items(), key=lambda found: found[1])
        others = f" and in {len(shares) - 1} other files" if len(shares) > 1 else ""
        tag = ", which the file itself calls no data" if images.read_metadata(path).no_data == value else ""
        notes.append(f"{value:g} in {share:.2%} of {path.name}{others}{tag}")
    return notes


def _alone(path: Path, of: Reach) -> str:
    return f"{path.name} reaches from {of.inner[0]:g} to {of.inner[1]:g}"
