"""The share of the machine's arithmetic is counted exactly, and looking on changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pictures import side_by_side
from runs import outcome, recipe, train
from small import SMALL
from torch import nn

from diptych.methods import find, names
from diptych.runtime.arithmetic import Convolutions, best_rate, share_in_words
from diptych.testing import assert_equal, batch, begin
from diptych.training import share


def operations(network: nn.Module, x: torch.Tensor, *, backward: bool) -> int:
    with Convolutions() as convolutions:
        y = network(x)
        if backward:
            y.sum().backward()
    return convolutions.operations


FORWARD = 2 * 2 * 16 * 16 * 8 * (3 * 9)
"""A multiplication and an addition for each of 2 pictures, 16x16 pixels, 8 channels and 3x3 pixels of 3 channels."""


def test_a_convolution_is_counted_forward_and_for_each_gradient_that_is_computed() -> None:
    network, x = nn.Conv2d(3, 8, 3, padding=1), torch.ones(2, 3, 16, 16)
    assert operations(network, x, backward=False) == FORWARD
    assert operations(network, x, backward=True) == 2 * FORWARD
    assert operations(network, x.requires_grad_(), backward=True) == 3 * FORWARD
    with torch.no_grad():
        assert operations(network, x, backward=False) == FORWARD
    with torch.inference_mode():
        assert operations(network, torch.ones(2, 3, 16, 16), backward=False) == FORWARD
    up = nn.ConvTranspose2d(3, 8, 4, 2, 1)
    assert operations(up, torch.ones(2, 3, 16, 16), backward=False) == 2 * 2 * 16 * 16 * 3 * (8 * 16)
    assert operations(nn.Linear(16, 16), x.detach(), backward=False) == 0


def test_a_slope_within_a_step_is_counted_too() -> None:
    """As R1 asks for it: torch's own counter stops there."""
    network, x = nn.Conv2d(3, 8, 3, padding=1), torch.ones(2, 3, 16, 16, requires_grad=True)
    with Convolutions() as convolutions:
        (slope,) = torch.autograd.grad(network(x).square().sum(), x, create_graph=True)
        assert convolutions.operations == 2 * FORWARD
        slope.square().sum().backward(inputs=list(network.parameters()))
    assert convolutions.operations > 4 * FORWARD


@pytest.mark.parametrize("name", names())
def test_counting_a_step_changes_nothing(name: str) -> None:
    """Of any method: neither weights nor what is drawn at random."""
    trainers = [begin(find(name), SMALL[name], ema=0.9) for _ in range(2)]
    for number in range(2):
        torch.manual_seed(0)
        with Convolutions() as convolutions:
            trainers[0].step(batch(trainers[0].method, number))
        trainers[1].step(batch(trainers[1].method, number))
        assert convolutions.operations > 0
    assert_equal(trainers[0].method.state_dict(), trainers[1].method.state_dict())


def test_a_training_says_its_share_once_and_is_as_it_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = recipe(side_by_side(tmp_path / "pairs", 6, 64))
    assert "of the rate of the best dense convolution" not in train(given, tmp_path / "short")
    monkeypatch.setattr(share, "UNDER_WAY", 0.0)
    given["stabilizers"] = {"r1": 1.0, "r1_every": 3}
    said = train(given, tmp_path / "run")
    assert said.count("of the rate of the best dense convolution here (") == 1
    assert "in float32)" in said
    monkeypatch.setattr(share, "best_rate", lambda *_, **__: pytest.fail("measured"))
    monkeypatch.setattr(share, "UNDER_WAY", 1e9)
    train(given, tmp_path / "unobserved")
    assert outcome(tmp_path / "unobserved") == outcome(tmp_path / "run")


def test_the_best_rate_draws_nothing_and_takes_one_picture_or_many() -> None:
    before = torch.get_rng_state()
    for bf16, pictures in ((False, 1), (True, 64)):
        assert best_rate(torch.device("cpu"), bf16=bf16, batch=pictures, rounds=1) > 0
    assert torch.equal(torch.get_rng_state(), before)


def test_a_share_is_the_rate_by_the_best_rate() -> None:
    said = share_in_words(2e11, 0.5, 8e11, bf16=True)
    assert said == (
        "200 GFLOP of convolutions in 500 ms, 0.4 TFLOP/s: 50% of the rate of the best dense convolution here "
        "(0.8 in bfloat16)"
    )
