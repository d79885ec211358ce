"""Two processes that torchrun starts train as one does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from pictures import side_by_side
from runs import arguments, images_seen, recipe, train, wait_for
from safetensors.torch import load_file

from diptych.data.loader import Batches
from diptych.errors import ConfigError
from diptych.testing import assert_equal
from diptych.training import checkpoint
from diptych.training.log import records

INDEPENDENT = {"norm": "instance", "dropout": False}  # no picture's result depends on its neighbours


def torchrun(*args: str, program: Sequence[str] = ("-m", "diptych")) -> subprocess.Popen[str]:
    """Start `diptych ARGS`, or another program, in two processes on this machine."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *program]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.Popen([*command, *args], stderr=subprocess.PIPE, text=True, env=environment)


def said_by(process: subprocess.Popen[str]) -> str:
    """What a process said until its end, which has to be a good one."""
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
    return said


def test_two_processes_equal_one(tmp_path: Path) -> None:
    given = recipe(side_by_side(tmp_path / "pairs", 6, 64), batch=4, images=24, clip=1.0, method=INDEPENDENT)
    said = said_by(torchrun(*arguments(given, tmp_path / "two")))
    assert said.count("24/24 images") == 1, "one process speaks for all"
    train(given, tmp_path / "one")
    for name in ("last/weights", "last/training", "model/weights"):
        one, two = (load_file(tmp_path / run / f"{name}.safetensors") for run in ("one", "two"))
        for key, weight in one.items():
            if weight.dim() > 1:  # a bias before a norm has no gradient, and moves by what rounding leaves
                assert torch.allclose(weight, two[key], rtol=0, atol=1e-6), key
    logs = [[record | {"images_per_second": 0} for record in records(tmp_path / run)] for run in ("one", "two")]
    for one, two in zip(*logs, strict=True):
        assert two == pytest.approx(one, rel=1e-5)


def test_two_processes_learn_what_one_does_and_go_on_with_what_was_their_own(tmp_path: Path) -> None:
    """Of every method. Statistics of batch norms and histories of fakes are not shared; all are in the saved state."""
    said_by(torchrun(str(tmp_path), program=[str(Path(__file__).with_name("two_processes.py"))]))


def test_the_others_wait_for_one_that_validates_for_longer_than_a_process_may_hang() -> None:
    said_by(torchrun(program=[str(Path(__file__).with_name("waiting_processes.py"))]))


@pytest.mark.slow
def test_all_processes_stop_at_the_same_image_and_go_on(tmp_path: Path) -> None:
    given = recipe(side_by_side(tmp_path / "pairs", 6, 64), images=400, checkpoint_every=200, validate_every=100)
    stopped = torchrun(*arguments(given, tmp_path / "stopped"))
    wait_for(lambda: images_seen(tmp_path / "stopped") >= 50, stopped)
    stopped.terminate()
    assert "state saved; the same command goes on" in stopped.communicate()[1]
    assert "going on at" in said_by(torchrun(*arguments(given, tmp_path / "stopped")))
    said_by(torchrun(*arguments(given, tmp_path / "undisturbed")))
    one, other = (tmp_path / run / "last" / "weights.safetensors" for run in ("stopped", "undisturbed"))
    assert one.read_bytes() == other.read_bytes()
    states = [checkpoint.read(tmp_path / run / "checkpoint") for run in ("stopped", "undisturbed")]
    own = [state["own"][1] for state in states if state]
    assert_equal(own[0], own[1])
    assert any(name.endswith("running_mean") for name in own[0])


@pytest.mark.slow
def test_patience_is_agreed_on_by_all_processes(tmp_path: Path) -> None:
    """The first process alone knows the scores."""
    given = recipe(side_by_side(tmp_path / "pairs", 6, 64), images=24, patience=2, lr_scale=1e-9, checkpoint_every=4)
    said_by(torchrun(*arguments(given, tmp_path / "run")))
    assert images_seen(tmp_path / "run") == 12


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.batch=3 cannot be shared by 2"):
        Batches(3, 0, 0, 2)


def test_two_processes_agree_when_the_minutes_are_over(tmp_path: Path) -> None:
    """Their clocks differ; one that went on alone would wait for the other in vain."""
    given = recipe(side_by_side(tmp_path / "pairs", 6, 64), minutes=0.05, batch=4)
    del given["train"]["images"]
    said = said_by(torchrun(*arguments(given, tmp_path / "two")))
    assert "of 0.05 minutes (train.images=" in said
    state = checkpoint.read(tmp_path / "two" / "checkpoint")
    assert state
    assert (tmp_path / "two" / "done").read_text() == f"{state['images_seen']}\n"
