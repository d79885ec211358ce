"""Two models on the same images: by how much one is better than the other, and how surely.

Each image is translated by both, so that what is hard about it counts for neither: the difference has an interval of
its own, which is far narrower than those of the two means.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any, Literal, NamedTuple

import numpy as np

from diptych.data.dataset import Data
from diptych.errors import ConfigError
from diptych.evaluation.command import open_as_it_is, open_for, show, sources
from diptych.evaluation.evaluate import USUAL, Evaluation, answered, evaluate
from diptych.evaluation.examples import Example, view
from diptych.evaluation.results import Results
from diptych.images import LIMIT_MP
from diptych.metrics.interval import bootstrap, share
from diptych.model.translator import Translator

ENOUGH = 6
"""Images that it takes to say that one model is surely better: of fewer, all may be for it by chance (one of 32)."""
SHOWN = 12
"""Images in the report, those first on which the two differ most."""


class Side(NamedTuple):
    """A model, or what another program made, and what it is called."""

    name: str
    made_by: Translator | Results


@dataclass(frozen=True)
class Difference:
    """What a metric says of two models on the same images.

    first, second: their means. value, low, high: the mean of first minus second, with its 95 % interval. wins: the
    share of images on which the first is better, equal ones counting half, with its interval. surely: the name of the
    one that is better, where the interval of the difference holds no zero and there are enough images, else "".
    """

    first: float
    second: float
    value: float
    low: float
    high: float
    wins: tuple[float, float, float]
    count: int
    better: Literal["higher", "lower"]
    surely: str
    protocol: str


class Both(NamedTuple):
    """One image's scores, by the first model and by the second."""

    name: str
    first: Mapping[str, float]
    second: Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """The differences by metric; the first that could be measured ranks the images."""

    names: tuple[str, str]
    metrics: dict[str, Difference]
    left_out: dict[str, str]
    rows: list[Both]
    split: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        rows = [{"name": name, "first": dict(one), "second": dict(other)} for name, one, other in self.rows]
        metrics = {name: asdict(one) for name, one in self.metrics.items()}
        return {
            "first": self.names[0],
            "second": self.names[1],
            "split": self.split,
            "metrics": metrics,
            "left_out": self.left_out,
            "seconds": round(self.seconds, 3),
            "pictures": rows,
        }

    def to_text(self) -> str:
        """For a terminal."""
        width = max(len(name) for name in self.names)
        lines = [f"{self.names[0]} against {self.names[1]}: {len(self.rows)} pictures of the {self.split} split"]
        for name, one in self.metrics.items():
            lines.append(f"{name} ({one.better} is better): {said(one, self.names)}")
            for of, mean in zip(self.names, (one.first, one.second), strict=True):
                lines.append(f"  {of:{width}} {mean:10.4f}")
            lines.append(f"  {'difference':{width}} {one.value:10.4f}   95 % interval {one.low:.4f} to {one.high:.4f}")
        lines += [f"{name} left out: {why}" for name, why in self.left_out.items()]
        return "\n".join(lines)

    def ranked(self) -> list[Both]:
        """The images from that on which the first is most ahead to that on which the second is; by the first metric."""
        first = next(iter(self.metrics), None)
        if first is None:
            return self.rows
        sign = 1 if self.metrics[first].better == "higher" else -1
        return sorted(self.rows, key=lambda row: sign * (row.second[first] - row.first[first]))


def said(one: Difference, names: tuple[str, str]) -> str:
    """Which is better and on how many images, in words."""
    wins, low, high = (100 * part for part in one.wins)
    ahead = f"{names[0]} is ahead on {wins:.0f} % of the pictures ({low:.0f} to {high:.0f})"
    few = f", of {one.count} pictures" if one.count < ENOUGH else ""
    return f"{one.surely} is better; {ahead}" if one.surely else f"neither is surely better{few}; {ahead}"


