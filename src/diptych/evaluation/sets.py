"""Score a translator without pairs: are its outputs, taken together, like the real pictures of the target's domain?"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Literal, Protocol

import numpy as np
from torch import Tensor

from diptych.errors import DataError, WeightsError
from diptych.evaluation.baselines import HALVES, UNTOUCHED
from diptych.evaluation.evaluate import (
    Answering,
    Controls,
    Evaluation,
    Row,
    Score,
    ScoreProtocol,
    answered,
    diversity,
    protocols_of,
    refuse_no_numbers,
    scored,
    stacked,
    summary,
)
from diptych.images import Picture
from diptych.metrics import correlation, l1, sets
from diptych.metrics.sets import SetMetric

ARTEFACTS = ("grid", "frame")
"""What tells of marks that networks leave: outputs and real pictures as two sets, whether there are pairs or not."""

MANIFOLD = ("precision_squeezenet", "recall_squeezenet", "density_squeezenet", "coverage_squeezenet")
"""How like real pictures outputs are, and how many kinds of real ones there are among them."""

SETS = ("fd_squeezenet", "kd_squeezenet", *MANIFOLD, "fd_resnet_nsfw", "kd_resnet_nsfw", *ARTEFACTS)
"""What two sets of pictures are compared by."""

INVERTED, IDLE = "light and dark are exchanged", "nearly nothing was changed"
"""What is noted of outputs whose brightness runs against their source's, and of those that differ by less than a
grey level, on average."""

AGAINST, LEVEL = -0.2, 2 / 255
"""From where on that is noted: a correlation, and a grey level of 255 in pictures of [-1, 1]."""

Features = Callable[..., np.ndarray]
OUTPUT, REAL = "output", "real"


class Sets(Protocol):
    """Data as it is needed here; (source, target) is the order of its pairs of values."""

    @property
    def dtype(self) -> tuple[str, ...]:
        """The kinds of number of the pictures."""

    @property
    def range(self) -> tuple[tuple[float, float], ...]:
        """Their lowest and their highest value."""

    def pictures(self, split: str, side: Literal[0, 1]) -> Iterator[tuple[str, Picture]]:
        """Name and picture of all of one side (0: source, 1: target) in `split`."""


def evaluate_sets(
    translator: Answering,
    data: Sets,
    split: str = "test",
    *,
    limit: int | None = None,
    metrics: Sequence[str] = SETS,
    controls: Controls | None = None,
    answers: int = 1,
    seed: int = 0,
    batch: int = 8,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Translate all sources of `split` and compare them with its targets, beside two baselines.

    "untouched" are the sources as they are; "real halves" are the targets compared with themselves, split in two at
    random. Where a metric depends on the number of pictures, all three are of equally many on each side: half the
    targets, or all sources where these are fewer.
    metrics: names for `diptych.metrics.sets.find`. answers: so many to each source; the first is the one compared, and
    `diversity` tells how they differ. The other options are those of `diptych.evaluation.evaluate.evaluate`.
    Raises DataError when a side is empty, or an output is of another kind of number than the targets; ModelError when
    an output holds values that are not numbers. What cannot be measured is left out, with the reason.
    """
    start = time.perf_counter()
    modules = {name: sets.find(name) for name in metrics}
    seen = FeatureStore(modules, getattr(translator, "device", "cpu"))
    rows: list[Row] = []
    left_out: dict[str, str] = {}
    notes: Counter[str] = Counter()
    for _, picture in islice(data.pictures(split, 1), limit):
        seen.look(REAL, picture, data.range[1])
        notes.update(picture.notes)
    sources = islice(data.pictures(split, 0), limit)
    for (name, source), outputs in answered(translator, sources, controls, answers, batch):
        for output in outputs:
            _check(name, output, data.dtype[1])
        seen.look(OUTPUT, outputs[0], data.range[1])
        seen.look(UNTOUCHED, source, data.range[0])
        made = stacked(outputs, data.range[1])
        scores, fault = diversity(made.to(seen.device))
        left_out |= fault
        rows.append(Row(name, scores))
        notes.update([*outputs[0].notes, *guarded(made[:1], stacked([source], data.range[0]))])
        if progress:
            progress(len(rows))
    if not rows or not seen.counts[REAL]:
        raise DataError(f"the split {split!r} lacks pictures of one side: nothing to evaluate on; name another split")
    apart = summary(rows, protocols_of({}, answers), left_out, split, seed=seed, start=start, notes=notes)
    return compared(modules, seen, apart, seed=seed, start=start)


