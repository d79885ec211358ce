"""Two sets of pictures by their neighbours: whether outputs lie among the real pictures, and these among the outputs.

A picture's neighbourhood is the ball about it that reaches to its K-th nearest of its own set.
Kynkaanniemi, Karras, Laine, Lehtinen, Aila: Improved Precision and Recall Metric for Assessing Generative Models,
NeurIPS 2019; Naeem, Oh, Uh, Choi, Yoo: Reliable Fidelity and Diversity Metrics for Generative Models, ICML 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from diptych.errors import DataError
from diptych.metrics.interval import Interval, jackknife

BETTER: Literal["higher", "lower"] = "higher"
BIASED = True
GROUPS = 20
PROTOCOL = (
    "{what}; a neighbourhood reaches to the picture's {k} nearest of its own set; of equally many pictures of both "
    "sets, drawn once without replacement, since the share depends on their number; interval by the jackknife over "
    f"{GROUPS} groups of pictures"
)


class Distances(NamedTuple):
    """Between the outputs (rows) and the real pictures (columns), among the outputs, and among the real ones."""

    between: np.ndarray
    outputs: np.ndarray
    real: np.ndarray

    def without(self, output: np.ndarray, real: np.ndarray) -> Distances:
        """Of those outputs and real pictures that are kept."""
        return Distances(
            self.between[np.ix_(output, real)], self.outputs[np.ix_(output, output)], self.real[np.ix_(real, real)]
        )


Share = Callable[[Distances], float]


def precision(found: Distances, k: int = 3) -> float:
    """The share of outputs in the neighbourhood of a real picture."""
    return float((found.between <= reach(found.real, k)).any(axis=1).mean())


def recall(found: Distances, k: int = 3) -> float:
    """The share of real pictures in the neighbourhood of an output."""
    return float((found.between <= reach(found.outputs, k)[:, None]).any(axis=0).mean())


def density(found: Distances, k: int = 5) -> float:
    """In how many neighbourhoods of real pictures an output lies, divided by K: 1 for sets of one kind."""
    return float((found.between <= reach(found.real, k)).sum(axis=1).mean() / k)


def coverage(found: Distances, k: int = 5) -> float:
    """The share of real pictures with an output in their neighbourhood."""
    return float((found.between.min(axis=0) <= reach(found.real, k)).mean())


def reach(own: np.ndarray, k: int) -> np.ndarray:
    """How far the neighbourhood of each picture of a set reaches; to the farthest where there are no more than K."""
    others = own.copy()
    np.fill_diagonal(others, np.inf)
    nearest: np.ndarray = np.partition(others, min(k, len(own) - 1) - 1, axis=1)[:, min(k, len(own) - 1) - 1]
    return nearest


def distances(a: np.ndarray, b: np.ndarray) -> Distances:
    """Euclidean, of features `N D` and `M D`. Raises DataError for fewer pictures than two."""
    if min(len(a), len(b)) < 2:
        raise DataError(f"a neighbourhood needs two pictures of each set; there are {len(a)} and {len(b)}")
    return Distances(apart(a, b), apart(a, a), apart(b, b))


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The distance of each of `N D` from each of `M D`."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    found: np.ndarray = np.sqrt(squares.clip(min=0))
    return found


def compare(share: Share, a: np.ndarray, b: np.ndarray, *, size: int, seed: int) -> Interval:
    """A share of `size` outputs and as many real pictures, by their features, with its interval."""
    rng = np.random.default_rng(seed)
    a, b = (some[np.sort(rng.permutation(len(some))[:size])] for some in (a, b))
    found = distances(a, b)
    value, groups = share(found), min(GROUPS, len(a), len(b))
    if groups < 3:
        return Interval(value, value, value)
    of_a, of_b = (rng.permutation(len(some)) % groups for some in (a, b))
    _, low, high = jackknife(value, [share(found.without(of_a != k, of_b != k)) for k in range(groups)])
    return Interval(value, max(0.0, low), high)
