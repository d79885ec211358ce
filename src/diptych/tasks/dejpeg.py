"""Compressed to clean: a network learns to take out the blocks and rings that JPEG leaves.

Dong, Deng, Loy, Tang: Compression Artifacts Reduction by a Deep Convolutional Network, ICCV 2015.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Interval
from numpy.random import Generator

from diptych.errors import ConfigError
from diptych.images.degradations import compressed
from diptych.images.values import Span
from diptych.tasks.keeping import Restored

Quality = Annotated[int, Interval(ge=1, le=95)]


class Dejpeg(Restored):
    """Takes the marks of JPEG out of pictures; learns from clean photos, which it compresses itself.

    least, most: between which the quality lies; another one for each photo, colours at half the resolution or at all.
    """

    def __init__(self, *, least: Quality = 10, most: Quality = 80) -> None:
        if least > most:
            raise ConfigError(f"task.least={least} is above task.most={most}: exchange them")
        self.least, self.most = least, most

    def worse(self, array: np.ndarray, span: Span, rng: Generator) -> np.ndarray:
        return compressed(
            array, span, int(rng.integers(self.least, self.most + 1)), subsampled=bool(rng.random() < 0.8)
        )


TASK = Dejpeg
