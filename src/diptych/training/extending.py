"""A run that is finished or stopped can be made longer: what it has learnt stays, its schedule is spread anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diptych.errors import ConfigError
from diptych.training import checkpoint
from diptych.training.recipe import LENGTHS, Train, differences
from diptych.training.schedule import factor

LENGTH = (*(f"train.{name}" for name in LENGTHS), "train.patience")


def with_length(recipe: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe of a run, without its length where another one is given, in images, epochs or minutes."""
    train, asked = dict(recipe.get("train") or {}), given.get("train")
    if isinstance(asked, Mapping) and asked.keys() & set(LENGTHS):
        train = {name: value for name, value in train.items() if name not in LENGTHS}
    return {**recipe, "train": train}


def extended(run: Path, before: Mapping[str, Any], now: Mapping[str, Any], train: Train, images: int | None) -> str:
    """That the run, which was to be of another length, is so long now, as a sentence; "" where it is not.

    before, now: the recipes. images: the length, where it is not in minutes. Raises ConfigError where it has come so
    far already, or has no state to go on from.
    """
    if not any(line.startswith(LENGTH) for line in differences(before, now)):
        return ""
    if not (run / "checkpoint" / checkpoint.NOTE).exists():
        raise ConfigError(f"{run} has no saved state to go on from: begin another run with train.start={run}")
    length, behind, done = in_time(run, train.minutes) if train.minutes else in_images(run, images or 0)
    assert train.schedule is not None
    return (
        f"made {length} long, {behind} of them behind: its schedule ({train.schedule}) is spread over all of them, so "
        f"that it goes on at {factor(train.schedule, done):.2f} of its first learning rate"
    )


def in_images(run: Path, images: int) -> tuple[str, str, float]:
    """The length in words, what is behind of it, and which part that is."""
    seen = int(Path(checkpoint.read_note(run / "checkpoint")[0]).stem)
    if images <= seen:
        raise ConfigError(f"{run} has seen {seen} images already: to go on give it more, as train.images={2 * seen}")
    return f"{images} images", f"{seen}", seen / images


def in_time(run: Path, minutes: float) -> tuple[str, str, float]:
    """The same of a length in minutes."""
    used = (checkpoint.read(run / "checkpoint") or {}).get("seconds")
    if used is None:
        raise ConfigError(
            f"{run} was trained before time was counted: make it longer by train.images, not train.minutes"
        )
    if 60 * minutes <= used:
        more = 2 * max(1, round(used / 60))
        raise ConfigError(
            f"{run} has taken {used / 60:.2f} minutes already: to go on give it more, as train.minutes={more}"
        )
    return f"{minutes:g} minutes", f"{used / 60:.2f}", used / 60 / minutes
