"""How well label maps are predicted, counted over all pixels of all pictures (Long, Shelhamer, Darrell 2015, §5).

Means over pictures would give a rare class that fills one picture as much weight as the road of a hundred; so what is
kept of each picture is its table of confusion, and the scores are those of the sum of the tables.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diptych.metrics.interval import Interval

PROTOCOLS = {
    "pixel_accuracy": "the share of all pixels, of known class, that are told rightly",
    "class_accuracy": "the share of each class's pixels that are told rightly, a mean over the classes there are",
    "mean_iou": "of each class the pixels told rightly over those that it has or is told to have (intersection over "
    "union), a mean over the classes there are",
}
"""The scores by name; of each, higher is better."""


def confusion(output: np.ndarray, target: np.ndarray, ids: Sequence[int]) -> np.ndarray:
    """Of pixels of each class in `target` (rows), how many are predicted to be of each (columns): `K K`.

    output, target: ids of one shape. ids: of the classes; pixels of another id in `target` do not count, and of another
    id in `output` count as wrong, in a last column: `K K+1`.
    """
    count = len(ids)
    rank = np.full(65536, count)
    rank[list(ids)] = np.arange(count)
    predicted, true = rank[output.ravel()], rank[target.ravel()]
    known = true < count
    pairs = true[known] * (count + 1) + predicted[known]
    return np.bincount(pairs, minlength=count * (count + 1)).reshape(count, count + 1)


def scores(table: np.ndarray) -> dict[str, float]:
    """The scores by name of one table, or of the sum of many. A class that is nowhere is left aside."""
    right, there, predicted = np.diag(table), table.sum(1), table[:, :-1].sum(0)
    present, union = there > 0, there + predicted - right
    return {
        "pixel_accuracy": float(right.sum() / max(1, there.sum())),
        "class_accuracy": float((right[present] / there[present]).mean()) if present.any() else 0.0,
        "mean_iou": float((right[present] / union[present]).mean()) if present.any() else 0.0,
    }


def intervals(tables: Sequence[np.ndarray], *, seed: int = 0, samples: int = 2000) -> dict[str, Interval]:
    """The scores of all pictures together, with the percentile interval over draws of pictures (Efron 1979)."""
    stacked = np.stack(tables)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(stacked), np.full(len(stacked), 1 / len(stacked)), size=samples)
    drawn = [scores(table) for table in np.tensordot(draws, stacked, axes=1)]
    value = scores(stacked.sum(0))
    ends = {name: np.quantile([draw[name] for draw in drawn], [0.025, 0.975]) for name in value}
    return {name: Interval(value[name], *map(float, ends[name])) for name in value}
