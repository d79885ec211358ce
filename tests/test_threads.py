"""Threads compute where no other program does; a number that was asked for stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pictures import side_by_side
from runs import recipe, train

from diptych.runtime import threads
from diptych.runtime.threads import PATIENCE, Reading, Threads, fitting, taken
from diptych.training import plan


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine of two processors, on which torch chose two threads by itself."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for module in (threads, plan):
        monkeypatch.setattr(module, "usual", lambda: 2)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class Machine:
    """What `threads.read` finds, where others keep `others` of two processors busy; its clock runs by itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, others: float) -> None:
        self.others, self.used, self.clock = others, 0.0, time.monotonic() - 1000
        monkeypatch.setattr(threads, "read", self.read)
        monkeypatch.setattr(threads, "BEGINNING", Reading(self.clock, 0.0, 0.0, 2))

    def read(self) -> Reading:
        self.clock, self.used = self.clock + 10, self.used + 10 * self.others
        return Reading(self.clock, 0.0, self.used, 2)


@pytest.mark.parametrize(
    ("most", "processors", "others", "number"),
    [(2, 2, 0.0, 2), (2, 2, 0.3, 2), (2, 2, 0.67, 1), (2, 2, 1.0, 1), (2, 2, 2.0, 1), (1, 2, 0.0, 1),
     (64, 64, 1.0, 63), (16, 16, 8.0, 8), (4, 8, 3.0, 4), (4, 8, 6.0, 2)],
)  # fmt: skip
def test_as_many_threads_as_processors_that_others_leave(
    most: int, processors: int, others: float, number: int
) -> None:
    assert fitting(most, processors, others) == number


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_others_use_is_told_from_what_this_program_does() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        before = threads.read()
        end = time.monotonic() + 1
        while time.monotonic() < end:
            pass
        now = threads.read()
        other.kill()
    assert before
    assert now
    assert now.own - before.own <= now.all - before.all + 0.2
    assert taken(before, now) > 0.3


@pytest.mark.usefixtures("two")
def test_the_number_falls_at_once_and_rises_when_others_have_been_still_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(monkeypatch, others=1.0)
    chosen = Threads()
    assert chosen.look() == "1 of 2 threads, as other programs keep 1.0 of 2 processors busy"
    assert torch.get_num_threads() == 1
    assert chosen.look() == ""
    machine.others = 0.1
    for _ in range(PATIENCE - 1):
        assert chosen.look() == ""
    assert chosen.look().startswith("2 of 2 threads")
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two")
def test_a_number_that_was_asked_for_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch, others=2.0)
    with Threads(2) as chosen:
        assert chosen.look() == ""
        assert torch.get_num_threads() == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert Threads().look() == ""
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two")
def test_a_worker_never_takes_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(monkeypatch, others=0.0)
    Threads(most=1).look()
    assert torch.get_num_threads() == 1


@pytest.mark.usefixtures("two")
def test_a_training_beside_a_busy_program_says_so_and_leaves_torch_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Machine(monkeypatch, others=1.0)
    given = recipe(side_by_side(tmp_path / "pairs", 6, 64))
    said = train(given, tmp_path / "run")
    assert "threads: at most 2" in said
    assert "1 of 2 threads, as other programs keep 1.0 of 2 processors busy; speed.threads fixes their number" in said
    assert torch.get_num_threads() == 2
    given["speed"]["threads"] = 1
    assert "threads: 1" in (said := train(given, tmp_path / "fixed"))
    assert "other programs" not in said


@pytest.mark.parametrize(
    ("set_by_user", "spins"),
    [({}, threads.SPINS), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_waiting_threads_soon_sleep_unless_the_user_says_otherwise(
    set_by_user: dict[str, str], spins: str | None
) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    code = (
        "import atexit, os, sys;"
        "atexit.register(lambda: print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules));"
        "import diptych.cli; sys.argv = ['diptych', 'methods']; diptych.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], env=kept | set_by_user, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == f"{spins} False", done.stderr
