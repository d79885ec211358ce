"""A training of so many minutes ends when they are over, with its schedule at its end, whatever the machine does."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pictures import side_by_side
from runs import images_seen, recipe, train
from test_resume import Killed

import diptych
from diptych.errors import ConfigError
from diptych.training import checkpoint, snapshot
from diptych.training.budget import UNKNOWN, Budget, Course, Stopwatch
from diptych.training.log import Log, records
from diptych.training.plan import PARTS
from diptych.training.results import Results
from diptych.training.trainer import Trainer

BATCH = 8


class Clock:
    """Time that passes only where a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def slow(
        self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, seconds: float | Callable[..., float]
    ) -> None:
        """Let every call of `owner.name` take so long."""
        original = getattr(owner, name)

        def slowly(*args: Any, **options: Any) -> Any:
            self.now += seconds(*args) if callable(seconds) else seconds
            return original(*args, **options)

        monkeypatch.setattr(owner, name, slowly)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def carried_out(
    clock: Clock, minutes: float, step: Callable[[int], float], costs: dict[str, float] | None = None
) -> list[float]:
    """The progress of every step of a training on a machine whose `step(number)` takes so many seconds."""
    budget = Budget(minutes, Stopwatch(), batch=BATCH, parts=dict(PARTS), every={})
    course, seen, found = Course(UNKNOWN), 0, []
    budget.begin(seen)
    while seen < course.images:
        if seen >= budget.next:
            course = budget.plan(seen, course, saves=1)
        found.append(course.at(seen))
        clock.now += step(len(found))
        seen += BATCH
        with budget.between():
            for name in sorted(budget.due(found[-1], course.at(seen))):
                with budget.spending(name):
                    clock.now += (costs or {}).get(name, 0.0)
                    if name == "validate" and "save" not in budget.costs:  # the first is the best so far
                        with budget.spending("save"):
                            clock.now += (costs or {}).get("save", 0.0)
    with budget.spending("save"):
        clock.now += (costs or {}).get("save", 0.0)
    return found


