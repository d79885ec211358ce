"""A run that is finished or stopped can be made longer: what it has learnt stays, its schedule is spread anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diptych.errors import ConfigError
from diptych.training import checkpoint
from diptych.training.recipe import Train, differences
from diptych.training.schedule import factor

LENGTH = ("train.images", "train.epochs", "train.patience")


def with_length(recipe: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe of a run, without its length where another one is given, in images or epochs."""
    train, asked = dict(recipe.get("train") or {}), given.get("train")
    if isinstance(asked, Mapping) and {"images", "epochs"} & asked.keys():
        train = {name: value for name, value in train.items() if name not in ("images", "epochs")}
    return {**recipe, "train": train}


def extended(run: Path, before: Mapping[str, Any], now: Mapping[str, Any], train: Train, images: int) -> str:
    """That the run, which was to be of another length, is of so many images now, as a sentence; "" where it is not.

    before, now: the recipes. Raises ConfigError where it has seen so many, or has no state to go on from.
    """
    if not any(line.startswith(LENGTH) for line in differences(before, now)):
        return ""
    if not (run / "checkpoint" / checkpoint.NOTE).exists():
        raise ConfigError(f"{run} has no saved state to go on from: begin another run with train.start={run}")
    seen = int(Path(checkpoint.read_note(run / "checkpoint")[0]).stem)
    if images <= seen:
        raise ConfigError(f"{run} has seen {seen} images already: to go on give it more, as train.images={2 * seen}")
    assert train.schedule is not None
    rate = factor(train.schedule, seen / images)
    return (
        f"made {images} images long, {seen} of them behind: its schedule ({train.schedule}) is spread over all of "
        f"them, so that it goes on at {rate:.2f} of its first learning rate"
    )
