"""Frechet distance of two sets of pictures by their features: how far two fitted Gaussians are apart.

Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter: GANs Trained by a Two Time-Scale Update Rule Converge to a Local
Nash Equilibrium, NeurIPS 2017 (as FID, on its network). On its bias: Chong and Forsyth: Effectively Unbiased
FID and Inception Score and Where to Find Them, CVPR 2020.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from diptych.errors import DataError
from diptych.metrics.interval import Interval, jackknife

DRAWS, GROUPS = 20, 20
PROTOCOL = (
    f"Frechet distance |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of the Gaussians fitted to the features of equally "
    f"many pictures of both sets, mean over {DRAWS} draws of so many without replacement; fewer pictures give higher "
    f"values, so that only values for the same number compare; interval by the jackknife over {GROUPS} groups of "
    f"pictures, since copies, as the bootstrap draws them, would raise the distance"
)
BETTER: Literal["higher", "lower"] = "lower"
BIASED = True


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The distance of the Gaussians fitted to features `N D` and `M D`; N and M at least two, and may be below D.

    With S1 = X'X and S2 = Y'Y, the eigenvalues of S1 S2 are the squared singular values of X Y', so that its root's
    trace is their sum: no matrix root is taken, and covariances without full rank do no harm.
    Raises DataError for fewer pictures.
    """
    if min(len(a), len(b)) < 2:
        raise DataError(f"a Frechet distance needs two pictures of each set; there are {len(a)} and {len(b)}")
    x, y = _root(a), _root(b)
    overlap = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    shift = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    return max(0.0, float(shift + (x**2).sum() + (y**2).sum() - 2 * overlap))


def _root(features: np.ndarray) -> np.ndarray:
    """A matrix X with X'X = the covariance, and no more rows than columns."""
    x = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    return np.asarray(np.linalg.qr(x, mode="r")) if len(x) > x.shape[1] else x


def compare(a: np.ndarray, b: np.ndarray, *, size: int, seed: int = 0) -> Interval:
    """The mean distance of `size` pictures drawn from features `a`, `N D`, and `size` from `b`, `M D`.

    The jackknife leaves out each of the groups of pictures in its turn, and fills the draws up from the others. Every
    such draw is smaller by the same number, so that the distance's dependence on numbers is not taken for its spread.
    Raises DataError for fewer pictures than two.
    """
    rng = np.random.default_rng(seed)
    orders = [(rng.permutation(len(a)), rng.permutation(len(b))) for _ in range(DRAWS)]
    groups = min(GROUPS, size)
    group_a, group_b = (rng.permutation(len(some)) % groups for some in (a, b))

    def mean_distance(size: int, without: int | None = None) -> float:
        drawn = ((x[group_a[x] != without][:size], y[group_b[y] != without][:size]) for x, y in orders)
        return float(np.mean([distance(a[x], b[y]) for x, y in drawn]))

    value = mean_distance(size)
    smaller = size - -(-size // groups)
    if smaller < 2:
        return Interval(value, value, value)
    return jackknife(value, [mean_distance(smaller, group) for group in range(groups)])
