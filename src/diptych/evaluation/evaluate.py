"""Score a translator on pairs it has never seen: every metric with its interval and its protocol."""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, NamedTuple, NotRequired, Protocol, TypedDict, TypeVar

import numpy as np
import torch
from torch import Tensor

from diptych.errors import DataError, ModelError, OutputError, WeightsError
from diptych.evaluation.results import Results
from diptych.images import Picture, to_unit
from diptych.metrics import Metric, find, samples
from diptych.metrics.interval import Interval, bootstrap
from diptych.options.controls import Control, answer

USUAL = ("lpips_squeeze", "psnr", "ssim", "l1", "features_resnet_nsfw")
"""What pairs are measured by; the first that can be measured here ranks the pictures."""

BEST = ("lpips_squeeze", "psnr")
"""What the best of several answers is told by."""

Translate = Callable[..., Picture]
"""A translator as it is needed here: a picture and controls to a picture. One with `many(pictures, batch=..., ...)`, an
iterator in order, is asked that way."""

Answering = Translate | Results
"""A translator, or what another program made."""

Controls = Mapping[str, Any]
Named = TypeVar("Named", tuple[str, Picture], tuple[str, Picture, Picture])
"""A name, a source, and perhaps its target."""


class Pairs(Protocol):
    """Data as it is needed here."""

    @property
    def range(self) -> tuple[tuple[float, float], ...]:
        """The lowest and the highest value of the sources, and of the targets."""

    def pairs(self, split: str) -> Iterator[tuple[str, Picture, Picture]]:
        """Name, source and target of every pair in `split`."""


class Score(TypedDict):
    """A metric's value for `count` pictures, its 95 % interval, how it was made, and which way is better.

    meaning: what it says, in a sentence, of a metric that can tell.
    """

    value: float
    low: float
    high: float
    count: int
    protocol: str
    better: Literal["higher", "lower"]
    meaning: NotRequired[str]


