"""How often a run scores its held-out pairs: by default so rarely that this takes a tenth of the time at most."""

from __future__ import annotations

import time

SHARE = 0.1


class Pace:
    """Measures a training from its `images`-th image on, and what one validation takes of it."""

    def __init__(self, images: int) -> None:
        self.begun, self.images = time.monotonic(), images

    def seconds(self, images: int) -> float:
        """What an image has taken so far, until the `images`-th."""
        return (time.monotonic() - self.begun) / max(1, images - self.images)


def rarer(every: int, validation: float, image: float) -> int:
    """Images between two validations: as many as now, or twice, four times ... as many, until their share is small.

    every: as many as now. validation, image: the seconds that one takes.
    """
    while validation > SHARE * every * image:
        every *= 2
    return every
