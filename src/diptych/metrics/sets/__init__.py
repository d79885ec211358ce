"""Metrics that compare two sets of pictures without pairs, one file each, found as the metrics of pairs are.

Such a metric is a module with `PROTOCOL`, `BETTER`, `BIASED`, `features(pictures)`, which looks at each picture once,
and two functions of what it saw: `distance(a, b)`, one number, and `compare(a, b, size=, seed=)`, with its interval.
It may have `meaning(a, b)` as well: what the number says, in a sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol, cast

import numpy as np

from diptych.errors import ConfigError
from diptych.metrics.interval import Interval, jackknife
from diptych.options import plugins

if TYPE_CHECKING:
    from torch import Tensor

SPLITS, GROUPS = 100, 20
HALVES = (
    "the real pictures split in two at random, as far apart as equally good pictures are by chance: "
    "mean and middle 95 % of 100 splits"
)
"""The protocol of `halves`."""


class SetMetric(Protocol):
    """What every module of a set metric offers. Features are `N D`, of two pictures at least."""

    PROTOCOL: str
    BETTER: Literal["higher", "lower"]
    BIASED: bool
    """Whether the distance depends on the number of pictures, so that only equal numbers compare."""

    def features(self, pictures: Tensor) -> np.ndarray:
        """What is compared of each of the pictures `B C H W` in [-1, 1]: `B D`, float64."""

    def distance(self, a: np.ndarray, b: np.ndarray) -> float:
        """How far two sets are apart."""

    def compare(self, a: np.ndarray, b: np.ndarray, *, size: int, seed: int = 0) -> Interval:
        """The mean distance of `size` pictures of one set from `size` of the other, with its 95 % interval."""


def names() -> list[str]:
    """The built-in set metrics, by name."""
    return plugins.names(__file__, besides=set())


def find(name: str) -> SetMetric:
    """The set metric `diptych.metrics.sets.<name>`, or the module `name` when it has a dot.

    Raises ConfigError when there is no such module, or one that is no set metric.
    """
    module = plugins.load("set metric", name, __name__, names())
    missing = {"PROTOCOL", "BETTER", "BIASED", "features", "distance", "compare"} - vars(module).keys()
    if missing:
        raise ConfigError(f"the module {module.__name__!r} is not a set metric: it lacks {', '.join(sorted(missing))}")
    return cast(SetMetric, module)


def halves(metric: SetMetric, real: np.ndarray, *, size: int, seed: int = 0) -> Interval:
    """How far `size` of the pictures with features `real` are from `size` others of them.

    The interval is the middle 95 % of 100 random splits. `real` holds twice `size` pictures at least.
    """
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(real)) for _ in range(SPLITS)]
    found = [metric.distance(real[order[:size]], real[order[size : 2 * size]]) for order in orders]
    low, high = np.quantile(found, [0.025, 0.975])
    return Interval(float(np.mean(found)), float(low), float(high))


def by_groups(distance: Callable[[np.ndarray, np.ndarray], float], a: np.ndarray, b: np.ndarray) -> Interval:
    """The distance of two sets, never below zero, and its interval by the jackknife over groups of pictures of both.

    The pictures of a group have the same places in both sets, so that pairs leave together.
    """
    value, groups = distance(a, b), min(GROUPS, len(a), len(b))
    if groups < 2:
        return Interval(value, value, value)
    group_a, group_b = (np.arange(len(some)) % groups for some in (a, b))
    _, low, high = jackknife(value, [distance(a[group_a != k], b[group_b != k]) for k in range(groups)])
    return Interval(value, max(0.0, low), high)
