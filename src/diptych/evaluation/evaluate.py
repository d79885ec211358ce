"""Score a translator on pairs it has never seen: every metric with its interval and its protocol."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypedDict

import numpy as np

from diptych.errors import DataError, ModelError, WeightsError
from diptych.images import Picture, from_unit, grid, to_unit
from diptych.metrics import Metric, find
from diptych.metrics.interval import bootstrap

PAIRED = ("lpips_squeeze", "psnr", "ssim", "l1")
"""What pairs are measured by; the first that can be measured here ranks the pictures."""

Translate = Callable[[Picture], Picture]
"""A translator as it is needed here. One with `many(pictures, batch=...)`, an iterator in order, is asked that way."""


class Pairs(Protocol):
    """Data as it is needed here."""

    @property
    def range(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The lowest and the highest value of the sources, and of the targets."""

    def pairs(self, split: str) -> Iterator[tuple[str, Picture, Picture]]:
        """Name, source and target of every pair in `split`."""


class Score(TypedDict):
    """A metric's mean over `count` pictures, its 95 % interval, and how it was made."""

    value: float
    low: float
    high: float
    count: int
    protocol: str


class Row(NamedTuple):
    """One picture's scores."""

    name: str
    scores: dict[str, float]


class Example(NamedTuple):
    """A pair and what the translator made of it, each `H W 3` of uint8, to be looked at.

    `place` is best, median or worst, or "" where all pictures are shown.
    """

    name: str
    place: str
    source: np.ndarray
    output: np.ndarray
    target: np.ndarray
    scores: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """Scores by metric, the metrics left out and why, the scores of every picture, and the seconds it all took."""

    metrics: dict[str, Score]
    left_out: dict[str, str]
    rows: list[Row]
    split: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON: `{"metrics": {"psnr": {"value", "low", "high", "count", "protocol"}, ...}, ...}`."""
        return {
            "metrics": self.metrics,
            "left_out": self.left_out,
            "split": self.split,
            "seconds": round(self.seconds, 3),
            "pictures": [{"name": row.name, **row.scores} for row in self.rows],
        }

    def to_text(self) -> str:
        """The scores as lines for a terminal."""
        lines = [
            f"{name:14} {score['value']:8.4f}   95 % interval {score['low']:.4f} to {score['high']:.4f}"
            f"   {score['count']} pictures"
            for name, score in self.metrics.items()
        ]
        return "\n".join([*lines, *(f"{name:14} left out: {why}" for name, why in self.left_out.items())])

    def ranked(self) -> list[Row]:
        """The pictures from best to worst by the first metric; in their own order where nothing was measured."""
        if not self.metrics:
            return self.rows
        first = next(iter(self.metrics))
        return sorted(self.rows, key=lambda row: row.scores[first], reverse=find(first).BETTER == "higher")


def evaluate(
    translator: Translate,
    data: Pairs,
    split: str = "test",
    *,
    limit: int | None = None,
    metrics: Sequence[str] = PAIRED,
    seed: int = 0,
    batch: int = 8,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Translate the sources of `split` and measure how far each output is from its target.

    limit: only so many of the first pairs. metrics: names for `diptych.metrics.find`. seed: of the bootstrap.
    batch: pictures translated at a time. progress: called with the number of pictures done.
    A metric that cannot be taken here (no weights, too many channels) is left out, with the reason. Raises DataError
    when the split holds no pair, or an output is not of its target's size, channels and kind of number; ModelError
    when an output holds values that are not numbers.
    """
    start = time.perf_counter()
    judges = {name: find(name) for name in metrics}
    left_out: dict[str, str] = {}
    rows: list[Row] = []
    for name, _, output, target in _translated(translator, islice(data.pairs(split), limit), batch):
        _check(name, output.array, target.array)
        scores, faults = _scores(judges, output.array, target.array, data.range[1])
        left_out |= faults
        judges = {metric: judge for metric, judge in judges.items() if metric not in faults}
        rows.append(Row(name, scores))
        if progress:
            progress(len(rows))
    if not rows:
        raise DataError(f"there are no pairs in the split {split!r}: nothing to evaluate on; name another split")
    rows = [Row(name, {metric: scores[metric] for metric in judges}) for name, scores in rows]
    measured = {name: _score(judge, [row.scores[name] for row in rows], seed) for name, judge in judges.items()}
    return Evaluation(measured, left_out, rows, split, time.perf_counter() - start)


