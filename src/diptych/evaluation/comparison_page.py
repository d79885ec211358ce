"""A comparison of two models as one page to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from diptych.evaluation import charts
from diptych.evaluation.comparing import Comparison, Difference, said
from diptych.evaluation.examples import Example
from diptych.evaluation.markup import Markup, tag
from diptych.evaluation.page import heading, page, panel, quiet, section
from diptych.evaluation.report import number, pictures
from diptych.storage.files import write_text


def write_comparison(folder: Path, comparison: Comparison, examples: Sequence[Example]) -> Path:
    """Write `comparison.html` to a folder, and give its path. Raises StorageError."""
    first, second = comparison.names
    count = len(comparison.rows)
    about = f"{count} pictures of the {comparison.split} split, each translated by both, in {comparison.seconds:.1f} s"
    cards = [_card(name, one, comparison.names) for name, one in comparison.metrics.items()]
    left_out = [quiet(tag("b", name), " was left out: ", why) for name, why in comparison.left_out.items()]
    sections = [
        heading("comparison", f"{first} against {second}", about),
        section("By how much, and how surely", tag("div", *cards, class_="cards"), *left_out),
        pictures(examples),
        _rows(comparison),
    ]
    place = folder / "comparison.html"
    write_text(place, page(f"{first} against {second}", sections))
    return place


def _card(name: str, one: Difference, names: tuple[str, str]) -> Markup:
    arrow = "↑" if one.better == "higher" else "↓"
    return panel(
        name,
        f"{arrow} is better",
        tag("p", f"{'+' if one.value > 0 else ''}{number(one.value)}", class_="value"),
        quiet(
            f"{number(one.low)} to {number(one.high)}: {names[0]} {number(one.first)}, {names[1]} {number(one.second)}"
        ),
        tag("p", said(one, names)),
        charts.intervals({"difference": (one.value, one.low, one.high), "none": (0.0, 0.0, 0.0)}),
        tag("details", tag("summary", "How it is measured"), quiet(one.protocol)),
    )


def _rows(comparison: Comparison) -> Markup:
    """Every image, from that on which the first is most ahead."""
    if not comparison.metrics:
        return Markup()
    names = comparison.names
    head = tag(
        "tr", tag("th", "picture"), *(tag("th", f"{metric}: {name}") for metric in comparison.metrics for name in names)
    )
    rows = [
        tag(
            "tr",
            tag("td", row.name),
            *(tag("td", number(of[metric])) for metric in comparison.metrics for of in row[1:]),
        )
        for row in comparison.ranked()
    ]
    table = tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="scroll")
    return section("Every picture", tag("details", tag("summary", f"{len(rows)}, most ahead first: {names[0]}"), table))
