"""What part of the machine's arithmetic a training reaches: counted in its own steps, once it is under way.

The step's convolutions at the rate of the best dense convolution, divided by the step's time: what is missing to 1 goes
into norms, activations, memory and Python. Counting looks on; nothing that is computed or drawn changes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from diptych.runtime.arithmetic import Convolutions, best_rate, share_in_words
from diptych.training.trainer import Trainer

UNDER_WAY = 5.0
"""Seconds after which steps are as they go on to be; a training that is over by then is not measured."""


class Share:
    """That of `trainer`, whose steps are of `batch` images over all processes. steps: how many may differ in a row."""

    def __init__(self, trainer: Trainer, batch: int, *, steps: int = 1) -> None:
        self.trainer, self.batch, self.steps = trainer, batch, steps
        self.begun, self.operations, self.counted = time.monotonic(), 0, 0
        self.message = trainer.speed.compile  # within compiled networks nothing can be counted

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Run a step in it, and it is counted if it is one of those to be."""
        if self.message or self.counted == self.steps or time.monotonic() - self.begun < UNDER_WAY:
            yield
            return
        with Convolutions() as convolutions:
            yield
        self.operations, self.counted = self.operations + convolutions.operations, self.counted + 1

    def after_tick(self, rate: float) -> str:
        """Once, the share in words, from the images a second since the tick before; else nothing."""
        if self.message or self.counted < self.steps or not self.operations:
            return ""
        self.message, bf16 = True, self.trainer.speed.bf16 is True
        best = best_rate(self.trainer.device, bf16=bf16, batch=self.batch // self.trainer.processes)
        return share_in_words(self.operations / self.counted, self.batch / rate, best, bf16=bf16)
