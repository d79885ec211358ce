"""The history of fakes: what it keeps, gives back and remembers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from diptych.nn.pool import ImagePool

BATCHES = (2, 1, 3, 4, 1, 5, 2)


def numbered(start: int, count: int) -> Tensor:
    """`count` pictures, each of one number, in the layout of a fast training."""
    pictures = torch.arange(start, start + count).float()[:, None, None, None].expand(-1, 3, 4, 6)
    return pictures.contiguous(memory_format=torch.channels_last)


def numbers(pictures: Tensor) -> list[int]:
    return [int(picture.mean()) for picture in pictures]


def handed_in(pool: ImagePool, seed: int = 0) -> list[int]:
    """What comes back for batches of all sizes."""
    torch.manual_seed(seed)
    start, returned = 0, []
    for count in BATCHES:
        returned += numbers(pool(numbered(start, count)))
        start += count
    return returned


@pytest.mark.parametrize("size", [1, 3, 4, 50])
@pytest.mark.parametrize("seed", range(3))
def test_no_picture_is_lost_and_none_is_made_up(size: int, seed: int) -> None:
    pool = ImagePool(size)
    returned = handed_in(pool, seed)
    everything = set(range(sum(BATCHES)))
    assert len(returned) == len(everything)
    assert set(returned) | set(numbers(pool.stored)) == everything
    assert len(pool.stored) == min(size, len(everything))
    assert len(set(numbers(pool.stored))) == len(pool.stored)


def test_until_the_pool_is_full_pictures_come_back_as_they_are() -> None:
    pool = ImagePool(4)
    assert numbers(pool(numbered(0, 3))) == [0, 1, 2]
    assert numbers(pool.stored) == [0, 1, 2]
    assert numbers(pool(numbered(3, 4)))[0] == 3


def test_a_full_pool_exchanges_about_half_for_older_ones_from_every_slot() -> None:
    torch.manual_seed(0)
    pool = ImagePool(5)
    pool(numbered(0, 5))
    older = [before for now in range(5, 1005) for before in numbers(pool(numbered(now, 1))) if before != now]
    assert 450 < len(older) < 550
    assert set(range(5)) < set(older)


def test_draws_may_be_given() -> None:
    pool = ImagePool(2)
    pool(numbered(0, 2))
    swap, slot = torch.tensor([True, False, True]), torch.tensor([1, 0, 1])
    assert numbers(pool(numbered(2, 3), (swap, slot))) == [1, 3, 2]
    assert numbers(pool.stored) == [0, 4]


def test_a_pool_of_none_is_off() -> None:
    pool, pictures = ImagePool(0), numbered(0, 2)
    chance = torch.get_rng_state()
    assert pool(pictures) is pictures
    assert len(pool.stored) == 0
    assert torch.equal(chance, torch.get_rng_state())


def test_what_comes_back_has_no_gradient_and_is_no_view_of_the_pool() -> None:
    pool = ImagePool(2)
    pool(numbered(0, 2).requires_grad_())
    returned = pool(numbered(2, 2).requires_grad_())
    before = pool.stored.clone()
    assert not returned.requires_grad
    returned.zero_()
    assert torch.equal(pool.stored, before)


@pytest.mark.parametrize("stored", [0, 2, 3])
def test_a_loaded_history_goes_on_bit_for_bit(stored: int) -> None:
    pool, other = ImagePool(3), ImagePool(3)
    if stored:
        pool(numbered(0, stored))
    other(numbered(90, 1))
    other.load_state_dict({name: tensor.clone() for name, tensor in pool.state_dict().items()})
    assert handed_in(pool) == handed_in(other)
    assert torch.equal(pool.stored, other.stored)
    assert pool.stored.stride() == other.stored.stride()


def test_a_history_longer_than_the_pool_is_not_enlarged() -> None:
    pool, small = ImagePool(5), ImagePool(2)
    pool(numbered(0, 5))
    small.load_state_dict(pool.state_dict())
    assert len(handed_in(small)) == sum(BATCHES)
    assert len(small.stored) == 5


def test_pictures_of_another_size_begin_a_new_history() -> None:
    pool = ImagePool(3)
    pool(torch.zeros(3, 3, 8, 8))
    assert numbers(pool(numbered(1, 2))) == [1, 2]
    assert numbers(pool.stored) == [1, 2]
