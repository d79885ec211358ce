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


SMALL = 2**14
"""Pixels of a picture that takes no longer than one of a single pixel: there are costs besides."""


class Pace:
    """How long a model takes for a pixel, on the whole and of late."""

    def __init__(self) -> None:
        self.known: dict[str, float] = {}

    def note(self, model: str, pixels: int, seconds: float) -> None:
        """Remember that one worker took so long for so many pixels."""
        pace = seconds / max(SMALL, pixels)
        self.known[model] = pace if model not in self.known else 0.8 * self.known[model] + 0.2 * pace

    def expect(self, model: str, pixels: int) -> float:
        """Seconds that one worker will take; 0 of a model that has not run yet."""
        return self.known.get(model, 0.0) * max(SMALL, pixels)