def guarded(output: Tensor, source: Tensor) -> list[str]:
    """What is to be noted of an output `1 C H W` beside its source; nothing where their shapes differ."""
    if output.shape != source.shape:
        return []
    alike, apart = float(correlation.measure(output, source)), float(l1.measure(output, source))
    return [INVERTED] * (alike < AGAINST) + [IDLE] * (apart < LEVEL)


class FeatureStore:
    """What the metrics see in the pictures of several sets; metrics with the same features look at them once."""

    def __init__(self, modules: Mapping[str, SetMetric], device: Any = "cpu") -> None:
        self.device = device
        self.looks: set[Features] = {module.features for module in modules.values()}
        self.found: dict[tuple[Features, str], list[np.ndarray]] = defaultdict(list)
        self.faults: dict[Features, str] = {}
        self.counts: dict[str, int] = defaultdict(int)

    def look(self, of: str, picture: Picture, span: tuple[float, float]) -> None:
        """Look at one picture, with values in the range `span`, of the set `of`."""
        self.counts[of] += 1
        for look in self.looks - set(self.faults):
            try:
                self.found[look, of].extend(look(stacked([picture], span).to(self.device)))
            except (DataError, WeightsError) as fault:
                self.faults[look] = str(fault)

    def features(self, look: Features, of: str) -> np.ndarray:
        """What was seen in the set: `N D`. Raises DataError where there was a fault."""
        if look in self.faults:
            raise DataError(self.faults[look])
        return np.stack(self.found[look, of])


def compared(
    modules: Mapping[str, SetMetric], seen: FeatureStore, apart: Evaluation, *, seed: int, start: float
) -> Evaluation:
    """`apart`, the scores of single pictures, with those of the sets before them."""
    metrics: dict[str, Score] = {}
    baselines: dict[str, dict[str, Score]] = defaultdict(dict)
    left_out = {}
    for name, module in modules.items():
        try:
            metrics[name] = _score(module, seen, OUTPUT, seed)
        except DataError as fault:
            left_out[name] = str(fault)
            continue
        for of in baselines_of(seen):
            with suppress(DataError):  # sources of other channels than the targets, say
                baselines[of][name] = _score(module, seen, of, seed)
    if metrics and HALVES not in baselines:
        left_out[HALVES] = f"{seen.counts[REAL]} real pictures are too few to split in two"
    return Evaluation(
        metrics=metrics | apart.metrics,
        left_out=left_out | apart.left_out,
        rows=apart.rows,
        split=apart.split,
        seconds=time.perf_counter() - start,
        baselines=dict(baselines),
        notes=apart.notes,
    )


def baselines_of(seen: FeatureStore) -> list[str]:
    """What can be set beside the outputs: the sources where they were looked at, and halves of enough real pictures."""
    return [UNTOUCHED] * bool(seen.counts[UNTOUCHED]) + [HALVES] * (seen.counts[REAL] >= 4)


def _score(module: SetMetric, seen: FeatureStore, of: str, seed: int) -> Score:
    """The score of the outputs or of a baseline. All are of equally many pictures where their number matters."""
    output, real = (seen.features(module.features, some) for some in (OUTPUT, REAL))
    half = len(real) // 2
    size = min(len(output), half if half >= 2 else len(real))
    if of == HALVES:
        size = size if module.BIASED else half
        protocol = ScoreProtocol(f"{sets.HALVES}; {module.PROTOCOL}", module.BETTER)
        return scored(sets.halves(module, real, size=size, seed=seed), size, protocol)
    count = size if module.BIASED else len(output)
    features = output if of == OUTPUT else seen.features(module.features, of)
    score = scored(
        module.compare(features, real, size=size, seed=seed), count, ScoreProtocol(module.PROTOCOL, module.BETTER)
    )
    if of == OUTPUT and (meaning := vars(module).get("meaning")):
        score["meaning"] = meaning(output, real)
    return score


def _check(name: str, output: Picture, dtype: str) -> None:
    if str(output.array.dtype) != dtype:
        raise DataError(
            f"{name}: the output is {output.array.dtype}, the real pictures are {dtype}; evaluate on the data it was "
            "trained for"
        )
    refuse_no_numbers(name, output.array)
