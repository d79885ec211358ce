"""Kernel distance of two sets of pictures by their features: the squared maximum mean discrepancy.

Binkowski, Sutherland, Arbel, Gretton: Demystifying MMD GANs, ICLR 2018 (as KID, on its network).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from diptych.errors import DataError
from diptych.metrics.interval import Interval

SAMPLES = 1000
PROTOCOL = (
    f"squared maximum mean discrepancy under the kernel (x.y / {{channels}} + 1)^3 of the features of all pictures of "
    f"both sets, unbiased: its mean is the same for any number of pictures, and it may be below zero; percentile "
    f"interval of {SAMPLES} bootstrap samples over the pictures, in which no picture is compared with its own copy"
)
BETTER: Literal["higher", "lower"] = "lower"
BIASED = False


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The unbiased estimate from features `N D` and `M D`. Raises DataError for fewer pictures than two."""
    once = np.ones((1, len(a))), np.ones((1, len(b)))
    return float(_estimates(a, b, *once)[0])


def compare(a: np.ndarray, b: np.ndarray, *, size: int = 0, seed: int = 0) -> Interval:
    """The distance and its bootstrap interval. `size` changes nothing: all draws of any size have this as their mean.

    Raises DataError for fewer pictures than two.
    """
    rng = np.random.default_rng(seed)
    drawn = (rng.multinomial(len(some), np.full(len(some), 1 / len(some)), size=SAMPLES) for some in (a, b))
    low, high = np.nanquantile(_estimates(a, b, *(times.astype(float) for times in drawn)), [0.025, 0.975])
    return Interval(distance(a, b), float(low), float(high))


def _estimates(a: np.ndarray, b: np.ndarray, times_a: np.ndarray, times_b: np.ndarray) -> np.ndarray:
    """The estimate for each way, `S N` and `S M`, of counting every picture so many times: shape `(S,)`."""
    if min(len(a), len(b)) < 2:
        raise DataError(f"a kernel distance needs two pictures of each set; there are {len(a)} and {len(b)}")
    between = np.einsum("sn,nm,sm->s", times_a, kernel(a, b), times_b, optimize=True)
    between /= times_a.sum(axis=1) * times_b.sum(axis=1)
    return _within(kernel(a, a), times_a) + _within(kernel(b, b), times_b) - 2 * between


def _within(kernel: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Mean kernel of two different pictures of one set; not a number where only one was drawn."""
    pairs = np.einsum("sn,nm,sm->s", times, kernel, times, optimize=True) - times**2 @ kernel.diagonal()
    weights = times.sum(axis=1) ** 2 - (times**2).sum(axis=1)
    return np.divide(pairs, weights, out=np.full_like(pairs, np.nan), where=weights > 0)


def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(x.y / D + 1)^3 of each picture of one set and each of the other: `N M`."""
    return (a @ b.T / a.shape[1] + 1) ** 3
