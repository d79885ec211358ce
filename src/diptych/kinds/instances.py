"""Which thing each pixel belongs to: whole numbers, ids below 65536, int64 `B 1 H W` for methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diptych.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor


class Instances:
    what = "map of instances"
    dtype = "uint16"

    def read(self, numbers: np.ndarray) -> np.ndarray:
        if numbers.shape[2] != 1 or numbers.dtype.kind == "f":
            found = f"{numbers.shape[2]} channel(s) of {numbers.dtype}"
            raise DataError(f"a map of instances has one channel of whole numbers, not {found}")
        return numbers.astype(np.uint16)

    def tensor(self, maps: Tensor) -> Tensor:
        return maps.long()


KIND = Instances()
