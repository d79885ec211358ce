"""What a picture is, in memory and in the header of its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diptych.images.metadata import NOTHING, Metadata
from diptych.images.values import Span, value_range


class Header(NamedTuple):
    """What a file says about its picture before anything is decoded: as `read` will deliver it."""

    width: int
    height: int
    channels: int  # of colour, alpha not counted
    dtype: str  # uint8, uint16, int16 or float32
    format: str  # Pillow's name, NPY, NPZ, DICOM or NIFTI
    alpha: bool = False
    orientation: int = 1  # EXIF's 1..8, already applied to width and height
    notes: tuple[str, ...] = ()  # what reading will do to the picture, in words
    palette: bytes | None = None  # red, green, blue of each index, where indices are what will be read


@dataclass(frozen=True)
class Picture:
    """A picture in memory, upright, with its alpha kept aside so that a translated picture gets it back."""

    array: np.ndarray  # H W C
    alpha: np.ndarray | None = None  # H W, of the same dtype
    format: str = "PNG"
    notes: tuple[str, ...] = ()
    palette: np.ndarray | None = None  # N 3 of uint8: the colours that the numbers of a single channel stand for
    ids: bool = False  # its numbers are names, of classes or of things, and are never mixed
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)  # H W 1 each: what goes with it, by its kind
    text: str = ""  # what is said of it
    metadata: Metadata = NOTHING  # what its file says beside the pixels, and is true of a translation too
    exact: bool = False  # some of its pixels are a user's own, and stay so: its file must keep every bit
    span: Span | None = None  # what is black and white in it, where its dtype does not say it
    neighbours: int = 0  # of a slice: of how many on either side the channels are there, around its own
    prepared: bool = False  # it is the source of a pair, as the task makes it of a user's picture

    @property
    def limits(self) -> Span:
        """Black and white: of a picture of which nothing is known, those of its dtype."""
        return self.span or value_range(self.array.dtype)

    @property
    def own(self) -> Picture:
        """The picture without the channels of its neighbours."""
        if not self.neighbours:
            return self
        each = self.array.shape[2] // (2 * self.neighbours + 1)
        array = np.ascontiguousarray(self.array[..., self.neighbours * each :][..., :each])
        return replace(self, array=array, neighbours=0)

    @property
    def visible(self) -> np.ndarray:
        """The picture for eyes: in the colours of its palette, if it has one."""
        return self.own.array if self.palette is None else self.palette[self.array[..., 0]]

    @property
    def windowed(self) -> np.ndarray:
        """The picture for eyes, of numbers that its file has a window for, within it: uint8."""
        if self.metadata.window is None:
            return self.visible
        low, high = self.metadata.window
        share = (self.array.astype(np.float32) - low) / (high - low)
        return (share.clip(0, 1) * 255).round().astype(np.uint8)

    def save(self, path: Path | str) -> Path:
        """Write it as a file whose suffix names the format. Raises DataError where that format cannot hold it."""
        from diptych.images.writing import write

        return write(path, self.array, alpha=self.alpha, palette=self.palette, metadata=self.metadata)

    def _repr_png_(self) -> bytes:
        """How a notebook shows it."""
        from diptych.images.showing import grid
        from diptych.images.writing import encode

        return encode(grid([[self.windowed]], gap=0), "PNG")
