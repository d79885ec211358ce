"""Blurred to sharp: a network learns from photos that are blurred by lenses out of focus, or by a camera that moves.

Nah, Kim, Lee: Deep Multi-Scale Convolutional Neural Network for Dynamic Scene Deblurring, CVPR 2017, set the task.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Interval
from numpy.random import Generator

from diptych.images.degradations import blurred, moved, noisy
from diptych.images.values import Span, as_dtype
from diptych.tasks.keeping import Restored


class Deblur(Restored):
    """Sharpens blurred pictures; learns from sharp photos, which it blurs itself.

    focus: the largest deviation in pixels of a blur to all sides. motion: the longest way in pixels that the camera
    moves. noise: the largest deviation of what is added afterwards, in values of 0 to 255.
    """

    def __init__(
        self,
        *,
        focus: Annotated[float, Interval(ge=0, le=20)] = 2.5,
        motion: Annotated[float, Interval(ge=0, le=100)] = 9.0,
        noise: Annotated[float, Interval(ge=0, le=50)] = 2.0,
    ) -> None:
        self.focus, self.motion, self.noise = focus, motion, noise

    def worse(self, array: np.ndarray, span: Span, rng: Generator) -> np.ndarray:
        if rng.random() < 0.5:
            array = as_dtype(blurred(array, float(rng.uniform(0, self.focus))), array.dtype, span)
        else:
            array = as_dtype(moved(array, rng.uniform(0, self.motion), rng.uniform(0, np.pi)), array.dtype, span)
        return noisy(array, span, float(rng.uniform(0, self.noise)), rng) if self.noise else array


TASK = Deblur
