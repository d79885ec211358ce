"""How many kinds of real pictures the outputs have, by the outputs' neighbourhoods, in the features of SqueezeNet."""

from __future__ import annotations

import numpy as np

from diptych.metrics import manifold
from diptych.metrics.interval import Interval
from diptych.metrics.manifold import BETTER, BIASED
from diptych.metrics.squeezenet import FEATURES, features

__all__ = ["BETTER", "BIASED", "PROTOCOL", "compare", "distance", "features"]

WHAT = (
    "share of real pictures in the neighbourhood of an output (Kynkaanniemi et al. 2019): how many kinds "
    "of real ones the outputs have"
)
PROTOCOL = f"{manifold.PROTOCOL.format(what=WHAT, k=3)}; features: {FEATURES}"


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The value for outputs with features `N D` beside real pictures, `M D`."""
    return manifold.recall(manifold.distances(a, b))


def compare(a: np.ndarray, b: np.ndarray, *, size: int, seed: int = 0) -> Interval:
    """The same of `size` pictures of each, with its interval."""
    return manifold.compare(manifold.recall, a, b, size=size, seed=seed)
