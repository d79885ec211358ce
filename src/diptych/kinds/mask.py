"""Where something is meant: 1 inside and 0 outside, float `B 1 H W` for methods; in files white and black.

A file of two values has the larger one inside, whatever it is; of more, what is brighter than half of white is inside.
"""

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
        found = np.unique(numbers)
        if len(found) > 2:  # smeared, or soft: half of white is the border
            white = np.iinfo(numbers.dtype).max if numbers.dtype.kind in "ui" else 1.0
            return (numbers[..., :1] > white / 2).astype(np.uint8)
        return (numbers[..., :1] > (found[0] if len(found) == 2 else 0)).astype(np.uint8)

    def tensor(self, maps: Tensor) -> Tensor:
        return maps.float()


KIND = Mask()
