"""Small to large: bicubic interpolation to begin with, and the detail that a network has learned to add.

Dong, Loy, He, Tang: Image Super-Resolution Using Deep Convolutional Networks, 2016; degradations beside the mere
reduction as in Wang, Xie, Dong, Shan: Real-ESRGAN, 2021, in one round.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from annotated_types import Interval
from numpy.random import Generator

from diptych import images
from diptych.images import Picture
from diptych.images.degradations import blurred, compressed, noisy
from diptych.images.values import Span, as_dtype
from diptych.tasks.keeping import Restored


class Enlarge(Restored):
    """Pictures to such of two, three or four times their size; learns from photos, which it makes smaller itself.

    scale: how many times longer the sides become. blur, noise: at most so much of it before and after a photo is made
    smaller: the deviation in pixels of the large one, and in values of 0 to 255. jpeg: 100, or the lowest quality that
    it is then compressed with.
    """

    in_parts = False

    def __init__(
        self,
        *,
        scale: Annotated[int, Interval(ge=2, le=4)] = 2,
        blur: Annotated[float, Interval(ge=0, le=8)] = 0.0,
        noise: Annotated[float, Interval(ge=0, le=100)] = 0.0,
        jpeg: Annotated[int, Interval(ge=5, le=100)] = 100,
    ) -> None:
        self.scale, self.blur, self.noise, self.jpeg = scale, blur, noise, jpeg

    def worse(self, array: np.ndarray, span: Span, rng: Generator) -> np.ndarray:
        height, width = array.shape[:2]
        if self.blur:
            array = as_dtype(blurred(array, float(rng.uniform(0, self.blur))), array.dtype, span)
        small = images.resize(array, -(-height // self.scale), -(-width // self.scale))
        if self.noise:
            small = noisy(small, span, float(rng.uniform(0, self.noise)), rng)
        if self.jpeg < 100:
            small = compressed(small, span, int(rng.integers(self.jpeg, 96)))
        return images.resize(small, height, width)

    def source(self, image: Picture) -> Picture:
        height, width = (self.scale * side for side in image.array.shape[:2])
        alpha = None if image.alpha is None else images.resize(image.alpha[..., None], height, width)[..., 0]
        return replace(image, array=images.resize(image.array, height, width), alpha=alpha)

    def finish(self, output: Picture, source: Picture, image: Picture) -> Picture:
        larger = replace(source, metadata=image.metadata.grown(self.scale))
        return super().finish(output, source, larger if not image.prepared else image)


TASK = Enlarge
