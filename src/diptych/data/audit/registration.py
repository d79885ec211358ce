"""Whether the two images of a pair show one thing in one place: their edges are compared, by phase correlation.

Kuglin and Hines, The phase correlation image alignment method, 1975; of edges, so that the two may have other colours,
and with spectra that are divided by less than their whole strength, so that what one image alone shows counts less.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from diptych.data.audit.looking import AT_MOST, FEW_IDS

REACH = 24
"""Pixels of the compared images by which a shift is looked for, in each direction."""
WHITENING, SMOOTHING = 0.8, 1.0
"""Exponent of the strengths that are divided by, and the width in pixels of the Gaussian that smooths the result."""
NEAR = 3
"""Pixels around a peak that belong to it."""
CLEAR, AHEAD = 1.5, 4.0
"""How far the highest peak must lie above the next one (factor), and above no shift (standard deviations)."""
SKETCH, CLOSE = 96, 2
"""Height and width to which edges are brought to compare pairs with one another, and the shifts allowed there."""
SMALLEST = 16
"""Pixels of the shorter side that are enough to compare."""
STRANGERS = 16
"""Images of other pairs that each image is compared with."""


class Edges(NamedTuple):
    """The edges of one image as whitened spectra: at its size, or reduced by a factor, and in one size for all."""

    spectrum: np.ndarray
    sketch: np.ndarray
    factor: int


class Agreement(NamedTuple):
    """How the edges of the two images of a pair agree."""

    dx: int  # by how many pixels of the files what the second image shows lies to the right of the first's
    dy: int  # and below it
    clear: bool  # whether this shift is far more likely than all others
    own: float  # how well the sketches agree, in standard deviations
    strangers: tuple[float, ...]  # the same of the first image and of other pairs' second ones

    @property
    def distance(self) -> float:
        return float(np.hypot(self.dx, self.dy))


def edges(array: np.ndarray, *, ids: bool = False) -> Edges | None:
    """The edges of an image `H W C`; of class ids, where they change. None for an image that is too small."""
    factor = -(-max(array.shape[:2]) // AT_MOST)
    if min(array.shape[:2]) < SMALLEST * factor:
        return None
    if ids or (array.dtype == np.uint8 and int(array.max()) < FEW_IDS):
        x = array[::factor, ::factor]
        strength = ((x[1:, :-1] != x[:-1, :-1]) | (x[:-1, 1:] != x[:-1, :-1])).any(axis=2).astype(np.float32)
    else:
        x = _reduced(array, factor)
        strength = np.sqrt((np.abs(x[1:, :-1] - x[:-1, :-1]) + np.abs(x[:-1, 1:] - x[:-1, :-1])).sum(axis=2))
    height, width = (side - side % 16 if side >= 64 else side for side in strength.shape)
    small = np.asarray(Image.fromarray(strength).resize((SKETCH, SKETCH), Image.Resampling.BOX))
    return Edges(_spectrum(strength[:height, :width]), _spectrum(small), factor)


def agreement(a: Edges, b: Edges, strangers: Sequence[Edges]) -> Agreement:
    """How two images of one size agree; and the first with `strangers`, of any size."""
    surface = _correlation(a.spectrum, b.spectrum)
    top, left = (int(n) for n in np.unravel_index(surface.argmax(), surface.shape))
    peak, middle = float(surface[top, left]), len(surface) // 2
    still = float(surface[middle - 1 : middle + 2, middle - 1 : middle + 2].max())
    surface[max(0, top - NEAR) : top + NEAR + 1, max(0, left - NEAR) : left + NEAR + 1] = -np.inf
    clear = peak > CLEAR * float(surface.max()) and peak - still > AHEAD
    own, *rest = _close(a.sketch, np.stack([b.sketch, *(one.sketch for one in strangers)])).tolist()
    return Agreement((left - middle) * a.factor, (top - middle) * a.factor, clear, own, tuple(rest))


def _reduced(array: np.ndarray, factor: int) -> np.ndarray:
    """As float32, from 0 to 255 in each of its channels at most."""
    if array.dtype == np.uint8 and factor == 1:
        return array.astype(np.float32)
    planes = [Image.fromarray(np.ascontiguousarray(array[..., c].astype(np.float32))) for c in range(array.shape[2])]
    x = np.stack([np.asarray(plane.reduce(factor)) for plane in planes], axis=2)
    if array.dtype == np.uint8:
        return x
    low, high = np.percentile(x, (1, 99))
    spread: np.ndarray = (x.clip(low, high) - low) * (255 / max(float(high - low), 1e-30))
    return spread


def _spectrum(strength: np.ndarray) -> np.ndarray:
    """Of edges without the mean of those around them, fading out to the borders; whitened, and smoothed by half."""
    height, width = strength.shape
    fading, smooth = _windows(height, width)
    x = (strength - _around(strength)) * fading
    spectrum = np.fft.rfft2(x - x.mean())
    power = np.abs(spectrum) ** WHITENING
    whitened: np.ndarray = (spectrum / (power + 1e-2 * power.mean() + 1e-12) * smooth).astype(np.complex64)
    return whitened


@lru_cache(maxsize=16)
def _windows(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """What images of a size fade out by, and the half of the smoothing of their spectra."""
    fading = np.sqrt(np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]))
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    return fading.astype(np.float32), np.exp(-((np.pi * SMOOTHING) ** 2) * (y**2 + x**2)).astype(np.float32)


def _around(x: np.ndarray, radius: int = 8) -> np.ndarray:
    """The mean of the square around each pixel."""
    size = 2 * radius + 1
    sums = np.pad(x, ((radius + 1, radius), (radius + 1, radius)), mode="edge").cumsum(axis=0).cumsum(axis=1)
    mean: np.ndarray = (sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]) / size**2
    return mean


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How well b, moved by up to REACH pixels, agrees with a, in standard deviations of all moves."""
    height, width = a.shape[0], 2 * (a.shape[1] - 1)
    moved = np.fft.irfft2(a.conj() * b, s=(height, width))
    reach = min(REACH, (min(height, width) - 1) // 2)
    near = np.roll(moved, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    scaled: np.ndarray = near / (moved.std() + 1e-12)
    return scaled


def _close(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The best agreement of a with each of b, moved by up to CLOSE pixels, in standard deviations of all moves."""
    basis, weights = _moves()
    cross = (a.conj() * b).reshape(len(b), -1)
    best = (cross @ basis).real.max(axis=1)
    scaled: np.ndarray = best / (np.sqrt((np.abs(cross) ** 2 * weights).sum(axis=1)) + 1e-12)
    return scaled


@lru_cache(maxsize=1)
def _moves() -> tuple[np.ndarray, np.ndarray]:
    """The inverse Fourier transform of a sketch at the moves up to CLOSE, and how often each frequency counts."""
    y, x = np.fft.fftfreq(SKETCH), np.fft.rfftfreq(SKETCH)
    weights = np.where((x == 0) | (x == 0.5), 1.0, 2.0) * np.ones((SKETCH, 1))
    moves = [(dy, dx) for dy in range(-CLOSE, CLOSE + 1) for dx in range(-CLOSE, CLOSE + 1)]
    basis = [weights * np.exp(2j * np.pi * (y[:, None] * dy + x[None] * dx)) for dy, dx in moves]
    return np.stack(basis, axis=-1).reshape(-1, len(moves)).astype(np.complex64), weights.reshape(-1).astype(np.float32)


# --- Of a whole folder ------------------------------------------------------------------------------------------------

USUAL, TOLERATED = 2.5, 4.5
"""Pixels by which the edges of pairs differ often, and by which a pair is never called shifted."""
TELLING = 0.9
"""Share of pairs that must agree better than nearly all strangers do, for one that does not to be called strange."""
HALF, NEARLY_ALL = 50, 95
"""Percent of strangers: a strange pair agrees no better than half of them."""
FAINT = 0.25
"""Or no better than nearly all of them, where that is so far below what pairs usually agree."""
NONE = 0.15
"""Share below which pairs agree no better than strangers do."""
ENOUGH = 12
"""Pairs that it takes to say that one is strange."""


def shifted(found: Sequence[Agreement]) -> list[int]:
    """The numbers of the pairs whose two images are shifted against each other.

    None where as many are a little apart: then the edges of the two kinds of images lie so.
    """
    clear = {number: one.distance for number, one in enumerate(found) if one.clear}
    far = [number for number, distance in clear.items() if distance > TOLERATED]
    little = sum(USUAL < distance <= TOLERATED for distance in clear.values())
    return far if len(far) > little else []


def strange(found: Sequence[Agreement]) -> list[int]:
    """The numbers of the pairs that agree no better than strangers do, where nearly all others agree better.

    Shifted ones are not asked.
    """
    half, nearly_all = _strangers(found)
    asked = {number: one for number, one in enumerate(found) if not one.clear or one.distance <= TOLERATED}
    telling = sum(one.own > nearly_all for one in asked.values()) >= TELLING * len(asked) and len(asked) >= ENOUGH
    if not telling:
        return []
    limit = max(half, min(nearly_all, FAINT * float(np.median([one.own for one in asked.values()]))))
    return [number for number, one in asked.items() if one.own <= limit]


def all_strange(found: Sequence[Agreement]) -> bool:
    """Whether hardly any pair agrees better than strangers do."""
    _, nearly_all = _strangers(found)
    return len(found) >= ENOUGH and sum(one.own > nearly_all for one in found) < NONE * len(found)


def _strangers(found: Sequence[Agreement]) -> tuple[float, float]:
    """How well strangers agree: half of them, and nearly all."""
    strangers = [other for one in found for other in one.strangers]
    half, nearly_all = np.percentile(strangers, (HALF, NEARLY_ALL)) if strangers else (-np.inf, -np.inf)
    return float(half), float(nearly_all)
