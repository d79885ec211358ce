"""How like real pictures the outputs are, in the features of SqueezeNet."""

from __future__ import annotations

import numpy as np

from diptych.metrics import manifold
from diptych.metrics.interval import Interval
from diptych.metrics.manifold import BETTER, BIASED
from diptych.metrics.squeezenet import FEATURES, features

__all__ = ["BETTER", "BIASED", "PROTOCOL", "compare", "distance", "features"]

WHAT = (
    "in how many neighbourhoods of real pictures an output lies, divided by 5 (Naeem et al. 2020): how "
    "like real ones outputs are, 1 for sets of one kind, and above"
)
PROTOCOL = f"{manifold.PROTOCOL.format(what=WHAT, k=5)}; features: {FEATURES}"


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The value for outputs with features `N D` beside real pictures, `M D`."""
    return manifold.density(manifold.distances(a, b))


def compare(a: np.ndarray, b: np.ndarray, *, size: int, seed: int = 0) -> Interval:
    """The same of `size` pictures of each, with its interval."""
    return manifold.compare(manifold.density, a, b, size=size, seed=seed)
