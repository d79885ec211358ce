"""Scores of label maps: those that a translator makes, or those that a reader makes of its photos.

The second is the FCN score of Isola et al. (2017, §4.1): a segmenter that was trained on real photos reads the photos
that were made from label maps; how well it finds the labels again says how much they show what they should.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from diptych.data.dataset import Data
from diptych.errors import ConfigError
from diptych.evaluation.evaluate import Evaluation, Row, Score, ScoreProtocol, outputs_of, scored
from diptych.evaluation.results import Results
from diptych.images import Picture
from diptych.images.legend import Legend
from diptych.metrics import confusion
from diptych.model.translator import Translator

REAL = "real photos"
"""The baseline of what a reader makes of the true pictures."""


def evaluate_labels(
    translator: Translator | Results,
    data: Data,
    split: str,
    *,
    limit: int | None = None,
    controls: Mapping[str, Any] | None = None,
    batch: int = 8,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Translate the sources of `split` and count how many pixels have the class of the target.

    Arguments as for `evaluate`; `data` has label maps as targets.
    """
    start = time.perf_counter()
    ids = known(data.legends[1])
    rows, tables = [], []
    notes: Counter[str] = Counter()
    for some in batches(data, split, limit, batch):
        names = [name for name, *_ in some]
        outputs = outputs_of(translator, [source for _, source, _ in some], controls or {}, names)
        for (name, _, target), output in zip(some, outputs, strict=True):
            tables.append(confusion.confusion(output.array, target.array, ids))
            rows.append(Row(name, {"pixel_accuracy": confusion.scores(tables[-1])["pixel_accuracy"]}))
            notes.update(output.notes)
            if progress:
                progress(len(rows))
    return Evaluation(table_scores(tables, "", seed), {}, rows, split, time.perf_counter() - start, notes=notes)


def read_back(
    translator: Translator,
    reader: Translator,
    data: Data,
    split: str,
    *,
    limit: int | None = None,
    controls: Mapping[str, Any] | None = None,
    batch: int = 8,
    seed: int = 0,
) -> Evaluation:
    """How well `reader` finds the labels again in the photos made of them, beside what it finds in the real ones.

    Raises ConfigError where `data` has no label maps as sources, or the reader does not tell these classes.
    """
    start = time.perf_counter()
    legend = data.legends[0]
    read = reader.card.target.legend
    if translator.card.target.legend:
        raise ConfigError("the model makes label maps itself: a reader is for photos that are made of them")
    if legend is None or read is None or known(read) != known(legend):
        raise ConfigError("the reader must make label maps with the classes that the model makes photos of")
    made: list[np.ndarray] = []
    real: list[np.ndarray] = []
    for some in batches(data, split, limit, batch):
        names = [name for name, *_ in some]
        outputs = outputs_of(translator, [source for _, source, _ in some], controls or {}, names)
        for tables, photos in ((made, outputs), (real, [target for *_, target in some])):
            predicted = outputs_of(reader, list(photos), {}, names)
            for (_, source, _), labels in zip(some, predicted, strict=True):
                tables.append(confusion.confusion(labels.array, source.array, known(legend)))
    by = f"read by {reader.card.method} trained on {reader.card.images_seen} images; "
    baselines = {REAL: table_scores(real, by, seed, prefix="fcn_")}
    return Evaluation(
        table_scores(made, by, seed, prefix="fcn_"), {}, [], split, time.perf_counter() - start, baselines=baselines
    )


def known(legend: Legend | None) -> list[int]:
    """The ids of the classes that count."""
    assert legend is not None
    return [c.id for c in legend.known]


def batches(data: Data, split: str, limit: int | None, batch: int) -> Iterator[list[tuple[str, Picture, Picture]]]:
    """The pairs of a split, `batch` at a time."""
    pairs = islice(data.pairs(split), limit)
    while some := list(islice(pairs, batch)):
        yield some


def table_scores(tables: Sequence[np.ndarray], by: str, seed: int, prefix: str = "") -> dict[str, Score]:
    """The scores of all pictures, by name."""
    return {
        prefix + name: scored(interval, len(tables), ScoreProtocol(by + confusion.PROTOCOLS[name], "higher"))
        for name, interval in confusion.intervals(tables, seed=seed).items()
    }
