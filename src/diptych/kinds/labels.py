"""Label maps: the number of a class at each pixel; one-hot `B K H W` of -1 and 1 for methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diptych.images import Picture
from diptych.images.legend import Legend, from_one_hot, to_one_hot

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Labels:
    """Those of one domain, whose classes its legend names."""

    legend: Legend

    def read(self, picture: Picture, *, snap: bool = False) -> Picture:
        """The ids of a file, by their numbers or colours; snap: of other colours the nearest. Raises DataError."""
        return self.legend.read(picture, snap=snap)

    def tensor(self, array: np.ndarray | Tensor, instances: np.ndarray | Tensor | None = None) -> Tensor:
        """Ids `[B] H W 1` as one-hot channels, and the borders between instances where the legend has them."""
        return to_one_hot(array, self.legend, instances)

    def picture(self, output: Tensor) -> Picture:
        """What a network gives, `K H W`, as ids: at each pixel the class with the largest value."""
        return from_one_hot(output, self.legend)
