"""Resize, jitter by a crop, mirror: one draw for both sides of a pair, so that they stay registered.

Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, 2017, section 6.2: pictures are resized
to 286x286, cropped at random to 256x256, and mirrored half of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from diptych import images
from diptych.errors import ConfigError
from diptych.images import Picture

Resize = Literal["square", "short", "none"]
JITTER = 286 / 256


class Draw(NamedTuple):
    """What chance decided for one pair: the crop's upper left corner, and whether it is mirrored."""

    top: int
    left: int
    mirror: bool


@dataclass(frozen=True)
class Augment:
    """How pictures become training pictures of one size.

    Args:
        size: height and width of the crop.
        load: length of the shorter side after resizing; by default 286/256 of the crop's, as in the paper.
        flip: mirror half of them.
        resize: "square": the whole picture to the crop's shape; "short": aspect kept; "none": as it is.
        enlarge: with "none", enlarge pictures that are smaller than the crop.
    """

    size: tuple[int, int]
    load: int | None = None
    flip: bool = True
    resize: Resize = "square"
    enlarge: bool = False

    def __post_init__(self) -> None:
        if self.load is not None and self.load < min(self.size):
            raise ConfigError(f"data.load={self.load} is below data.size ({min(self.size)}): make it at least that")

    def loaded(self, height: int, width: int) -> tuple[int, int]:
        """The height and width to which a picture is resized before the crop: this is what the cache keeps."""
        jitter = JITTER if self.load is None else self.load / min(self.size)
        target_h, target_w = (round(side * jitter) for side in self.size)
        if self.resize == "square":
            return target_h, target_w
        if self.resize == "none":
            too_small = height < self.size[0] or width < self.size[1]
            target_h, target_w = self.size if too_small and self.enlarge else (height, width)
        scale = max(target_h / height, target_w / width)
        return round(height * scale), round(width * scale)

    def prepare(self, picture: Picture) -> np.ndarray:
        """`H W C` resized for the crop, ids by the nearest pixel: the slow half, done once."""
        array = picture.array
        return images.resize(array, *self.loaded(*array.shape[:2]), nearest=picture.ids)

    def draw(self, rng: np.random.Generator, height: int, width: int) -> Draw:
        """Decide on the crop of a prepared picture of that size, and on mirroring."""
        top = int(rng.integers(height - self.size[0] + 1))
        left = int(rng.integers(width - self.size[1] + 1))
        return Draw(top, left, bool(rng.integers(2)) and self.flip)

    def apply(self, array: np.ndarray, draw: Draw) -> np.ndarray:
        """Crop and mirror a prepared picture: the fast half, done each time."""
        height, width = self.size
        crop = array[draw.top : draw.top + height, draw.left : draw.left + width]
        return _mirrored(crop) if draw.mirror else np.ascontiguousarray(crop)


def _mirrored(array: np.ndarray) -> np.ndarray:
    """By planes: numpy copies a reversed `H W 3` view four times more slowly than its three planes."""
    mirrored = np.empty_like(array, order="C")
    for channel in range(array.shape[2]):
        mirrored[..., channel] = array[:, ::-1, channel]
    return mirrored
