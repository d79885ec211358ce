"""A few pictures of an evaluation, to be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from diptych.evaluation.evaluate import Answering, Controls, Evaluation, Pairs, answered, outputs_of
from diptych.evaluation.sets import Sets
from diptych.images import Picture, from_unit, grid, to_unit

SHOWN_ANSWERS = 4
Range = tuple[float, float]


class Example(NamedTuple):
    """A source and what the translator made of it, each `H W 3` of uint8, by what stands below it; and its scores.

    group: what it is an example of, as "Best, by psnr".
    """

    name: str
    group: str
    pictures: dict[str, np.ndarray]
    scores: dict[str, float]


def examples(
    translator: Answering,
    data: Pairs,
    evaluation: Evaluation,
    *,
    names: tuple[str, str] = ("source", "target"),
    controls: Controls | None = None,
    answers: int = 1,
    count: int = 4,
) -> list[Example]:
    """The best, the median and the worst `count` pairs of an evaluation; all where there are no more than these.

    They are translated once more, so that an evaluation of any size need not be kept in memory. names: of the two
    kinds of pictures. controls, answers: as for `evaluate`; up to four answers are shown.
    """
    ranked = evaluation.ranked()
    groups = _groups([row.name for row in ranked], count, evaluation.ranks_by)
    wanted = islice((pair for pair in data.pairs(evaluation.split) if pair[0] in groups), len(groups))
    scores = {row.name: row.scores for row in ranked}
    shown = {}
    for (name, source, target), outputs in answered(
        translator, wanted, controls, min(answers, SHOWN_ANSWERS), batch=1
    ):  # fmt: skip
        panels = _panels(names[0], source, outputs, data.range)
        panels[f"{names[1]}, the target"] = view(target, *data.range[1])
        shown[name] = Example(name, groups[name], panels, scores[name])
    return [shown[name] for name in groups]


def set_examples(
    translator: Answering,
    data: Sets,
    evaluation: Evaluation,
    *,
    names: tuple[str, str] = ("source", "target"),
    controls: Controls | None = None,
    answers: int = 1,
    back: Controls | None = None,
    count: int = 12,
) -> list[Example]:
    """Sources taken evenly from all of an evaluation without pairs, good or bad, and what became of them.

    back: controls of the way back, which is shown then: it tells what of the source the output has kept.
    """
    rows = evaluation.rows
    chosen = {rows[k].name for k in np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)}
    scores = {row.name: row.scores for row in rows}
    all_shown = len(chosen) == len(rows)
    group = "All" if all_shown else f"{len(chosen)} of {len(rows)}, taken evenly, not by how good they are"
    wanted = (single for single in data.pictures(evaluation.split, 0) if single[0] in chosen)
    shown = []
    for (name, source), outputs in answered(
        translator, islice(wanted, len(chosen)), controls, min(answers, SHOWN_ANSWERS), batch=1
    ):  # fmt: skip
        panels = _panels(names[0], source, outputs, data.range)
        if back is not None:
            (returned,) = outputs_of(translator, outputs[:1], back, [name])
            panels[f"back to {names[0]}"] = view(returned, *data.range[0])
        shown.append(Example(name, group, panels, scores[name]))
    return shown


def view(picture: Picture, low: float, high: float) -> np.ndarray:
    """A picture with values in low..high as eyes can see it: `H W 3` of uint8."""
    if picture.palette is not None:
        return picture.visible
    return grid([[from_unit(to_unit(picture.array, low, high), "uint8", 0, 255)]], gap=0)


def _panels(name: str, source: Picture, outputs: Sequence[Picture], ranges: Sequence[Range]) -> dict[str, np.ndarray]:
    captions = ["output"] if len(outputs) == 1 else [f"answer {k}" for k in range(1, len(outputs) + 1)]
    made = {caption: view(output, *ranges[1]) for caption, output in zip(captions, outputs, strict=True)}
    return {name: view(source, *ranges[0])} | made


def _groups(ranked: list[str], count: int, metric: str | None) -> Mapping[str, str]:
    """Names from best to worst, each with its group; one group where there are few."""
    by = f", by {metric}" if metric else ""
    if len(ranked) <= 3 * count:
        return dict.fromkeys(ranked, f"All, best first{by}" if metric else "All")
    middle = (len(ranked) - count) // 2
    groups = {"Best": ranked[:count], "Median": ranked[middle : middle + count], "Worst": ranked[-count:]}
    return {name: f"{place}{by}" for place, names in groups.items() for name in names}
