"""Evaluate a translator on a folder of pairs, and write the report that shows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from diptych.card import Card
from diptych.data.dataset import Data, open_data
from diptych.errors import ConfigError, DataError, DiptychError
from diptych.evaluation.evaluate import Evaluation, baseline, evaluate, examples
from diptych.evaluation.report import write_report
from diptych.images import LIMIT_MP
from diptych.translator import Translator


def open_for(
    translator: Translator,
    folder: str,
    *,
    direction: str | None = None,
    kind: str | None = None,
    limit_mp: float = LIMIT_MP,
) -> Data:
    """The pairs of `folder`, in the direction in which this translator works.

    What is not given is found out: of the directions, the one in which the names of the sides agree with the
    translator's, else the one in which their channels do, else a2b; of the layouts, the one that is recognised, else
    that of the training pictures. Raises DataError or ConfigError where no way leads to pairs.
    """
    card = translator.card
    ways = [direction] if direction else [f"{card.source.name}2{card.target.name}", "a2b", "b2a"]
    opened: list[Data] = []
    faults: dict[str, DiptychError] = {}
    for layout in [kind] if kind else dict.fromkeys(["auto", card.data.get("kind", "auto")]):
        for way in ways:
            options: dict[str, Any] = {"folder": folder, "direction": way, "kind": layout, "limit_mp": limit_mp}
            try:
                opened.append(open_data(**options, val=0, enlarge=True))
            except (ConfigError, DataError) as error:
                faults.setdefault(way, error)
        if opened:
            return max(opened, key=lambda data: agreement(data, card))
    raise faults[direction or "a2b"]


def agreement(data: Data, card: Card) -> tuple[bool, bool]:
    """Whether the names of the sides are the translator's, and whether the channels are."""
    sides = (card.source, card.target)
    return data.names == tuple(side.name for side in sides), data.channels == tuple(side.channels for side in sides)


def evaluate_folder(
    translator: Translator,
    folder: str,
    *,
    out: Path,
    split: str = "test",
    direction: str | None = None,
    kind: str | None = None,
    limit: int | None = None,
    limit_mp: float = LIMIT_MP,
    log: list[dict[str, float]] | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Evaluation, Path]:
    """Score the translator on one split of `folder`; report.html and grid.png go to `out`.

    Raises DataError when the split is empty, or its channels are not the translator's.
    """
    data = open_for(translator, folder, direction=direction, kind=kind, limit_mp=limit_mp)
    if not data.items(split):
        filled = [name for name in ("train", "val", "test") if data.items(name)]
        raise ConfigError(f"{folder} has no {split} split; it has: {', '.join(filled)} (choose one by --split)")
    sides = (translator.card.source.channels, translator.card.target.channels)
    if data.channels != sides:
        raise DataError(f"{folder} holds pairs of {data.channels} channels, the model translates {sides}")
    evaluation = evaluate(translator, data, split, limit=limit, progress=progress)
    if unread := [note for note in data.notes if note.startswith("left out")]:
        evaluation.left_out["pictures"] = "; ".join(unread)
    base = baseline(data, split, limit=limit) if comparable(data) else None
    shown = examples(translator, data, evaluation)
    card = translator.card
    names = (card.source.name, card.target.name)
    title = f"{names[0]} to {names[1]}, by {card.method}"
    facts = card.model_dump(exclude={"scores"})
    page = write_report(out, evaluation, shown, title=title, names=names, card=facts, log=log or [], baseline=base)
    return evaluation, page


def comparable(data: Data) -> bool:
    """Whether the source can be taken as an answer."""
    return data.channels[0] == data.channels[1] and data.dtype[0] == data.dtype[1]
