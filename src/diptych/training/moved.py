"""A run goes on where its pictures have moved to, if they are the same by name and size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diptych.data.dataset import Data
from diptych.errors import ConfigError
from diptych.model.folder import inspect_card
from diptych.training import checkpoint

PLACES = ("folder", "a", "b")


def places(recipe: Mapping[str, Any]) -> dict[str, str | None]:
    """Where the pictures of a recipe are, by option."""
    data = recipe.get("data") or {}
    return {name: data.get(name) for name in PLACES}


def check_places(given: Mapping[str, Any], run: Path) -> None:
    """Raises ConfigError where the pictures of a run are no longer where they were."""
    gone = [place for place in places(given).values() if place and not Path(place).exists()]
    if gone:
        raise ConfigError(f"the pictures of {run} are not in {gone[0]}: say where they are by --data, or --a and --b")


def moved(run: Path, before: Mapping[str, Any], now: Mapping[str, Any], data: Data) -> str:
    """That the pictures of the run lie elsewhere now, as a sentence; "" where they do not.

    before, now: the recipes. Raises ConfigError where they are other pictures.
    """
    if places(before) == places(now):
        return ""
    state = checkpoint.read(run / "checkpoint")
    check_fingerprint(run, data, state["data"] if state else inspect_card(run).data.get("fingerprint"))
    old = " and ".join(place for place in places(before).values() if place)
    return f"the pictures are in {data.folder.place} now, no longer in {old}: the same, by name and size"


def check_fingerprint(run: Path, data: Data, known: str | None) -> None:
    """Raises ConfigError where the data has not the fingerprint of what was trained on so far."""
    if known != data.fingerprint:
        raise ConfigError(
            f"the pictures in {data.folder.place} are not those that {run} was trained on so far: bring them back, or "
            f"begin a new run from this one with train.start={run} and another --out"
        )
