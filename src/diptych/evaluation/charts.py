"""Small charts as inline SVG, coloured by the page they stand in: they need no script and no library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from diptych.evaluation.markup import Markup, tag

WIDTH, FLOOR, HEIGHT = 260, 74, 92
GUTTER = 46  # right of a curve, for its highest and lowest value
NAMES, LINE = 92, 20  # left of intervals, for their names; height of one

Interval = tuple[float, float, float]
"""A value, and the ends of the interval about it."""


def histogram(values: Sequence[float], interval: Interval) -> Markup:
    """How `values` are spread, with their mean and its interval."""
    shown = [*values, *interval]
    ends = _apart(min(shown), max(shown))
    counts, edges = np.histogram(values, bins=24, range=ends)
    heights = (FLOOR - 8) * counts / counts.max()
    left, width = [_along(edge, ends) for edge in edges[:-1]], WIDTH / 24
    bars = [
        tag("rect", class_="bar", x=x, y=FLOOR - height, width=width, height=height)
        for x, height in zip(left, heights, strict=True)
    ]
    mean, low, high = (_along(value, ends) for value in interval)
    band = tag("rect", class_="band", x=low, y=0, width=high - low, height=FLOOR)
    label = f"{len(values)} pictures from {min(values):.4g} to {max(values):.4g}"
    return _chart(label, ends, WIDTH, *bars, band, _upright("mean", mean))


def intervals(named: Mapping[str, Interval]) -> Markup:
    """Intervals below each other on one axis, each with its name; the first is the one that matters."""
    shown = [end for interval in named.values() for end in interval]
    ends, width = _apart(min(shown), max(shown)), WIDTH - NAMES
    marks = []
    for row, (name, interval) in enumerate(named.items()):
        y, kind = LINE * row + LINE / 2, "first" if row == 0 else "other"
        value, low, high = (NAMES + _along(end, ends, width) for end in interval)
        marks.append(_text(0, y + 4, name, "start"))
        marks.append(tag("line", class_=f"span {kind}", x1=low, x2=high, y1=y, y2=y))
        marks.append(tag("circle", class_=f"dot {kind}", cx=value, cy=y, r=4))
    floor = LINE * len(named) + 2
    axis = tag("line", class_="axis", x1=NAMES, x2=WIDTH, y1=floor, y2=floor)
    ticks = _text(NAMES, floor + 14, _brief(ends[0]), "start"), _text(WIDTH, floor + 14, _brief(ends[1]), "end")
    label = ", ".join(f"{name} {interval[0]:.4g}" for name, interval in named.items())
    view = f"0 0 {WIDTH} {floor + 18}"
    return tag("svg", axis, *marks, *ticks, viewBox=view, role="img", aria_label=label)


def curve(images: Sequence[float], values: Sequence[float], *, points: int = 150) -> Markup:
    """A quantity in the course of training over the images seen; neighbours are averaged down to `points`."""
    xs, ys = _thinned(images, points), _thinned(values, points)
    across, up, width = _apart(min(xs), max(xs)), _apart(min(ys), max(ys)), WIDTH - GUTTER
    heights = [FLOOR - 4 - (FLOOR - 10) * (y - up[0]) / (up[1] - up[0]) for y in ys]
    path = " ".join(f"{_along(x, across, width):.1f},{y:.1f}" for x, y in zip(xs, heights, strict=True))
    ends = [_text(WIDTH, y, _brief(value), "end") for y, value in ((10, up[1]), (FLOOR - 1, up[0]))]
    label = f"from {ys[0]:.4g} to {ys[-1]:.4g}"
    return _chart(label, across, width, tag("polyline", class_="curve", points=path), *ends)


def _chart(label: str, ends: tuple[float, float], width: float, *marks: Markup) -> Markup:
    axis = tag("line", class_="axis", x1=0, x2=width, y1=FLOOR, y2=FLOOR)
    ticks = _text(0, HEIGHT - 4, _brief(ends[0]), "start"), _text(width, HEIGHT - 4, _brief(ends[1]), "end")
    return tag("svg", *marks, axis, *ticks, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label)


def _upright(kind: str, x: float) -> Markup:
    return tag("line", class_=kind, x1=x, x2=x, y1=0, y2=FLOOR)


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return tag("text", text, x=x, y=y, text_anchor=anchor)


def _brief(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _along(value: float, ends: tuple[float, float], width: float = WIDTH) -> float:
    return width * (value - ends[0]) / (ends[1] - ends[0])


def _apart(low: float, high: float) -> tuple[float, float]:
    """The two ends of an axis, drawn apart where they coincide."""
    return (low, high) if high > low else (low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2)


def _thinned(values: Sequence[float], points: int) -> list[float]:
    parts = np.array_split(np.asarray(values, dtype=float), min(points, len(values)))
    return [float(part.mean()) for part in parts]