class Row(NamedTuple):
    """One picture's scores."""

    name: str
    scores: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """Scores by metric, the metrics left out and why, the scores of every picture, and the seconds it all took.

    baselines: the same metrics of something to compare with, by its name: "untouched", the source taken as the answer.
    precision: the arithmetic that the outputs were made in; the scores themselves are computed in float32.
    notes: what is to be known of how pictures were read and translated, and of how many.
    """

    metrics: dict[str, Score]
    left_out: dict[str, str]
    rows: list[Row]
    split: str
    seconds: float
    baselines: dict[str, dict[str, Score]] = field(default_factory=dict)
    precision: str = "float32"
    notes: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON: `{"metrics": {"psnr": {"value", "low", "high", "count", ...}, ...}, ...}`."""
        return {
            "metrics": self.metrics,
            "baselines": self.baselines,
            "left_out": self.left_out,
            "notes": dict(self.notes),
            "split": self.split,
            "precision": self.precision,
            "seconds": round(self.seconds, 3),
            "pictures": [{"name": row.name, **row.scores} for row in self.rows],
        }

    def to_text(self) -> str:
        """The scores as lines for a terminal, each with its baselines below it."""
        lines = []
        for name, score in self.metrics.items():
            lines.append(f"{_line(name, score)}   {score['count']} pictures")
            lines += [f"  {score['meaning']}"] if "meaning" in score else []
            lines += [_line(f"  {of}", scores[name]) for of, scores in self.baselines.items() if name in scores]
        lines += [f"{name} left out: {why}" for name, why in self.left_out.items()]
        return "\n".join([*lines, *(f"{note} (of {count} pictures)" for note, count in self.notes.items())])

    def to_csv(self) -> str:
        """A line for each picture, for spreadsheets: its name, and its scores under their names."""
        table = io.StringIO()
        names = list(dict.fromkeys(name for row in self.rows for name in row.scores))
        lines = csv.writer(table, lineterminator="\n")
        lines.writerow(["picture", *names])
        lines.writerows([row.name, *(row.scores.get(name, "") for name in names)] for row in self.rows)
        return table.getvalue()

    def ranked(self) -> list[Row]:
        """The pictures from best to worst by their first metric; in their own order where they have none."""
        if not (first := self.ranks_by):
            return self.rows
        higher = self.metrics[first]["better"] == "higher"
        return sorted(self.rows, key=lambda row: row.scores[first], reverse=higher)

    @property
    def ranks_by(self) -> str | None:
        """The metric that ranks the pictures."""
        return next(iter(self.rows[0].scores), None) if self.rows else None


def _line(name: str, score: Score) -> str:
    return f"{name:27} {score['value']:10.4f}   95 % interval {score['low']:.4f} to {score['high']:.4f}"


def joined(first: Evaluation, second: Evaluation) -> Evaluation:
    """Two evaluations of one translator as one, with the pictures of the second."""
    names = [*first.baselines, *second.baselines]
    return Evaluation(
        metrics=first.metrics | second.metrics,
        left_out=first.left_out | second.left_out,
        rows=second.rows,
        split=second.split,
        seconds=first.seconds + second.seconds,
        baselines={name: first.baselines.get(name, {}) | second.baselines.get(name, {}) for name in names},
        notes={**first.notes, **second.notes},
    )


def evaluate(
    translator: Answering,
    data: Pairs,
    split: str = "test",
    *,
    limit: int | None = None,
    metrics: Sequence[str] = USUAL,
    controls: Controls | None = None,
    answers: int = 1,
    seed: int = 0,
    batch: int = 8,
    progress: Callable[[int], None] | None = None,
    look: Callable[[Picture, Picture], None] | None = None,
) -> Evaluation:
    """Translate the sources of `split` and measure how far each output is from its target.

    limit: only so many of the first pairs. metrics: names for `diptych.metrics.find`. controls: for the translator.
    answers: so many to each source, by the seed given and those after it: each metric is their mean, the best of them
    is told for the metrics in `BEST`, and how they differ as `diversity`. seed: of the bootstrap. batch: pictures
    translated at a time. progress: called with the number of pictures done. look: called with each first answer and its
    target.
    A metric that cannot be taken here (no weights, too many channels) is left out, with the reason. Raises DataError
    when the split holds no pair, or an output is not of its target's size, channels and kind of number; ModelError
    when an output holds values that are not numbers.
    """
    start = time.perf_counter()
    modules = {name: find(name) for name in metrics}
    device = getattr(translator, "device", "cpu")
    protocols = protocols_of(modules, answers)
    left_out: dict[str, str] = {}
    rows: list[Row] = []
    notes: Counter[str] = Counter()
    for (name, _, target), outputs in answered(translator, islice(data.pairs(split), limit), controls, answers, batch):
        for output in outputs:
            _check(name, output.array, target.array)
        scores, faults = _scores(modules, outputs, target, data.range[1], device)
        left_out |= faults
        modules = {metric: module for metric, module in modules.items() if metric not in faults}
        rows.append(Row(name, scores))
        notes.update(dict.fromkeys((*outputs[0].notes, *target.notes), 1))
        if look:
            look(outputs[0], target)
        if progress:
            progress(len(rows))
    if not rows:
        raise DataError(f"there are no pairs in the split {split!r}: nothing to evaluate on; name another split")
    return summary(rows, protocols, left_out, split, seed=seed, start=start, notes=notes)


def baseline(data: Pairs, split: str = "test", **options: Any) -> Evaluation:
    """The scores of the source taken as the answer: what a translator has to beat.

    Raises DataError where source and target differ in size, channels or kind of number, so that it cannot be one.
    """
    return evaluate(lambda picture: picture, data, split, **options)


def answered(
    translator: Answering, named: Iterable[Named], controls: Controls | None, answers: int, batch: int
) -> Iterator[tuple[Named, list[Picture]]]:
    """Each source with its answers: one, or several by the seed."""
    known: Mapping[str, Control] = getattr(translator, "controls", {"seed": Control("seed", "seed", 0)})
    several = [answer(known, controls or {}, number) for number in range(answers)] if answers > 1 else [controls or {}]
    remaining = iter(named)
    while some := list(islice(remaining, batch)):
        sources = [one[1] for one in some]
        names = [one[0] for one in some]
        outputs = [outputs_of(translator, sources, given, names) for given in several]
        yield from zip(some, map(list, zip(*outputs, strict=True)), strict=True)


def outputs_of(
    translator: Answering, sources: list[Picture], controls: Controls, names: Sequence[str]
) -> list[Picture]:
    """What the translator makes of the pictures, in order.

    Raises, by the picture's name, OutputError where it makes no numbers of it, and DataError where it does not take it.
    """
    if isinstance(translator, Results):
        return translator.of(names)
    many: Callable[..., Iterator[Picture]] | None = getattr(translator, "many", None)
    if many is None:
        return [translator(source, **controls) for source in sources]
    try:
        return list(many(sources, batch=len(sources), **controls))
    except OutputError as error:
        raise OutputError(error.reason, number=error.number, image=names[error.number]) from None
    except DataError as error:
        if len(sources) == 1:
            raise DataError(f"{names[0]}: {error}") from None
        for name, source in zip(names, sources, strict=True):
            outputs_of(translator, [source], controls, [name])
        raise


class ScoreProtocol(NamedTuple):
    """How a score is made, and which way is better."""

    protocol: str
    better: Literal["higher", "lower"]


def protocols_of(modules: Mapping[str, Metric], answers: int) -> dict[str, ScoreProtocol]:
    """Those of the scores of a picture, by their names: more than one for a metric where there are several answers."""
    if answers == 1:
        return {name: ScoreProtocol(module.PROTOCOL, module.BETTER) for name, module in modules.items()}
    protocols = {}
    for name, module in modules.items():
        protocols[name] = ScoreProtocol(f"mean of {answers} answers to each picture; {module.PROTOCOL}", module.BETTER)
        if name in BEST:
            protocols[best_of(name, answers)] = ScoreProtocol(
                f"the best of {answers} answers to each picture; {module.PROTOCOL}", module.BETTER
            )
    return protocols | {"diversity": ScoreProtocol(samples.PROTOCOL.format(count=answers), samples.BETTER)}


def best_of(metric: str, answers: int) -> str:
    """The name of the score of the best answer."""
    return f"{metric}_best_of_{answers}"


def summary(
    rows: list[Row],
    protocols: Mapping[str, ScoreProtocol],
    left_out: dict[str, str],
    split: str,
    *,
    seed: int,
    start: float,
    notes: Mapping[str, int],
) -> Evaluation:
    """The means over the pictures; a score that one of them lacks is of none. start: of the clock."""
    kept = [name for name in protocols if all(name in row.scores for row in rows)]
    rows = [Row(name, {score: scores[score] for score in kept}) for name, scores in rows]
    values = {name: [row.scores[name] for row in rows] for name in kept}
    measured = {name: scored(bootstrap(values[name], seed=seed), len(rows), protocols[name]) for name in kept}
    return Evaluation(measured, left_out, rows, split, time.perf_counter() - start, notes=notes)


def scored(interval: Interval, count: int, protocol: ScoreProtocol) -> Score:
    """An interval over `count` pictures with what it stands for."""
    value, low, high = interval
    return {"value": value, "low": low, "high": high, "count": count, **protocol._asdict()}  # type: ignore[typeddict-item]


def _check(name: str, output: np.ndarray, target: np.ndarray) -> None:
    made, wanted = _words(output), _words(target)
    if made != wanted:
        raise DataError(
            f"{name}: the output is {made}, its target {wanted}; evaluate on the data it was trained for, or give the "
            f"--size to bring both to"
        )
    refuse_no_numbers(name, output)


def refuse_no_numbers(name: str, output: np.ndarray) -> None:
    """Raises ModelError for an output with values that are none."""
    if not np.isfinite(output).all():
        raise ModelError(f"{name}: the output holds values that are not numbers; train the model anew")


def _words(array: np.ndarray) -> str:
    height, width, channels = array.shape
    return f"{width} x {height} pixels, {channels} channel(s), {array.dtype}"


def _scores(
    modules: Mapping[str, Metric], outputs: list[Picture], target: Picture, span: tuple[float, float], device: Any
) -> tuple[dict[str, float], dict[str, str]]:
    """What each metric says of the answers to one picture, and why some say nothing."""
    scores: dict[str, float] = {}
    faults: dict[str, str] = {}
    answers, wanted = stacked(outputs, span).to(device), stacked([target], span).to(device)
    for name, module in modules.items():
        try:
            best, scores[name] = samples.best_and_mean(module, answers, wanted)
        except (DataError, WeightsError) as fault:
            faults[name] = str(fault)
            continue
        if name in BEST and len(outputs) > 1:
            scores[best_of(name, len(outputs))] = best
    different, unsaid = diversity(answers)
    return scores | different, faults | unsaid


def stacked(pictures: list[Picture], span: tuple[float, float]) -> Tensor:
    """Pictures of one size, with values in the range `span`, as `B C H W` in [-1, 1]."""
    return torch.stack([to_unit(picture.array, *span) for picture in pictures])


def diversity(answers: Tensor) -> tuple[dict[str, float], dict[str, str]]:
    """How several answers `N C H W` to one picture differ, or why that cannot be said; nothing of a single one."""
    if len(answers) == 1:
        return {}, {}
    try:
        return {"diversity": samples.diversity(answers)}, {}
    except (DataError, WeightsError) as fault:
        return {}, {"diversity": str(fault)}
