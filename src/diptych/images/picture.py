"""What a picture is, in memory and in the header of its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Header(NamedTuple):
    """What a file says about its picture before anything is decoded: as `read` will deliver it."""

    width: int
    height: int
    channels: int  # of colour, alpha not counted
    dtype: str  # uint8, uint16 or float32
    format: str  # Pillow's name, or NPY
    alpha: bool = False
    orientation: int = 1  # EXIF's 1..8, already applied to width and height
    notes: tuple[str, ...] = ()  # what reading will do to the picture, in words


@dataclass(frozen=True)
class Picture:
    """A picture in memory, upright, with its alpha kept aside so that a translated picture gets it back."""

    array: np.ndarray  # H W C
    alpha: np.ndarray | None = None  # H W, of the same dtype
    format: str = "PNG"
    notes: tuple[str, ...] = ()

    def save(self, path: Path | str) -> Path:
        """Write it as a file whose suffix names the format. Raises DataError where that format cannot hold it."""
        from diptych.images.writing import write

        return write(path, self.array, alpha=self.alpha)

    def _repr_png_(self) -> bytes:
        """How a notebook shows it."""
        from diptych.images.showing import grid
        from diptych.images.writing import encode

        return encode(grid([[self.array]], gap=0), "PNG")
