"""Noisy to clean: a network learns from photos to which noise is added, of any strength that it may meet.

Zhang, Zuo, Chen, Meng, Zhang: Beyond a Gaussian Denoiser, 2017.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Interval
from numpy.random import Generator

from diptych.errors import ConfigError
from diptych.images.degradations import noisy
from diptych.images.values import Span
from diptych.tasks.keeping import Restored

Sigma = Annotated[float, Interval(ge=0, le=200)]


class Denoise(Restored):
    """Takes noise out of pictures; learns from clean photos, to which it adds noise itself.

    least, most: between which the deviation of the noise lies, in values of 0 to 255; another one for each photo.
    """

    def __init__(self, *, least: Sigma = 0.0, most: Sigma = 50.0) -> None:
        if least > most:
            raise ConfigError(f"task.least={least:g} is above task.most={most:g}: exchange them")
        self.least, self.most = least, most

    def worse(self, array: np.ndarray, span: Span, rng: Generator) -> np.ndarray:
        return noisy(array, span, float(rng.uniform(self.least, self.most)), rng)


TASK = Denoise