def compare_folder(
    first: Side,
    second: Side,
    folder: str | None = None,
    *,
    a: str | None = None,
    b: str | None = None,
    split: str = "test",
    direction: str | None = None,
    kind: str | None = None,
    size: int | str | None = None,
    limit: int | None = None,
    limit_mp: float = LIMIT_MP,
    metrics: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> tuple[Comparison, list[Example]]:
    """Compare two models on the pairs of one split of a folder; gives pictures to look at, too.

    Each is given its images as it knows them; the targets are the same. Raises ConfigError where the split has no
    pairs, DataError where images do not fit a model or a source has no result.
    """
    start, done = time.perf_counter(), count(1)
    sides, names = (first, second), (first.name, second.name)
    options: dict[str, Any] = {"a": a, "b": b, "direction": direction, "kind": kind, "limit_mp": limit_mp}
    opened = [opened_for(side.made_by, folder, **options) for side in sides]
    for data in opened:
        show(data, split, size)
        if not data.items(split):
            raise ConfigError(
                f"the {split} split has no pairs: evaluate each model, and set their sets' scores side by side"
            )
        if data.legends[1]:
            raise ConfigError("the targets are label maps: evaluate each model, and set their scores side by side")
    if opened[0].names[1] != opened[1].names[1]:
        made = " and ".join(f"{side.name} makes {data.names[1]}" for side, data in zip(sides, opened, strict=True))
        raise ConfigError(f"{made}: compare two that make the same, or say by --direction what is made")
    tasks = {side.made_by.card.task for side in sides if isinstance(side.made_by, Translator)}
    if len(tasks) > 1:
        raise ConfigError(f"their tasks are {' and '.join(sorted(tasks))}: compare two models that are given the same")
    for side, data in zip(sides, opened, strict=True):
        if isinstance(side.made_by, Results):
            side.made_by.fit(data, sources(data, split, limit))
    wanted = tuple(dict.fromkeys((*USUAL, *metrics)))
    tell = (lambda _: progress(next(done))) if progress else None
    found = [
        evaluate(side.made_by, data, split, limit=limit, metrics=wanted, progress=tell)
        for side, data in zip(sides, opened, strict=True)
    ]
    comparison = compared(names, (found[0], found[1]), split, time.perf_counter() - start)
    return comparison, pictures(comparison, sides, (opened[0], opened[1]))


def opened_for(made_by: Translator | Results, folder: str | None, **options: Any) -> Data:
    """The images of a folder as a model takes them, or as they are where its results are there already."""
    if isinstance(made_by, Translator):
        return open_for(made_by, folder, **options)
    return open_as_it_is(folder=folder, **options)


def compared(
    names: tuple[str, str], found: tuple[Evaluation, Evaluation], split: str, seconds: float, *, seed: int = 0
) -> Comparison:
    """Two evaluations on the same images as one comparison; images that only one of them has are left out."""
    own = [{row.name: row.scores for row in one.rows} for one in found]
    rows = [Both(name, own[0][name], own[1][name]) for name in own[0] if name in own[1]]
    if not rows:
        raise ConfigError("the two were not scored on the same images: their names differ")
    left_out = found[0].left_out | found[1].left_out
    metrics = {
        name: difference(names, rows, name, found[0].metrics[name], seed)
        for name in found[0].metrics
        if name in found[1].metrics
    }
    return Comparison(names, metrics, left_out, rows, split, seconds)


def difference(
    names: tuple[str, str], rows: Sequence[Both], metric: str, score: Mapping[str, Any], seed: int
) -> Difference:
    """What a metric says of the images. score: of the first model, for its protocol."""
    one, other = (
        np.array([scores[metric] for scores in some]) for some in zip(*((r.first, r.second) for r in rows), strict=True)
    )
    value, low, high = bootstrap(one - other, seed=seed)
    sign = 1 if score["better"] == "higher" else -1
    ahead = float(np.mean(np.sign(sign * (one - other)) + 1) / 2)
    apart = len(rows) >= ENOUGH and not low <= 0 <= high
    better = names[0] if sign * value > 0 else names[1]
    return Difference(
        first=float(one.mean()), second=float(other.mean()), value=value, low=low, high=high,
        wins=(ahead, *share(ahead, len(rows))), count=len(rows), better=score["better"],
        surely=better if apart else "", protocol=score["protocol"],
    )  # fmt: skip


def pictures(comparison: Comparison, sides: tuple[Side, Side], data: tuple[Data, Data]) -> list[Example]:
    """The images on which the two differ most, by the metric that ranks them: source, both results, and target."""
    ranked = comparison.ranked()
    half = min(SHOWN, len(ranked) + 1) // 2
    groups = {row.name: f"{sides[1].name} is behind most" for row in ranked[:half]}
    groups |= {row.name: f"{sides[0].name} is behind most" for row in ranked[::-1][: len(ranked) - half][:half]}
    shown: dict[str, Example] = {}
    for place, (side, own) in enumerate(zip(sides, data, strict=True)):
        wanted = (pair for pair in own.pairs(comparison.split) if pair[0] in groups)
        for (name, source, target), (output, *_) in answered(side.made_by, wanted, {}, 1, batch=1):
            if place == 0:
                panels = {own.names[0]: view(source, *own.range[0]), side.name: view(output, *own.range[1])}
                shown[name] = Example(name, groups[name], panels, {})
            else:
                shown[name].pictures[side.name] = view(output, *own.range[1])
                shown[name].pictures[f"{own.names[1]}, the target"] = view(target, *own.range[1])
    scores = {row.name: row for row in comparison.rows}
    first = next(iter(comparison.metrics), None)
    ordered = [shown[name] for name in groups if name in shown]
    return [one._replace(scores=beside(scores[one.name], comparison.names, first)) for one in ordered]


def beside(row: Both, names: tuple[str, str], metric: str | None) -> dict[str, float]:
    """The scores of one image by a metric, by whose they are."""
    if metric is None:
        return {}
    return {f"{metric} of {name}": scores[metric] for name, scores in zip(names, row[1:], strict=True)}
