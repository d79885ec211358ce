"""How sure a number is: intervals over the pictures it was measured on.

Efron: Bootstrap Methods: Another Look at the Jackknife, 1979 (the percentile interval).
Efron, Stein: The Jackknife Estimate of Variance, 1981.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A value, such as a mean, and the interval about it."""

    value: float
    low: float
    high: float


def bootstrap(values: Sequence[float], *, seed: int = 0, samples: int = 2000, level: float = 0.95) -> Interval:
    """The mean of `values` and the percentile interval that covers the true mean in about `level` of all cases.

    `samples` times as many values are drawn with replacement, the same for the same `seed`. One value alone has no
    spread: its interval is the value itself. It is somewhat too narrow under 20 values or so. `values` is not empty.
    """
    array = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = [array[rng.integers(len(array), size=len(array))].mean() for _ in range(samples)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(array.mean()), float(low), float(high))


def jackknife(value: float, without: Sequence[float], *, level: float = 0.95) -> Interval:
    """The interval about `value` by what it becomes `without` each of several equal groups of the data.

    Nothing is drawn twice, so it suits what is biased by copies. It knows the value's spread, not its bias.
    """
    groups = len(without)
    error = float(np.sqrt((groups - 1) * np.var(without)))
    reach = NormalDist().inv_cdf((1 + level) / 2) * error
    return Interval(value, value - reach, value + reach)
