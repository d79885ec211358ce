"""The smooth guess that fills a hole, before a network looks at it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diptych.images.filling import smooth_guess

SIDES = st.integers(1, 40)


@given(height=SIDES, width=SIDES, share=st.floats(0, 1), box=st.booleans(), seed=st.integers(0, 99))
def test_any_hole_is_filled_from_what_is_known(height: int, width: int, share: float, box: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    array = rng.integers(20, 200, (height, width, 3), dtype=np.uint8)
    hole = rng.random((height, width, 1)) < share
    if box:
        hole[:] = False
        hole[: round(share * height), : max(1, width // 2)] = True
    filled = smooth_guess(array, hole, (0.0, 255.0))
    known = ~hole[..., 0]
    assert np.array_equal(filled[known], array[known])
    if known.any():
        low, high = array[known].min(axis=0).astype(int), array[known].max(axis=0).astype(int)
        assert (filled >= low - 1).all()
        assert (filled <= high + 1).all(), "a mean of what is known"


@pytest.mark.parametrize("hole", [np.s_[:, :32], np.s_[:32], np.s_[:63, :63], np.s_[1:]])
def test_a_surface_of_one_value_goes_on_under_half_of_a_picture(hole: tuple[slice, ...]) -> None:
    where = np.zeros((64, 64, 1), bool)
    where[hole] = True
    array = np.where(where, 9, 140).astype(np.uint8)
    assert (smooth_guess(array, where, (0.0, 255.0)) == 140).all()


def test_a_ramp_is_guessed_between_its_ends() -> None:
    ramp = np.broadcast_to(np.arange(64, dtype=np.float32)[None, :, None], (64, 64, 1))
    where = np.zeros((64, 64, 1), bool)
    where[:, 24:40] = True
    guess = smooth_guess(ramp, where, (0.0, 64.0))
    assert (np.diff(guess[32, :, 0]) >= 0).all()
    assert np.abs(guess - ramp).max() < 6
