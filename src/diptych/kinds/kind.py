"""What a kind of map is: how a file becomes one, and how methods are given it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


class MapKind(Protocol):
    """One value for each pixel of a picture."""

    what: str
    """In words, as "the map of instances"."""

    dtype: str
    """Of the values, in the cache and on the way to the device."""

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """The map `H W 1` that a file's numbers `H W C` are. Raises DataError for what is none."""

    def tensor(self, maps: Tensor) -> Tensor:
        """Maps `B 1 H W` of `dtype` as methods want them."""
