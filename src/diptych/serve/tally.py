"""What an engine has done so far, as plain numbers: `monitor` shows them to the outside."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histogram's classes, in seconds."""


@dataclass
class Histogram:
    """How often a time fell into each class, the last of which has no bound; and the sum of all times."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


@dataclass
class Tally:
    """outcomes: requests by model and code, `ok` or an error's. seconds: by model and stage. batches: by size."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: defaultdict[tuple[str, str], Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    batches: Counter[int] = field(default_factory=Counter)
    retries: int = 0
    restarts: int = 0


class Pace:
    """How long a model takes for a picture, of late and by size: known for sizes that it has had, never guessed far.

    A size class has pictures of up to four times as many pixels as the one below.
    """

    def __init__(self) -> None:
        self.known: dict[str, dict[int, float]] = {}

    def note(self, model: str, pixels: int, seconds: float) -> None:
        """Remember that one worker took so long for a picture of so many pixels."""
        known, size = self.known.setdefault(model, {}), size_class(pixels)
        pace = seconds / max(1, pixels)
        known[size] = 0.8 * known[size] + 0.2 * pace if size in known else pace

    def expect(self, model: str, pixels: int) -> float:
        """Seconds that one worker will take: at least what it takes for the next smaller size that is known.

        0 where none is: a model is first tried on a picture of any size.
        """
        known, size = self.known.get(model, {}), size_class(pixels)
        nearest = max((other for other in known if other <= size), default=None)
        return 0.0 if nearest is None else known[nearest] * min(pixels, largest_of(nearest))


def size_class(pixels: int) -> int:
    return max(1, pixels).bit_length() // 2


def largest_of(size: int) -> int:
    """The most pixels in this class."""
    return 4**size * 2 - 1
