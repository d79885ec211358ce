"""A grid over the pictures: power at periods of 2, 4 and 8 pixels beyond that of the frequencies beside them.

Networks that go up by strides leave such lines in the spectrum: Odena, Dumoulin, Olah: Deconvolution and Checkerboard
Artifacts, Distill 2016; Durall, Keuper, Keuper: Watch Your Up-Convolution, CVPR 2020.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diptych.errors import DataError
from diptych.metrics.interval import Interval
from diptych.metrics.sets import by_groups

BAND, SMALLEST = 16, 32
LINES = (1 / 8, 2 / 8, 3 / 8, 4 / 8)
"""Frequencies of all patterns that repeat after 8 pixels, in cycles per pixel."""

OWN = {2: (3,), 4: (1,), 8: (0, 2)}
"""Which of the lines each period has beyond those of the shorter periods, which are its harmonics."""

BESIDE = {64: {-3: -0.4, -2: 0.9, 2: 0.9, 3: -0.4}, 32: {-2: 0.5, 2: 0.5}}
"""Steps to the frequencies beside a line, of one in so many pixels, with their weights: a cubic through four of them.
Two steps from every line none of its power is left in a Hann window."""

FLOOR = (2 / 255) ** 2  # white noise of one grey level of 8 bits: less is not seen
NOTABLE = 1.1
PROTOCOL = (
    "power of the pictures' rows and columns at the frequencies of a grid of 2, 4 and 8 pixels over that of the "
    "frequencies beside them (Hann windows of 64 pixels, of 32 in pictures under 64, white noise of one grey level in "
    "255 added; interpolated in its logarithm; geometric mean over bands of 16 rows and over pictures); what is beyond "
    "1 in the outputs over what is beyond 1 in the real pictures, mean over both axes, the largest of the three "
    "periods: 1 is no more of a grid than real pictures have; interval by the jackknife over 20 groups of pictures"
)
BETTER: Literal["higher", "lower"] = "lower"
BIASED = False


@torch.no_grad()
def features(pictures: Tensor) -> np.ndarray:
    """How far each line stands out, as a logarithm, of pictures `B C H W` in [-1, 1]: along rows, then columns: `B 8`.

    Raises DataError for sides under 32 pixels.
    """
    height, width = pictures.shape[-2:]
    if min(height, width) < SMALLEST:
        raise DataError(f"grid needs {SMALLEST} pixels a side; a picture of {width} x {height} is smaller")
    x = pictures.float()
    return torch.cat([along_rows(x), along_rows(x.mT)], dim=1).double().cpu().numpy()


def along_rows(x: Tensor) -> Tensor:
    """How far each line stands out in the spectrum of the rows of `B C H W`: `B 4`."""
    length = 64 if x.shape[-1] >= 64 else SMALLEST
    steps = BESIDE[length]
    frequencies = [line + step / length for line in LINES for step in (0, *steps)]
    power = spectrum(x[:, :, : x.shape[2] // BAND * BAND], frequencies, length)
    bands = power.unflatten(2, (-1, BAND)).mean(dim=(1, 3))
    level = (bands + FLOOR).log().mean(dim=(1, 3)).unflatten(1, (len(LINES), -1))
    return level[..., 0] - level[..., 1:] @ level.new_tensor(list(steps.values()))


def spectrum(x: Tensor, frequencies: list[float], length: int) -> Tensor:
    """Power of the rows of `B C H W` in Hann windows of `length`, half over each other, the last at the end.

    Shape `B C H F N`. White noise has its variance as power at every frequency.
    """
    place = torch.arange(length, dtype=torch.float64)
    window = 1 - torch.cos(2 * math.pi * place / length)
    angle = 2 * math.pi * place * torch.tensor(frequencies, dtype=torch.float64).unsqueeze(1)
    waves = torch.cat([torch.cos(angle), torch.sin(angle)]) * (window / window.square().sum().sqrt())
    kernel = waves.unsqueeze(1).to(x)
    rows = x.flatten(0, 2).unsqueeze(1)
    seen = torch.cat([F.conv1d(rows, kernel, stride=length // 2), F.conv1d(rows[..., -length:], kernel)], dim=-1)
    real, imaginary = seen.square().chunk(2, dim=1)
    return (real + imaginary).unflatten(0, x.shape[:3])


def ratios(a: np.ndarray, b: np.ndarray) -> dict[int, float]:
    """What is beyond 1 in the power of each period's lines, pictures with features `a` over those with `b`."""
    beyond = (np.exp(some.mean(axis=0).clip(min=0)).reshape(2, len(LINES)) for some in (a, b))
    lines = np.divide(*beyond).mean(axis=0)
    return {period: float(lines[list(own)].mean()) for period, own in OWN.items()}


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The largest of the ratios: features `N 8` of outputs over `M 8` of real pictures."""
    return max(ratios(a, b).values())


def compare(a: np.ndarray, b: np.ndarray, *, size: int = 0, seed: int = 0) -> Interval:
    """The distance with its interval; neither the number of pictures nor chance changes it."""
    return by_groups(distance, a, b)


def meaning(a: np.ndarray, b: np.ndarray) -> str:
    """What the distance says, in words."""
    found = ratios(a, b)
    period = max(found, key=lambda one: found[one])
    each = ", ".join(f"{ratio:.2f} at {one} pixels" for one, ratio in found.items())
    if found[period] < NOTABLE:
        return f"no more of a grid than real pictures have: {each}"
    return f"a grid of {period} pixels that real pictures do not have: {each}"
