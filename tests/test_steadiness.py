"""A step of training never waits for the device, and a long run needs no more memory than a short one."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from small import SMALL
from torch.utils._python_dispatch import TorchDispatchMode

from diptych.methods import find, names
from diptych.runtime.speed import PLAIN, Speed
from diptych.testing import batch, begin
from diptych.training.trainer import Trainer

SPEEDS = {
    "plain": replace(PLAIN, fused=True),
    "fast": Speed(bf16=True),
}  # unfused Adam reads a counter, which is on the host
TRAININGS: dict[str, dict[str, Any]] = {"simple": {}, "everything": {"ema": 0.9, "micro_batch": 1, "clip": 1.0}}
READS = {"_local_scalar_dense", "equal", "nonzero", "is_nonzero", "masked_select"}
"""Operations whose result the host has to see: on a GPU it waits for all that was asked before."""


class NoWaiting(TorchDispatchMode):
    """Fails where a tensor's value is read: `.item()`, `bool(x)`, `.tolist()`, a boolean mask as an index."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        by_mask = name == "index" and any(x is not None and x.dtype == torch.bool for x in args[1])
        if name in READS or by_mask:
            raise AssertionError(f"the step waits for the device in {name}")
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module", autouse=True)
def little_to_look_through() -> Iterator[None]:
    """What is there before is neither counted nor searched, which would take most of the time of these tests."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(params=[(name, speed, training) for name in names() for speed in SPEEDS for training in TRAININGS])
def trainer(request: pytest.FixtureRequest) -> Trainer:
    name, speed, training = request.param
    return begin(find(name), SMALL.get(name, {}), speed=SPEEDS[speed], **TRAININGS[training])


def test_a_step_never_waits_for_the_device(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    data = batch(trainer.method)
    trainer.step(data)  # the optimisers make their state

    def forbidden(*_: Any) -> None:
        raise AssertionError("the step copies a tensor to the host")

    for way in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__"):
        monkeypatch.setattr(torch.Tensor, way, forbidden)
    with NoWaiting():
        trainer.step(data)
        trainer.step(data)


def test_what_would_wait_is_noticed() -> None:
    for wait in (torch.Tensor.item, bool, float, lambda x: torch.ones(1)[x > 0]):
        with pytest.raises(AssertionError, match="waits for the device"), NoWaiting():
            wait(torch.ones(1))


def test_a_long_run_holds_no_more_tensors_than_a_short_one(trainer: Trainer) -> None:
    data = batch(trainer.method)
    held = []
    for number in range(9):
        trainer.step(data)
        if number in (2, 8):
            held.append(tensors())
    assert held[0] == held[1]


def tensors() -> tuple[int, int]:
    """How many tensors are alive, and their bytes; not those that only stand for some in a traced graph."""
    gc.collect()
    alive = [x for x in gc.get_objects() if type(x) in (torch.Tensor, torch.nn.Parameter)]
    return len(alive), sum(x.nbytes for x in alive)
