"""What the processes that torchrun starts this in do together: as much as one alone, and they go on as they were."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import torch
from small import SMALL
from torch import Tensor

from diptych.methods import find, names
from diptych.testing import EveryDrawAlike, assert_equal, batch, begin, take_gradients
from diptych.training import processes
from diptych.training.stabilizers import Stabilizers
from diptych.training.trainer import Trainer

STABILIZERS = Stabilizers(diffaugment=["colour", "translation", "cutout"], spectral_norm=True, r1=1.0, r1_every=2)


def advance(trainer: Trainer, first: int, last: int) -> Trainer:
    """Train on batches that are others in each process."""
    for number in range(first, last):
        trainer.step(batch(trainer.method, 2 * number + processes.rank()))
    return trainer


def check(name: str, own: str, place: Path) -> None:
    """Stopped and gone on with, a method ends with the bits of one left alone; `own`: what processes do not share."""
    method, options = find(name), {**SMALL[name], "norm": "batch"}
    through = advance(begin(method, options, ema=0.9, stabilizers=STABILIZERS), 0, 6)
    state = advance(begin(method, options, ema=0.9, stabilizers=STABILIZERS), 0, 3).state()
    if processes.rank() == 0:
        assert state["own"][0] == {}
        assert {key.rpartition(".")[2] for key in state["own"][1]} == {"running_mean", "running_var", *own.split()}
        torch.save(state, place)
    processes.wait_for_all()
    resumed = begin(method, options, init=1, ema=0.9, stabilizers=STABILIZERS)
    resumed.load(torch.load(place, weights_only=True))
    advance(resumed, 3, 6)
    assert_equal(through.method.state_dict(), resumed.method.state_dict())
    if processes.rank() == 0:
        assert_equal(through.trained(), resumed.trained())


def gradients(name: str, pictures: slice) -> dict[str, Tensor]:
    """The gradients of every step on these pictures of a batch of four, as the optimisers get them."""
    alike = {"norm": "instance", "dropout": False}  # no picture's result depends on its neighbours
    options = SMALL[name] | {k: v for k, v in alike.items() if k in inspect.signature(find(name)).parameters}
    trainer = begin(find(name), options, lr_scale=0.0)
    seen: dict[str, Tensor] = {}

    def optimise(groups: tuple[str, ...]) -> None:
        processes.average_gradients(trainer.parameters(groups))
        seen.update(take_gradients(trainer))

    trainer.optimise = optimise  # type: ignore[method-assign]
    part = {side: x[pictures] for side, x in batch(trainer.method, size=4).items()}
    with EveryDrawAlike():
        trainer.step(part)
    return seen


def compare(whole: dict[str, Tensor], together: dict[str, Tensor]) -> None:
    for name, gradient in whole.items():
        largest = max(float(x.abs().max()) for key, x in whole.items() if key.split(".")[0] == name.split(".")[0])
        # finite differences, as penalties of slopes are, leave more of the rounding
        assert torch.allclose(gradient, together[name], rtol=0, atol=3e-5 * largest), name


if __name__ == "__main__":
    alone = {name: gradients(name, slice(0, 4)) for name in names()}
    with processes.joined():
        for name, whole in alone.items():
            compare(whole, gradients(name, slice(2 * processes.rank(), 2 * processes.rank() + 2)))
        check("pix2pix", "", Path(sys.argv[1]) / "pix2pix.pt")
        check("cyclegan", "stored", Path(sys.argv[1]) / "cyclegan.pt")
