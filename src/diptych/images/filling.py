"""Holes in pictures filled with what is around them: a guess without any detail.

Gortler, Grzeszczuk, Szeliski, Cohen: The Lumigraph, 1996: pull and push.
"""

from __future__ import annotations

import numpy as np

from diptych.images.values import Span, as_dtype


def smooth_guess(array: np.ndarray, hole: np.ndarray, span: Span) -> np.ndarray:
    """`H W C` with the hole, `H W 1` of bool, filled smoothly; all else is as it was. span: black and white.

    A picture that is all hole becomes its dtype's zero.
    """
    known = (~hole).astype(np.float32)
    guess = _pulled(np.where(hole, 0, array).astype(np.float32), known)
    return np.where(hole, as_dtype(guess, array.dtype, span), array)


def _pulled(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Values, known where the weight is above zero, everywhere: the gaps from the same at half the size."""
    height, width = weight.shape[:2]
    if weight.all() or max(height, width) <= 1:
        return np.divide(values, weight, out=np.zeros_like(values), where=weight > 0)
    sides = (0, height % 2), (0, width % 2), (0, 0)
    inside = np.pad(values * weight, sides), np.pad(weight, sides)
    small_sum, small_weight = (one[::2, ::2] + one[1::2, ::2] + one[::2, 1::2] + one[1::2, 1::2] for one in inside)
    small = np.divide(small_sum, small_weight, out=np.zeros_like(small_sum), where=small_weight > 0)
    below = _pulled(small, small_weight.clip(0, 1))
    return np.where(weight > 0, values, _doubled(below)[:height, :width])


def _doubled(values: np.ndarray) -> np.ndarray:
    """Twice as high and wide, by linear interpolation."""
    for axis in (0, 1):
        size = values.shape[axis]
        before = values.take(np.arange(-1, size - 1).clip(min=0), axis)
        behind = values.take(np.arange(1, size + 1).clip(max=size - 1), axis)
        both = np.stack([0.75 * values + 0.25 * before, 0.75 * values + 0.25 * behind], axis=axis + 1)
        values = both.reshape(*values.shape[:axis], 2 * size, *values.shape[axis + 1 :])
    return values