MACHINES: dict[str, Callable[[int], float]] = {
    "stabilizers": lambda n: 0.2,
    "slow at first": lambda n: 20.0 if n == 1 else 0.2,
    "slower from the middle on": lambda n: 0.2 if n < 1500 else 0.6,
    "faster from the middle on": lambda n: 0.6 if n < 500 else 0.2,
    "busy by turns": lambda n: 0.15 + 0.3 * (n // 40 % 2),
    "of large steps": lambda n: 5.0,
}


@pytest.mark.parametrize(
    "between", [{}, {"validate": 3.0, "sample": 0.5, "checkpoint": 0.3, "tick": 0.01, "save": 15.0}]
)
@pytest.mark.parametrize("machine", MACHINES)
def test_it_ends_in_time_with_its_schedule_at_the_end(machine: str, between: dict[str, float], clock: Clock) -> None:
    begun = clock.now
    progress = carried_out(clock, 10, MACHINES[machine], between)
    assert clock.now - begun == pytest.approx(600, rel=0.02)
    rises = [later - earlier for earlier, later in pairwise([*progress, 1.0])]
    assert progress[0] == 0
    assert min(rises) > 0
    assert max(rises) < max(0.005, 3 / len(progress)), "no jump, and none at the end"


def test_a_validation_is_no_jump_of_the_schedule(clock: Clock) -> None:
    progress = carried_out(clock, 10, lambda n: 0.2, {"validate": 9.0})
    rises = [later - earlier for earlier, later in pairwise(progress)][200:]
    assert max(rises) < 1.1 * min(rises)


def test_a_machine_that_stands_still_to_the_end_of_the_time_ends_the_training(clock: Clock) -> None:
    progress = carried_out(clock, 10, lambda n: 590.0 if n == 100 else 0.2)
    assert len(progress) < 140


def test_a_course_by_images_alone_is_the_part_of_them_that_was_seen() -> None:
    course = Course(1200)
    assert [course.at(seen) for seen in (0, 7, 600, 1200, 1208)] == [0, 7 / 1200, 600 / 1200, 1, 1]
    again = course.planned(600, 900)
    assert [again.at(seen) for seen in (600, 750, 900)] == [0.5, 0.75, 1]


# --- Trainings -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return side_by_side(tmp_path_factory.mktemp("pairs"), 10, 64)


def timed(pairs: Path, length: float, /, **options: Any) -> dict[str, dict[str, Any]]:
    every = {f"{name}_every": None for name in PARTS}
    return recipe(
        pairs, **every | {"images": None, "minutes": length, "sample_every": 0, "schedule": "cosine"} | options
    )


@pytest.fixture
def second_each(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A machine on which an image takes a second."""
    clock.slow(monkeypatch, Trainer, "step", lambda trainer, batch: len(batch["source"]))
    return clock


def test_a_training_of_minutes_takes_them_with_scores_and_saving(
    pairs: Path, tmp_path: Path, second_each: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_each.slow(monkeypatch, snapshot, "score", 1.0)
    second_each.slow(monkeypatch, Results, "save", 1.0)
    second_each.slow(monkeypatch, checkpoint, "write", 0.5)
    rates: list[float] = []
    clip = Trainer.optimise

    def optimise(trainer: Trainer, groups: tuple[str, ...]) -> None:
        clip(trainer, groups)
        rates.append(trainer.optimisers["G"].param_groups[0]["lr"] / trainer.base_rates["G"])

    monkeypatch.setattr(Trainer, "optimise", optimise)
    begun = second_each.now
    said = train(timed(pairs, 3), tmp_path)
    assert second_each.now - begun == pytest.approx(180, rel=0.05)
    seen = images_seen(tmp_path)
    assert 100 < seen < 160
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.01
    assert (
        f"; {seen} images, {(second_each.now - begun) / 60:.2f} of 3 minutes (train.images={seen} is as long)" in said
    )
    assert (tmp_path / "done").read_text() == f"{seen}\n"
    ticks = [record for record in records(tmp_path) if "minutes" in record]
    assert ticks[-1]["minutes"] == pytest.approx(3, rel=0.05)
    assert "/about " in said
    assert "min left" in said
    assert "this run is complete" in train(timed(pairs, 3), tmp_path)


def test_a_training_of_minutes_goes_on_with_the_time_it_had_used(
    pairs: Path, tmp_path: Path, second_each: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, seen = Trainer.step, []

    def deadly(trainer: Trainer, batch: Any) -> None:
        seen.append((trainer.images_seen, trainer.course.at(trainer.images_seen)))
        if seen[-1][0] == 56 and len(seen) == 29:
            raise Killed
        step(trainer, batch)

    given, begun = timed(pairs, 2, best="last", checkpoint_every=20), second_each.now
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", deadly)
        with pytest.raises(Killed):
            train(given, tmp_path)
        lost = second_each.now
        second_each.now += 3600
        said = train(given, tmp_path)
    assert "going on at 40 images, 0.67 of 2 minutes" in said
    assert lost - begun == 56
    assert second_each.now - lost - 3600 == pytest.approx(120 - 40, rel=0.05)
    before, after = dict(seen[:28]), dict(seen[29:])
    assert after[40] == pytest.approx(before[40], abs=0.01)
    assert 0.95 < seen[-1][1] <= 1


def test_a_finished_training_of_minutes_is_given_more_of_them(pairs: Path, tmp_path: Path, second_each: Clock) -> None:
    train(timed(pairs, 1, best="last"), tmp_path)
    begun = second_each.now
    with pytest.raises(
        ConfigError, match=r"has taken 1\.0\d minutes already: to go on give it more, as train\.minutes=2"
    ):
        train({"train": {"minutes": 0.9}}, tmp_path, resume=True)
    said = train({"train": {"minutes": 2}}, tmp_path, resume=True)
    assert "made 2 minutes long, 1.0" in said
    assert "its schedule (cosine) is spread over all of them, so that it goes on at 0.5" in said
    assert second_each.now - begun == pytest.approx(60, rel=0.07)
    seen = images_seen(tmp_path)
    assert "made 200 images long" in train({"train": {"images": 200}}, tmp_path, resume=True)
    assert images_seen(tmp_path) == 200 > seen
    assert "made 4 minutes long, 3." in train({"train": {"minutes": 4}}, tmp_path, resume=True)


def test_a_run_from_before_time_was_counted_is_not_made_longer_by_minutes(pairs: Path, tmp_path: Path) -> None:
    train(recipe(pairs, images=4), tmp_path)
    state = checkpoint.read(tmp_path / "checkpoint")
    assert state
    del state["seconds"]
    checkpoint.write(tmp_path / "checkpoint", state)
    with pytest.raises(ConfigError, match=r"before time was counted: make it longer by train\.images"):
        train({"train": {"minutes": 4}}, tmp_path, resume=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"minutes": 3, "images": 8}, r"train\.images and train\.minutes both say how long to train: give one of them"),
        ({"minutes": 3, "epochs": 8}, r"train\.epochs and train\.minutes both say how long to train"),
        ({"minutes": 3, "epochs": 8, "images": 4}, r"all say how long to train: give one of them \(train\.images=null"),
        ({"minutes": 0}, r"train\.minutes = 0: .*greater than 0"),
        ({"minutes": -3}, r"train\.minutes = -3: .*greater than 0"),
        ({"minutes": float("nan")}, r"train\.minutes = nan"),
        ({"minutes": float("inf")}, r"train\.minutes = inf"),
    ],
)
def test_what_is_no_length_of_time_is_refused(options: dict[str, Any], said: str, pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        train(timed(pairs, 1, **options), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_too_little_time_for_one_validation_is_said_and_the_newest_weights_are_kept(
    tmp_path: Path, second_each: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = side_by_side(tmp_path / "pairs", 40, 64)
    metric = diptych.metrics.find("l1")  # type: ignore[attr-defined]
    second_each.slow(monkeypatch, metric, "measure", 10.0)
    begun, given = second_each.now, timed(many, 1)
    given["data"]["val"] = 0.5
    said = train(given, tmp_path / "run")
    assert "a validation takes more time than is left for it: no more of them, the newest weights are kept" in said
    assert second_each.now - begun < 60 + 80  # it is seen after the first 8 pairs
    assert (tmp_path / "run" / "model" / "card.json").exists()
    assert not any("val.l1" in record for record in records(tmp_path / "run"))


def test_validations_that_take_long_become_rarer(
    pairs: Path, tmp_path: Path, second_each: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_each.slow(monkeypatch, snapshot, "score", 2.0)
    begun = second_each.now
    said = train(timed(pairs, 2), tmp_path)
    assert "a validation takes 2 s: 5 in all, a tenth of the time at most" in said
    assert 3 <= sum("val.l1" in record for record in records(tmp_path)) <= 6
    assert second_each.now - begun == pytest.approx(120, rel=0.05)


def test_time_that_is_too_short_for_the_schedule_is_said(pairs: Path, tmp_path: Path, second_each: Clock) -> None:
    said = train(timed(pairs, 0.01), tmp_path)
    assert "Time was up when 0% of the schedule were done: give train.minutes more" in said
    assert images_seen(tmp_path) == 4


def test_a_dry_run_says_the_minutes(pairs: Path, tmp_path: Path) -> None:
    said = train(timed(pairs, 2.5), tmp_path / "run", dry_run=True)
    assert "2.5 minutes, planned by the speed that is measured, in batches of 2" in said


def test_the_time_left_is_that_of_the_budget(tmp_path: Path, clock: Clock) -> None:
    from rich.console import Console

    budget = Budget(2, Stopwatch(), batch=1, parts={}, every={})
    log = Log(tmp_path, Console(quiet=True), total=None, budget=budget, tensorboard=False)
    clock.now += 30
    assert log.left(10, clock.now) == 90
    log.close()


def test_minutes_are_given_in_python(pairs: Path, tmp_path: Path, second_each: Clock) -> None:
    small = {"generator": "unet_32", "width": 4, "discriminator_width": 4, "discriminator_layers": 1}
    model = diptych.Pix2Pix(pairs, out=tmp_path / "run", size=32, **small)
    model.train(minutes=0.5, batch=2, bf16=False, best="last")
    assert 20 < images_seen(tmp_path / "run") < 33
