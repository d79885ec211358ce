"""A frame around the pictures: the outermost pixels darker, lighter, smoother or rougher than in real pictures.

Networks that pad with zeros, or mirror, meet other values at the border than inside: Alsallakh et al.: Mind the Pad,
ICLR 2021.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from diptych.errors import DataError
from diptych.metrics.interval import Interval
from diptych.metrics.sets import by_groups

SMALLEST = 32
WIDTHS = (2, 8)
FINE, COARSE = (2 * 2 / 255) ** 2, (8 * 2 / 255) ** 2  # two and eight grey levels of 8 bits
UNCLEAR = 0.5**2  # of a logarithm: detail varies from place to place by so much
NOTABLE = 1.1
PROTOCOL = (
    "how far the border ring of the outputs is from that of the real pictures, each beside the next ring inwards: "
    "brightness, in rings of 2 and of 8 pixels, and detail (logarithm of the mean squared step between neighbours), in "
    "rings of 8; the squared shift of the mean over the pictures, less what chance adds to it, over the variance of "
    "the real pictures (of brightness 2 to 8 grey levels in 255, of detail at least 0.5, squared); the square root of "
    "1 and the largest of the three: 1 is as in real pictures; interval by the jackknife over 20 groups of pictures"
)
BETTER: Literal["higher", "lower"] = "lower"
BIASED = False


@torch.no_grad()
def features(pictures: Tensor) -> np.ndarray:
    """The border ring less the next, of pictures `B C H W` in [-1, 1]: each channel's mean by width, detail: `B 2C+1`.

    Raises DataError for sides under 32 pixels.
    """
    height, width = pictures.shape[-2:]
    if min(height, width) < SMALLEST:
        raise DataError(f"frame needs {SMALLEST} pixels a side; a picture of {width} x {height} is smaller")
    x = pictures.double()
    rings = [[sides(inside(x, width * k), width) for k in (0, 1)] for width in WIDTHS]
    levels = [level(ring) - level(beside) for ring, beside in rings]
    ring, beside = rings[-1]
    return torch.cat([*levels, detail(ring) - detail(beside)], dim=1).cpu().numpy()


def inside(x: Tensor, border: int) -> Tensor:
    """The picture without so many pixels at each side."""
    return x[:, :, border : x.shape[2] - border, border : x.shape[3] - border]


def sides(x: Tensor, width: int) -> list[Tensor]:
    """The outermost pixels of each side, each corner once, turned to lie on top."""
    return [torch.rot90(x, k, (2, 3))[:, :, :width, width:] for k in range(4)]


def level(ring: list[Tensor]) -> Tensor:
    """The mean of each channel: `B C`."""
    return torch.cat([side.flatten(2) for side in ring], dim=2).mean(dim=2)


def detail(ring: list[Tensor]) -> Tensor:
    """The logarithm of the mean squared step from pixel to pixel, along the side and across it: `B 1`."""
    steps = [side.diff(dim=dim).square().flatten(1) for side in ring for dim in (2, 3)]
    return (torch.cat(steps, dim=1).mean(dim=1, keepdim=True) + FINE).log()


def shifts(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """How far each part of the ring in `a` is from that in `b`: squared, in units of the variance in `b`.

    Raises DataError where the pictures have not equally many channels.
    """
    if a.shape[1] != b.shape[1]:
        raise DataError("frame compares pictures of equally many channels; those of the two sets differ")
    narrow, wide, detail = (slice(0, (count := b.shape[1] // 2)), slice(count, 2 * count), slice(2 * count, None))
    return {
        f"in the brightness of the outermost {WIDTHS[0]} pixels": shift(a[:, narrow], b[:, narrow], FINE, COARSE),
        f"in the brightness of the outermost {WIDTHS[1]} pixels": shift(a[:, wide], b[:, wide], FINE, COARSE),
        f"in the detail of the outermost {WIDTHS[1]} pixels": shift(a[:, detail], b[:, detail], UNCLEAR, np.inf),
    }


def shift(a: np.ndarray, b: np.ndarray, least: float, most: float) -> float:
    """The squared difference of the means less what chance adds, over the variance in `b`, within bounds."""
    chance = sum(some.var(axis=0) / max(1, len(some) - 1) for some in (a, b))
    apart = ((a.mean(axis=0) - b.mean(axis=0)) ** 2 - chance).mean()
    return float(apart / b.var(axis=0).mean().clip(least, most))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The root of 1 and the largest shift: features `N D` of outputs beside `M D` of real pictures."""
    return max(0.0, 1 + max(shifts(a, b).values())) ** 0.5


def compare(a: np.ndarray, b: np.ndarray, *, size: int = 0, seed: int = 0) -> Interval:
    """The distance with its interval; neither the number of pictures nor chance changes it."""
    return by_groups(distance, a, b)


def meaning(a: np.ndarray, b: np.ndarray) -> str:
    """What the distance says, in words."""
    found = shifts(a, b)
    if distance(a, b) < NOTABLE:
        return "the border is as in real pictures"
    return f"a frame: unlike real pictures {max(found, key=lambda one: found[one])}"