def baseline(data: Pairs, split: str = "test", **options: Any) -> Evaluation:
    """The scores of the source taken as the answer: what a translator has to beat.

    Raises DataError where source and target differ in size, channels or kind of number, so that it cannot be one.
    """
    return evaluate(lambda picture: picture, data, split, **options)


def examples(translator: Translate, data: Pairs, evaluation: Evaluation, *, count: int = 4) -> list[Example]:
    """The best, the median and the worst `count` pictures of an evaluation; all where there are no more than these.

    They are translated once more, so that an evaluation of any size need not be kept in memory.
    """
    ranked = evaluation.ranked()
    places = _places([row.name for row in ranked], count)
    wanted = islice((pair for pair in data.pairs(evaluation.split) if pair[0] in places), len(places))
    scores = {row.name: row.scores for row in ranked}
    spans = (data.range[0], data.range[1], data.range[1])
    shown = {}
    for name, *pictures in _translated(translator, wanted, batch=1):
        source, output, target = (view(picture.array, *span) for picture, span in zip(pictures, spans, strict=True))
        shown[name] = Example(name, places[name], source, output, target, scores[name])
    return [shown[name] for name in places]


def view(array: np.ndarray, low: float, high: float) -> np.ndarray:
    """A picture with values in low..high as eyes can see it: `H W 3` of uint8."""
    return grid([[from_unit(to_unit(array, low, high), "uint8", 0, 255)]], gap=0)


def _translated(
    translator: Translate, pairs: Iterable[tuple[str, Picture, Picture]], batch: int
) -> Iterator[tuple[str, Picture, Picture, Picture]]:
    """Name, source, output and target of every pair, in order; the translator may read some pairs ahead."""
    waiting: deque[tuple[str, Picture, Picture]] = deque()

    def sources() -> Iterator[Picture]:
        for pair in pairs:
            waiting.append(pair)
            yield pair[1]

    outputs = translator.many(sources(), batch=batch) if hasattr(translator, "many") else map(translator, sources())
    for output in outputs:
        name, source, target = waiting.popleft()
        yield name, source, output, target


def _check(name: str, output: np.ndarray, target: np.ndarray) -> None:
    made, wanted = _words(output), _words(target)
    if made != wanted:
        raise DataError(f"{name}: the output is {made}, its target {wanted}; evaluate on the data it was trained for")
    if not np.isfinite(output).all():
        raise ModelError(f"{name}: the output holds values that are not numbers; train the model anew")


def _words(array: np.ndarray) -> str:
    height, width, channels = array.shape
    return f"{width} x {height} pixels, {channels} channel(s), {array.dtype}"


def _scores(
    judges: dict[str, Metric], output: np.ndarray, target: np.ndarray, span: tuple[float, float]
) -> tuple[dict[str, float], dict[str, str]]:
    """What each metric says of an output and its target, and why some say nothing."""
    scores, faults = {}, {}
    pictures = [to_unit(array, *span).unsqueeze(0) for array in (output, target)]
    for name, judge in judges.items():
        try:
            scores[name] = float(judge.measure(*pictures))
        except (DataError, WeightsError) as fault:
            faults[name] = str(fault)
    return scores, faults


def _score(judge: Metric, values: list[float], seed: int) -> Score:
    mean, low, high = bootstrap(values, seed=seed)
    return {"value": mean, "low": low, "high": high, "count": len(values), "protocol": judge.PROTOCOL}


def _places(ranked: list[str], count: int) -> dict[str, str]:
    """Names from best to worst, each with its place; all of them, without a place, where there are few."""
    if len(ranked) <= 3 * count:
        return dict.fromkeys(ranked, "")
    middle = (len(ranked) - count) // 2
    groups = {"best": ranked[:count], "median": ranked[middle : middle + count], "worst": ranked[-count:]}
    return {name: place for place, names in groups.items() for name in names}
