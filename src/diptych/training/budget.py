"""A training that may take so many minutes: how many images fit into them, planned anew by the speed that is measured.

After about every hundredth of the time the last image is planned again, from what a step takes and from what scores,
grids and saved states take; progress goes on from where it is, a little steeper or flatter, to be 1 when time is up.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any

from diptych.training import processes
from diptych.training.pacing import SHARE

PLANS = 100
"""Parts of the time after which the length is planned again; at the start sooner."""
MEMORY = 0.8
"""What the measured speed keeps of the past at each plan, so that it is that of the last twentieth of the training."""
UNKNOWN = 10**12
"""Images that a training lasts before its first step has been measured."""


@dataclass(frozen=True)
class Course:
    """Progress as a function of the images seen: a straight line from what it is now to 1 at the last image.

    images: the last one. since, progress: the image at which this was planned, and what progress was there.
    """

    images: int
    since: int = 0
    progress: float = 0.0

    def at(self, seen: int) -> float:
        if seen >= self.images:
            return 1.0
        return self.progress + (1 - self.progress) * (seen - self.since) / (self.images - self.since)

    def planned(self, seen: int, images: int) -> Course:
        """From here on to another last image."""
        return Course(images, seen, self.at(seen))


class Stopwatch:
    """Seconds that a run has taken, with those of before it was interrupted."""

    def __init__(self) -> None:
        self.begun, self.before = time.monotonic(), 0.0

    @property
    def seconds(self) -> float:
        return self.before + time.monotonic() - self.begun


class Budget:
    """What is left of `minutes` by the watch `used`, and what a step and all that lies between steps take of it.

    parts: into how many parts the training is divided by its ticks, grids, scores and saved states; every: images
    between those that were asked for by images.
    """

    def __init__(
        self, minutes: float, used: Stopwatch, *, batch: int, parts: dict[str, int], every: dict[str, int]
    ) -> None:
        self.minutes, self.used, self.batch = minutes, used, batch
        self.parts, self.every = parts, every
        self.costs: dict[str, float] = {}
        self.seconds, self.images = 0.0, 0.0  # of the steps measured, older ones counting less
        self.cold = True
        self.mark, self.seen = time.monotonic(), 0  # from when on, and from which image on, steps are measured
        self.next, self.gap = 0, 0
        self.short = False

    @property
    def all(self) -> float:
        """Seconds in all."""
        return 60 * self.minutes

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.all - self.used.seconds

    # --- What is measured ------------------------------------------------------------------------------------------

    def begin(self, seen: int) -> None:
        """Measure steps from here on."""
        self.mark, self.seen = time.monotonic(), seen

    def measure(self, seen: int) -> None:
        """Count the steps since the last call; not the first of a process, which is slow."""
        seconds, images = time.monotonic() - self.mark, seen - self.seen
        self.begin(seen)
        if images and not self.cold:
            self.seconds, self.images = MEMORY * self.seconds + seconds, MEMORY * self.images + images
        self.cold = self.cold and not images

    @contextmanager
    def between(self) -> Iterator[None]:
        """What is done in here is no part of a step."""
        begun = time.monotonic()
        yield
        self.mark += time.monotonic() - begun

    @contextmanager
    def spending(self, name: str) -> Iterator[None]:
        """Measure something that is done now and then, and will be done again."""
        begun = time.monotonic()
        yield
        seconds = time.monotonic() - begun
        self.costs[name] = (self.costs.get(name, seconds) + seconds) / 2

    # --- What is planned -------------------------------------------------------------------------------------------

    def plan(self, seen: int, course: Course, *, saves: int) -> Course:
        """The course from here on, as the first process plans it. saves: how many translators the end writes."""
        self.measure(seen)
        known = self.images or self.left <= 0
        images = self.last_image(seen, course.at(seen), saves) if known else UNKNOWN
        self.next = seen + max(1, self.gap) * self.batch
        images, self.next = (processes.agreed(n if processes.rank() == 0 else None) or n for n in (images, self.next))
        return course.planned(seen, images)

    def last_image(self, seen: int, progress: float, saves: int) -> int:
        """The image that time is up at; at least a batch away."""
        pace = self.seconds / self.images if self.images else self.all
        by_images = sum(self.costs.get(name, 0.0) / every for name, every in self.every.items())
        left = self.left - self.later(progress) - saves * self.costs.get("save", 0.0)
        batches = round(left / (pace + by_images) / self.batch)
        self.short = batches < 1
        self.gap = min(max(1, 2 * self.gap), int(self.all / PLANS / pace / self.batch))
        return seen + max(1, batches) * self.batch

    def later(self, progress: float) -> float:
        """Seconds that ticks, grids, scores and saved states will take, those at the last image among them."""
        ahead = {name: parts - int(parts * progress) for name, parts in self.parts.items()}
        ahead |= dict.fromkeys(self.every, 1)
        unknown = SHARE / 2 * self.all if "validate" in ahead and "validate" not in self.costs else 0.0
        return unknown + sum(number * self.costs.get(name, 0.0) for name, number in ahead.items())

    def due(self, before: float, now: float) -> set[str]:
        """What is to be done once progress has come from `before` to `now`."""
        return {name for name, parts in self.parts.items() if int(parts * before) != int(parts * now)}

    def allowed(self) -> float:
        """Seconds that one validation may take now."""
        return max(self.left / 2, SHARE * self.all, 1.5 * self.costs.get("validate", 0.0))

    def thin(self) -> bool:
        """Make validations rarer, until they take a tenth of the time at most; whether that changed anything."""
        before = self.parts.get("validate", 1)
        while (parts := self.parts.get("validate", 1)) > 1 and parts * self.costs["validate"] > SHARE * self.all:
            self.parts["validate"] = parts // 2
        return self.parts.get("validate", 1) != before

    # --- Its state -------------------------------------------------------------------------------------------------

    def state(self, course: Course) -> dict[str, Any]:
        return {
            "minutes": self.minutes, "course": list(astuple(course)), "seconds": self.seconds, "images": self.images,
            "costs": dict(self.costs), "parts": dict(self.parts), "every": dict(self.every),
        }  # fmt: skip

    def load(self, state: Mapping[str, Any] | None, seen: int) -> Course:
        """Go on from `state`; in a run that was to be of another length, progress is the part of the time it used."""
        if state:
            self.seconds, self.images, self.costs = state["seconds"], state["images"], dict(state["costs"])
            if state["minutes"] == self.minutes:
                for mine, there in ((self.parts, state["parts"]), (self.every, state["every"])):
                    mine.clear()
                    mine.update(there)
                return Course(*state["course"])
        return Course(UNKNOWN, seen, min(1.0, self.used.seconds / self.all))
