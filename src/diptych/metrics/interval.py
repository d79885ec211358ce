"""How sure a number is: intervals over the pictures it was measured on.

Efron: Bootstrap Methods: Another Look at the Jackknife, 1979; Hall: Theoretical Comparison of Bootstrap Confidence
Intervals, 1988 (studentised); Tibshirani: Variance Stabilization and the Bootstrap, 1988 (the scale).
Efron, Stein: The Jackknife Estimate of Variance, 1981.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

FURTHEST = 4.0
"""How many times as far as a normal distribution's an end may be: a few equal values tell nothing of the spread."""


class Interval(NamedTuple):
    """A value, such as a mean, and the interval about it."""

    value: float
    low: float
    high: float


def bootstrap(values: Sequence[float], *, seed: int = 0, samples: int = 2000, level: float = 0.95) -> Interval:
    """The mean of `values` and the interval that covers the true mean in about `level` of all cases.

    `samples` times as many values are drawn with replacement, the same for the same `seed`. What is told of the mean
    from them is by how many of their own standard errors their means miss it (studentised), on a scale on which the
    error does not depend on the mean: for where a few large scores are missing, both are too small. It ends at the
    smallest and largest value; one value alone, and equal ones, have no spread. `values` is not empty.
    """
    array = np.asarray(values, dtype=np.float64)
    mean, spread = float(array.mean()), float(array.std())
    if spread <= 1e-12 * max(1.0, abs(mean)):
        return Interval(mean, mean, mean)
    shifts, spreads = resampled((array - mean) / spread, np.random.default_rng(seed), samples)
    slope = dependence(shifts, spreads)
    misses = stable(shifts, slope) / (spreads * np.exp(-slope * shifts))
    above, below = np.quantile(misses, [(1 + level) / 2, (1 - level) / 2])
    furthest = FURTHEST * NormalDist().inv_cdf((1 + level) / 2) / len(array) ** 0.5
    low, high = (mean + spread * np.clip(unstable(-miss, slope), -furthest, furthest) for miss in (above, below))
    return Interval(mean, max(float(low), float(array.min())), min(float(high), float(array.max())))


def resampled(array: np.ndarray, rng: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of `samples` draws with replacement, each of as many values of deviation 1."""
    count, parts = len(array), []
    for begin in range(0, samples, step := max(1, 2**20 // count)):
        drawn = array[rng.integers(count, size=(min(step, samples - begin), count))]
        parts.append((drawn.mean(axis=1), drawn.std(axis=1)))
    means, deviations = zip(*parts, strict=True)
    return np.concatenate(means), np.maximum(np.concatenate(deviations), count**-0.5)  # of copies of one value it is 0


def dependence(shifts: np.ndarray, spreads: np.ndarray) -> float:
    """By how much the logarithm of the standard deviation grows with the mean: the slope of a straight line."""
    x = shifts - shifts.mean()
    slope = float((x * np.log(spreads)).sum() / (x * x).sum())
    return slope if abs(slope) > 1e-6 else 1e-6


def stable(shift: np.ndarray, slope: float) -> np.ndarray:
    """A shift on the scale on which a standard deviation that is exp(slope * shift) is constant."""
    return (1 - np.exp(-slope * shift)) / slope


def unstable(scaled: float, slope: float) -> float:
    """The shift that `stable` took there; a very large one for what is beyond the scale."""
    return float(-np.log(max(1 - slope * scaled, 1e-300)) / slope)


def jackknife(value: float, without: Sequence[float], *, level: float = 0.95) -> Interval:
    """The interval about `value` by what it becomes `without` each of several equal groups of the data.

    Nothing is drawn twice, so it suits what is biased by copies. It knows the value's spread, not its bias.
    """
    groups = len(without)
    error = float(np.sqrt((groups - 1) * np.var(without)))
    reach = NormalDist().inv_cdf((1 + level) / 2) * error
    return Interval(value, value - reach, value + reach)


def share(value: float, count: int, *, level: float = 0.95) -> tuple[float, float]:
    """The interval of a share that was seen in `count` cases, by Wilson's score: also of none and of all.

    Wilson: Probable Inference, the Law of Succession, and Statistical Inference, 1927.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (value + z * z / (2 * count)) / (1 + z * z / count)
    reach = z * float(np.sqrt(value * (1 - value) / count + z * z / (4 * count**2))) / (1 + z * z / count)
    return max(0.0, middle - reach), min(1.0, middle + reach)
