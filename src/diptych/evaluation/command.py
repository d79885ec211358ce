"""Evaluate a translator on a folder of pairs, and write the report that shows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from diptych.data.dataset import Data, open_data
from diptych.errors import ConfigError, DataError
from diptych.evaluation.evaluate import Evaluation, baseline, evaluate, examples
from diptych.evaluation.report import write_report
from diptych.translator import Translator


def open_for(translator: Translator, folder: str, direction: str | None = None) -> Data:
    """The pairs of `folder`, in the direction in which this translator works.

    Without `direction`, it is the one in which the names of the sides agree with the translator's, else the one in
    which the channels do, else a2b.
    """
    if direction is not None:
        return open_data(folder=folder, direction=direction, val=0, enlarge=True)
    both = [open_data(folder=folder, direction=way, val=0, enlarge=True) for way in ("a2b", "b2a")]
    card = translator.card
    wanted = ((card.source.name, card.target.name), (card.source.channels, card.target.channels))
    agreements = [(data.names == wanted[0], data.channels == wanted[1]) for data in both]
    return both[agreements[1] > agreements[0]]


def evaluate_folder(
    translator: Translator,
    folder: str,
    *,
    out: Path,
    split: str = "test",
    direction: str | None = None,
    limit: int | None = None,
    log: list[dict[str, float]] | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Evaluation, Path]:
    """Score the translator on one split of `folder`; report.html and grid.png go to `out`.

    Raises DataError when the split is empty, or its channels are not the translator's.
    """
    data = open_for(translator, folder, direction)
    if not data.items(split):
        filled = [name for name in ("train", "val", "test") if data.items(name)]
        raise ConfigError(f"{folder} has no {split} split; it has: {', '.join(filled)} (choose one by --split)")
    sides = (translator.card.source.channels, translator.card.target.channels)
    if data.channels != sides:
        raise DataError(f"{folder} holds pairs of {data.channels} channels, the model translates {sides}")
    evaluation = evaluate(translator, data, split, limit=limit, progress=progress)
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
