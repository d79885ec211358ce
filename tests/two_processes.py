"""Each of the processes that torchrun starts this in goes on, from a file in FOLDER, with what was its own."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from small import SMALL

from diptych.methods import find
from diptych.testing import assert_equal, batch, begin
from diptych.training import processes
from diptych.training.steady import Steady
from diptych.training.trainer import Trainer

STEADY = Steady(diffaugment=["colour", "translation", "cutout"], spectral_norm=True, r1=1.0, r1_every=2)


def advance(trainer: Trainer, first: int, last: int) -> Trainer:
    """Train on batches that are others in each process."""
    for number in range(first, last):
        trainer.step(batch(trainer.method, 2 * number + processes.rank()))
    return trainer


def check(name: str, own: str, place: Path) -> None:
    """Stopped and gone on with, a method ends with the bits of one left alone; `own`: what processes do not share."""
    method, options = find(name), {**SMALL[name], "norm": "batch"}
    through = advance(begin(method, options, ema=0.9, steady=STEADY), 0, 6)
    state = advance(begin(method, options, ema=0.9, steady=STEADY), 0, 3).state()
    if processes.rank() == 0:
        assert state["own"][0] == {}
        assert {key.rpartition(".")[2] for key in state["own"][1]} == {"running_mean", "running_var", *own.split()}
        torch.save(state, place)
    processes.wait_for_all()
    resumed = begin(method, options, init=1, ema=0.9, steady=STEADY)
    resumed.load(torch.load(place, weights_only=True))
    advance(resumed, 3, 6)
    assert_equal(through.method.state_dict(), resumed.method.state_dict())
    if processes.rank() == 0:
        assert_equal(through.trained(), resumed.trained())


if __name__ == "__main__":
    with processes.joined():
        check("pix2pix", "", Path(sys.argv[1]) / "pix2pix.pt")
        check("cyclegan", "stored", Path(sys.argv[1]) / "cyclegan.pt")
