"""Validation takes a tenth of the time at most by default, and a run stays repeatable all the same."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from pictures import side_by_side
from rich.console import Console
from runs import outcome, recipe, train

from diptych.training import snapshot
from diptych.training.log import Log, records
from diptych.training.pacing import SHARE, rarer
from diptych.training.trainer import Trainer


@pytest.mark.parametrize(("validation", "every"), [(0.0, 10), (0.99, 10), (1.01, 20), (5.0, 80), (100.0, 1280)])
def test_validations_become_rarer_until_their_share_is_small(validation: float, every: int) -> None:
    found = rarer(10, validation, image=1.0)
    assert found == every
    assert validation <= SHARE * found


def clocked(monkeypatch: pytest.MonkeyPatch, validation: float) -> None:
    """Let an image take a second, and a validation so many."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    step, score = Trainer.step, snapshot.score

    def slow_step(trainer: Trainer, batch: dict[str, Any]) -> None:
        step(trainer, batch)
        now[0] += len(batch["source"])

    def slow_score(*args: Any, **options: Any) -> dict[str, Any] | None:
        now[0] += validation
        return score(*args, **options)

    monkeypatch.setattr(Trainer, "step", slow_step)
    monkeypatch.setattr(snapshot, "score", slow_score)


@pytest.mark.parametrize(("validation", "scored"), [(0.1, list(range(2, 42, 2))), (0.7, [2, 8, 16, 24, 32, 40])])
def test_a_run_by_the_recipe_that_it_left_scores_as_it_did(
    validation: float, scored: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = recipe(side_by_side(tmp_path / "pairs", 6, 64), images=40, validate_every=None)
    clocked(monkeypatch, validation)
    said = train(given, tmp_path / "run")
    assert [record["images"] for record in records(tmp_path / "run") if "val.l1" in record] == scored
    assert ("a tenth of the time at most" in said) == (len(scored) < 20)
    assert "this run is complete" in train(given, tmp_path / "run")
    again = yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text())
    train(again, tmp_path / "again")
    one, other = outcome(tmp_path / "run"), outcome(tmp_path / "again")
    assert {name for name in one if one[name] != other[name]} <= {"log.jsonl"}


def test_what_is_asked_for_is_kept_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clocked(monkeypatch, 50.0)
    train(recipe(side_by_side(tmp_path / "pairs", 6, 64), images=8, validate_every=2), tmp_path / "run")
    assert sum("val.l1" in record for record in records(tmp_path / "run")) == 4


def test_the_time_left_is_by_the_mean_pace_with_all_that_lies_between_the_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first tick, which is slow, does not count, and a tick with a validation does not double it."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    log = Log(tmp_path, Console(quiet=True), total=110, tensorboard=False)
    left = []
    for images in range(10, 60, 10):
        now[0] += 100.0 if images == 10 else 10.0
        left.append(log.left(images, now[0]))
        now[0] += 5.0 if images % 20 == 0 else 0.0  # validating
        log.restart_clock(images)
    assert left[1:] == pytest.approx([90.0, 80 * 25 / 20, 70 * 35 / 30, 60 * 50 / 40])
    log.close()
