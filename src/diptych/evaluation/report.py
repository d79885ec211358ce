"""An evaluation as one page to look at: pictures, scores, curves. It holds all it shows and needs no network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from diptych import images
from diptych.evaluation import charts
from diptych.evaluation.baselines import MEANING
from diptych.evaluation.evaluate import Evaluation, Score
from diptych.evaluation.examples import Example
from diptych.evaluation.markup import Markup, join, tag
from diptych.evaluation.page import embed, heading, page, panel, quiet, section
from diptych.storage.files import write_bytes, write_text

Names = tuple[str, str]


def write_report(
    folder: Path | str,
    evaluation: Evaluation,
    examples: Sequence[Example],
    *,
    title: str = "A translator",
    names: Names = ("source", "target"),
    card: Mapping[str, Any] | None = None,
    log: Iterable[Mapping[str, Any]] = (),
) -> Path:
    """Write `report.html` and, where there are examples, `grid.png` to `folder`; gives the page's path.

    names: of the source's and the target's kind of picture. card: facts about the model. log: the run's lines, with
    "images" and numbers by name, drawn as curves.
    Raises StorageError when the folder cannot be written to.
    """
    sections = [
        _head(title, evaluation, names),
        _scores(evaluation),
        pictures(examples),
        _curves(list(log)),
        _facts(card or {}),
        _rows(evaluation),
    ]
    place = Path(folder) / "report.html"
    write_text(place, page(title, sections))
    if examples:
        rows = [list(example.pictures.values()) for example in examples]
        grid = images.grid(rows, titles=list(examples[0].pictures))
        write_bytes(place.with_name("grid.png"), images.encode(grid, "PNG"))
    return place


def _head(title: str, evaluation: Evaluation, names: Names) -> Markup:
    pictures = _count(len(evaluation.rows))
    took = f"{pictures} of the {evaluation.split} split, translated and scored in {evaluation.seconds:.1f} s"
    about = f"{names[0]} → {names[1]} · {took} · translated in {evaluation.precision}"
    return heading("evaluation", title, about)


def _scores(evaluation: Evaluation) -> Markup:
    cards = [_card(name, score, evaluation) for name, score in evaluation.metrics.items()]
    drawn = any(row.scores for row in evaluation.rows)
    keys = [quiet(tag("span", class_="key mean"), "mean over the pictures, in its 95 % bootstrap interval")] * drawn
    left_out = [quiet(tag("b", name), " was left out: ", why) for name, why in evaluation.left_out.items()]
    notes = [quiet(f"{note} (of {count} pictures)") for note, count in evaluation.notes.items()]
    return section("Scores", tag("div", *cards, class_="cards"), *keys, _anchors(evaluation), *left_out, *notes)


def _card(name: str, score: Score, evaluation: Evaluation) -> Markup:
    values = [row.scores[name] for row in evaluation.rows if name in row.scores]
    beside = {of: _interval(scores[name]) for of, scores in evaluation.baselines.items() if name in scores}
    return panel(
        name,
        f"{_arrow(score)} is better",
        tag("p", number(score["value"]), class_="value"),
        tag("p", score["meaning"]) if "meaning" in score else Markup(),
        quiet(f"{number(score['low'])} to {number(score['high'])} · {_count(score['count'])}"),
        charts.histogram(values, _interval(score)) if values else Markup(),
        charts.intervals({"output": _interval(score)} | beside) if beside else Markup(),
        tag("details", tag("summary", "How it is measured"), quiet(score["protocol"])),
    )


def _count(pictures: int) -> str:
    return "one picture" if pictures == 1 else f"{pictures} pictures"


def _interval(score: Score) -> tuple[float, float, float]:
    return score["value"], score["low"], score["high"]


def _arrow(score: Score) -> str:
    return "↑" if score["better"] == "higher" else "↓"


def _anchors(evaluation: Evaluation) -> Markup:
    """The scores beside those of what can be compared with them."""
    if not evaluation.baselines:
        return Markup()
    metrics = evaluation.metrics
    shown = [name for name in metrics if any(name in scores for scores in evaluation.baselines.values())]
    head = tag("tr", tag("th", "beside"), *(tag("th", f"{name} {_arrow(metrics[name])}") for name in shown))
    rows = [
        tag("tr", tag("th", of, scope="row"), *(_cell(scores.get(name)) for name in shown))
        for of, scores in {"output": metrics, **evaluation.baselines}.items()
    ]
    meanings = [quiet(tag("b", of), ": ", MEANING[of]) for of in evaluation.baselines if of in MEANING]
    return join([tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="scroll"), *meanings])


def _cell(score: Score | None) -> Markup:
    if score is None:
        return tag("td", "–")
    spread = f"{number(score['low'])} to {number(score['high'])}"
    return tag("td", number(score["value"]), tag("br"), tag("span", spread, class_="quiet"))


def pictures(examples: Sequence[Example]) -> Markup:
    """Examples, by what they are examples of."""
    groups = []
    for group, members in groupby(examples, key=lambda example: example.group):
        groups += [tag("h3", group), tag("div", *map(_example, members), class_="examples")]
    return section("Pictures", *groups) if groups else Markup()


def _example(example: Example) -> Markup:
    figures = [
        tag("figure", tag("img", src=embed(array), alt=f"{example.name}: {what}"), tag("figcaption", what))
        for what, array in example.pictures.items()
    ]
    scores = [
        tag("span", tag("span", name, class_="quiet"), f" {number(value)}") for name, value in example.scores.items()
    ]
    caption = tag("p", tag("b", example.name), *scores)
    return tag("div", tag("div", *figures, class_="panels"), caption, class_="example")


def _curves(log: list[Mapping[str, Any]]) -> Markup:
    curves: dict[str, list[tuple[float, float]]] = {}
    for line in log:
        for name, value in line.items():
            if name != "images" and _is_number(value) and _is_number(line.get("images")):
                curves.setdefault(name, []).append((line["images"], value))
    cards = [
        panel(name, f"at last {points[-1][1]:.4g}", charts.curve(*zip(*points, strict=True)))
        for name, points in curves.items()
    ]
    return section("Training, over the images seen", tag("div", *cards, class_="cards")) if cards else Markup()


def _facts(card: Mapping[str, Any]) -> Markup:
    facts = [join([tag("dt", key), tag("dd", value)]) for key, value in flat(card).items()]
    return section("The model", tag("dl", *facts)) if facts else Markup()


def _rows(evaluation: Evaluation) -> Markup:
    ranked = evaluation.ranked()
    if not evaluation.ranks_by:
        return Markup()
    head = tag("tr", *(tag("th", name) for name in ("picture", *ranked[0].scores)))
    rows = [
        tag("tr", tag("td", name), *(tag("td", number(value)) for value in scores.values())) for name, scores in ranked
    ]
    table = tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="scroll")
    return section("Every picture", tag("details", tag("summary", f"{len(rows)}, best first"), table))


def number(value: float) -> str:
    """A score as it is read: two decimals from two upwards, four below."""
    return f"{value:.2f}" if abs(value) >= 2 else f"{value:.4f}"


def flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested facts as lines of text: `{"options": {"width": 64}}` gives `{"options.width": "64"}`; empty ones go."""
    lines: dict[str, str] = {}
    for key, value in facts.items():
        if isinstance(value, Mapping):
            lines |= flat(value, f"{prefix}{key}.")
        elif value not in (None, "", [], ()):
            lines[f"{prefix}{key}"] = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return lines


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
