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
class Counters:
    """outcomes: requests by model and code, `ok` or an error's. seconds: by model and stage. batches: by size.

    restarts: workers that ended, of which kills: those that the server ended, by why.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: defaultdict[tuple[str, str], Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    batches: Counter[int] = field(default_factory=Counter)
    retries: int = 0
    restarts: int = 0
    kills: Counter[str] = field(default_factory=Counter)


class Pace:
    """How long a model takes for a picture, of late and by size: known for sizes that it has had, else a low estimate.

    A size class has pictures of up to four times as many pixels as the one below.
    """

    def __init__(self) -> None:
        self.known: dict[str, dict[int, float]] = {}

    def note(self, model: str, pixels: int, seconds: float) -> None:
        """Remember that one worker took so long for a picture of so many pixels."""
        known, size = self.known.setdefault(model, {}), size_class(pixels)
        pace = seconds / max(1, pixels)
        known[size] = 0.8 * known[size] + 0.2 * pace if size in known else pace

    def knows(self, model: str, pixels: int) -> bool:
        """Whether the model has had a picture of this size."""
        return size_class(pixels) in self.known.get(model, {})

    def expect(self, model: str, pixels: int) -> float:
        """Seconds that one worker will take, if anything too few: nothing that could be done is to be refused for it.

        Of a size that is not known: half of what it would take at the pace of the next smaller one, where that is
        large enough to tell, or else what it would take at the pace of a larger one. 0 where nothing is known.
        """
        known, size = self.known.get(model, {}), size_class(pixels)
        if size in known:
            return known[size] * pixels
        smaller = max((other for other in known if other < size), default=None)
        if smaller is None:
            return known[min(known)] * pixels if known else 0.0
        return known[smaller] * (pixels if smaller >= TELLING else 4**smaller) / 2

    def likely(self, model: str, pixels: int) -> float:
        """Seconds that it will not take more than, as far as can be said: for how long somebody should wait."""
        return max(UNKNOWN * pixels, 3 * self.expect(model, pixels))


TELLING = 7
"""Size class from which on the pixels take the time, and not what each picture costs: 128x128."""
UNKNOWN = 1e-5
"""Seconds for a pixel that are waited for in any case: 10 for a million."""


def size_class(pixels: int) -> int:
    return max(1, pixels).bit_length() // 2
