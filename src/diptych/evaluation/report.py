"""An evaluation as one page to look at: pictures, scores, curves. It holds all it shows and needs no network."""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from diptych import __version__, images
from diptych.evaluation import charts
from diptych.evaluation.evaluate import Evaluation, Example, Score
from diptych.evaluation.markup import Markup, join, tag
from diptych.files import write_bytes, write_text
from diptych.metrics import find

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
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
    baseline: Evaluation | None = None,
) -> Path:
    """Write `report.html` and, where there are examples, `grid.png` to `folder`; gives the page's path.

    names: of the source's and the target's kind of picture. card: facts about the model. log: the run's lines, with
    "images" and numbers by name, drawn as curves. baseline: scores of the source taken as the answer, to compare with.
    Raises StorageError when the folder cannot be written to.
    """
    sections = [
        _head(title, evaluation, names),
        _scores(evaluation, baseline),
        _pictures(evaluation, examples, names),
        _curves(list(log)),
        _facts(card or {}),
        _rows(evaluation),
    ]
    page = Path(folder) / "report.html"
    write_text(page, _page(title, sections))
    if examples:
        rows = [[example.source, example.output, example.target] for example in examples]
        grid = images.grid(rows, titles=[names[0], "output", names[1]])
        write_bytes(page.with_name("grid.png"), images.encode(grid, "PNG"))
    return page


def _page(title: str, sections: Sequence[Markup]) -> str:
    style = Markup(Path(__file__).with_name("report.css").read_text(encoding="utf-8"))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("title", title),
        tag("style", style),
    )
    made = f"Made by Diptych {__version__} on {time.strftime('%Y-%m-%d %H:%M')}. This page holds all it shows."
    body = tag("body", *sections, tag("footer", made, class_="quiet"))
    return "<!doctype html>\n" + tag("html", head, "\n", body, lang="en") + "\n"


def _head(title: str, evaluation: Evaluation, names: Names) -> Markup:
    count = len(evaluation.rows)
    pictures = "one picture" if count == 1 else f"{count} pictures"
    took = f"{pictures} of the {evaluation.split} split, translated and judged in {evaluation.seconds:.1f} s"
    panels = (tag("span", class_="panel source"), tag("span", class_="panel output"))
    return join(
        [
            tag("div", *panels, "Diptych · evaluation", class_="mark"),
            tag("h1", title),
            _quiet(f"{names[0]} → {names[1]} · {took}"),
        ]
    )


def _scores(evaluation: Evaluation, baseline: Evaluation | None) -> Markup:
    base = {name: score["value"] for name, score in baseline.metrics.items()} if baseline else {}
    cards = [
        _card(name, score, [row.scores[name] for row in evaluation.rows], base.get(name))
        for name, score in evaluation.metrics.items()
    ]
    keys = [_quiet(tag("span", class_="key mean"), "mean over the pictures, in its 95 % bootstrap interval")]
    if base:
        keys.append(_quiet(tag("span", class_="key base"), "the source itself taken as the answer: to be beaten"))
    left_out = [_quiet(tag("b", name), " was left out: ", why) for name, why in evaluation.left_out.items()]
    return _section("Scores", tag("div", *cards, class_="cards"), *keys, *left_out)


def _card(name: str, score: Score, values: list[float], base: float | None) -> Markup:
    interval = (score["value"], score["low"], score["high"])
    arrow = "↑" if find(name).BETTER == "higher" else "↓"
    against = [] if base is None else [_quiet(f"source itself {number(base)}")]
    return _panel(
        name,
        f"{arrow} is better",
        tag("p", number(score["value"]), class_="value"),
        _quiet(f"{number(score['low'])} to {number(score['high'])}"),
        *against,
        charts.histogram(values, interval, base),
        _quiet(score["protocol"]),
    )


def _pictures(evaluation: Evaluation, examples: Sequence[Example], names: Names) -> Markup:
    by = f", by {next(iter(evaluation.metrics))}" if evaluation.metrics else ""
    groups = []
    for place, members in groupby(examples, key=lambda example: example.place):
        heading = tag("h3", f"{place.capitalize()}{by}" if place else f"All, best first{by}")
        groups += [heading, tag("div", *(_example(example, names) for example in members), class_="examples")]
    return _section("Pictures", *groups) if groups else Markup()


def _example(example: Example, names: Names) -> Markup:
    panels = {names[0]: example.source, "output": example.output, f"{names[1]}, the target": example.target}
    figures = [
        tag("figure", tag("img", src=embed(array), alt=f"{example.name}: {what}"), tag("figcaption", what))
        for what, array in panels.items()
    ]
    scores = [
        tag("span", tag("span", name, class_="quiet"), f" {number(value)}") for name, value in example.scores.items()
    ]
    caption = tag("p", tag("b", example.name), *scores)
    return tag("div", tag("div", *figures, class_="triptych"), caption, class_="example")


def _curves(log: list[Mapping[str, Any]]) -> Markup:
    curves: dict[str, list[tuple[float, float]]] = {}
    for line in log:
        for name, value in line.items():
            if name != "images" and _is_number(value) and _is_number(line.get("images")):
                curves.setdefault(name, []).append((line["images"], value))
    cards = [
        _panel(name, f"at last {points[-1][1]:.4g}", charts.curve(*zip(*points, strict=True)))
        for name, points in curves.items()
    ]
    return _section("Training, over the images seen", tag("div", *cards, class_="cards")) if cards else Markup()


def _facts(card: Mapping[str, Any]) -> Markup:
    facts = [join([tag("dt", key), tag("dd", value)]) for key, value in flat(card).items()]
    return _section("The model", tag("dl", *facts)) if facts else Markup()


def _rows(evaluation: Evaluation) -> Markup:
    head = tag("tr", *(tag("th", name) for name in ("picture", *evaluation.metrics)))
    rows = [
        tag("tr", tag("td", name), *(tag("td", number(value)) for value in scores.values()))
        for name, scores in evaluation.ranked()
    ]
    table = tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="scroll")
    return _section("Every picture", tag("details", tag("summary", f"{len(rows)}, best first"), table))


def _section(heading: str, *content: Markup) -> Markup:
    return tag("section", tag("h2", heading), *content)


def _panel(heading: str, aside: str, *content: Markup) -> Markup:
    return tag("article", tag("header", tag("h3", heading), tag("span", aside, class_="quiet")), *content)


def _quiet(*content: str) -> Markup:
    return tag("p", *content, class_="quiet")


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


def embed(array: np.ndarray) -> str:
    """A picture `H W 3` of uint8 as a data URL, as PNG or as JPEG, whichever is shorter."""
    encoded = {kind: images.encode(array, kind.upper()) for kind in ("png", "jpeg")}
    kind, data = min(encoded.items(), key=lambda item: len(item[1]))
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
