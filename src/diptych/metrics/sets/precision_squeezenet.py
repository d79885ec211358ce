"""How many outputs are like real pictures, in the features of SqueezeNet."""

from __future__ import annotations

import numpy as np

from diptych.metrics import manifold
from diptych.metrics.interval import Interval
from diptych.metrics.manifold import BETTER, BIASED
from diptych.metrics.squeezenet import FEATURES, features

__all__ = ["BETTER", "BIASED", "PROTOCOL", "compare", "distance", "features"]

WHAT = "share of outputs in the neighbourhood of a real picture (Kynkaanniemi et al. 2019): how many are like real ones"
PROTOCOL = f"{manifold.PROTOCOL.format(what=WHAT, k=3)}; features: {FEATURES}"


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The value for outputs with features `N D` beside real pictures, `M D`."""
    return manifold.precision(manifold.distances(a, b))


def compare(a: np.ndarray, b: np.ndarray, *, size: int, seed: int = 0) -> Interval:
    """The same of `size` pictures of each, with its interval."""
    return manifold.compare(manifold.precision, a, b, size=size, seed=seed)
