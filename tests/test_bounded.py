"""However many pictures there are, few are in memory at once."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch

from diptych.images import Picture
from diptych.storage.prefetch import ahead
from diptych.training import snapshot


class Pairs:
    """Many pairs, of which it counts those that were read."""

    val = range(100)

    def __init__(self) -> None:
        self.read = self.most = self.done = 0

    def pairs(self, split: str) -> Iterator[tuple[str, Picture, Picture]]:
        for number in range(100):
            self.read += 1
            yield str(number), Picture(np.zeros((4, 4, 3), np.uint8)), Picture(np.zeros((4, 4, 3), np.uint8))

    def unit(self, picture: Picture, side: int) -> torch.Tensor:
        self.done += 0.5  # output and target
        self.most = max(self.most, self.read - int(self.done))
        return torch.zeros(3, 4, 4)


class Same:
    device, precision = torch.device("cpu"), "float32"

    def many(self, pictures: list[Picture], batch: int) -> Iterator[Picture]:
        yield from pictures


def test_a_score_holds_a_batch_of_pairs_at_a_time() -> None:
    data = Pairs()
    assert snapshot.score(Same(), data, "l1")["count"] == 100  # type: ignore[arg-type]
    assert data.most <= snapshot.AT_ONCE


def test_work_ahead_holds_two_results_a_thread() -> None:
    made = 0

    def work(number: int) -> int:
        nonlocal made
        made += 1
        return number

    for taken, number in enumerate(ahead(work, range(100), threads=2)):
        assert number == taken
        time.sleep(0.001)
        assert made <= taken + 1 + 2 * 2
