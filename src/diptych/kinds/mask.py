"""Where something is meant: 1 inside and 0 outside, float `B 1 H W` for methods; in files white and black."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diptych.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor


class Mask:
    what = "mask"
    dtype = "uint8"

    def read(self, numbers: np.ndarray) -> np.ndarray:
        if not (numbers == numbers[..., :1]).all():
            raise DataError("a mask is black and white, and this is a colour picture")
        return (numbers[..., :1] > (numbers.max() / 2)).astype(np.uint8)

    def tensor(self, maps: Tensor) -> Tensor:
        return maps.float()


KIND = Mask()
