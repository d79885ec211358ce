"""Images: values between black and white, of any number of channels; float `B C H W` in [-1, 1] for methods."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from diptych import images
from diptych.images import Picture

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Images:
    """Those of one domain: how many channels they have, the type of their values, and which are black and white."""

    channels: int
    dtype: str = "uint8"
    low: float = 0.0
    high: float = 255.0

    def read(self, picture: Picture, *, snap: bool = False) -> Picture:
        """An image of a file with the domain's channels."""
        return replace(picture, array=images.match_channels(picture.array, self.channels))

    def tensor(self, array: np.ndarray | Tensor, instances: np.ndarray | Tensor | None = None) -> Tensor:
        """Values `[B] H W C` as `[B] C H W` in [-1, 1], on their device."""
        return images.to_unit(array, self.low, self.high)

    def picture(self, output: Tensor) -> Picture:
        """What a network gives, `C H W` in [-1, 1], as an image of the domain."""
        array = images.from_unit(output, self.dtype, self.low, self.high)
        return Picture(array, span=(self.low, self.high))
