"""A look at training in progress: the present weights as a translator, its pictures and its score."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from diptych import images, metrics
from diptych.card import Card, Side
from diptych.data.dataset import Data
from diptych.metrics.interval import bootstrap
from diptych.training.recipe import Recipe
from diptych.training.trainer import Trainer
from diptych.translator import Translator, build, fill

SHOWN = 4


def translator(trainer: Trainer, recipe: Recipe, data: Data, scores: dict[str, Any]) -> Translator:
    """The weights as they are (averaged, where there is an average), shared with the trainer: nothing is copied."""
    sides = [
        Side.model_validate({"name": name, "channels": channels, "dtype": dtype, "low": low, "high": high})
        for name, channels, dtype, (low, high) in zip(data.names, data.channels, data.dtype, data.range, strict=True)
    ]
    card = Card(
        method=recipe.name, options=recipe.method, source=sides[0], target=sides[1], task=recipe.data["task"],
        images_seen=trainer.images_seen,
        data={"fingerprint": data.fingerprint, "training pairs": len(data.train), "kind": data.folder.kind},
        scores=scores,
    )  # fmt: skip
    method = build(card, "training")
    fill(method, trainer.method.state_dict() | trainer.trained(), "training")
    return Translator(method, card, speed=replace(recipe.speed, compile=False, recompute=False), device=trainer.device)


def preview(translator: Translator, data: Data) -> np.ndarray:
    """A grid `H W 3` of a few held-out pairs: source, output, target in each row."""
    shown = list(islice(data.pairs("val" if data.val else "train"), SHOWN))
    outputs = translator.many([source for _, source, _ in shown])
    pairs = zip(shown, outputs, strict=True)
    return images.grid([[source.array, output.array, target.array] for (_, source, target), output in pairs])


def score(translator: Translator, data: Data, metric: str) -> dict[str, Any]:
    """The metric's mean over the validation pairs, with its interval and protocol."""
    pairs = list(data.pairs("val"))
    outputs = translator.many([source for _, source, _ in pairs])
    measure, values = metrics.find(metric), []
    for (_, _, target), output in zip(pairs, outputs, strict=True):
        both = [images.to_unit(picture.array, *data.range[1])[None] for picture in (output, target)]
        values.append(float(measure.measure(*both)))
    mean, low, high = bootstrap(values)
    protocol = f"validation pairs; {measure.PROTOCOL}"
    return {"value": mean, "low": low, "high": high, "count": len(values), "protocol": protocol}


def better(metric: str, score: dict[str, Any], best: dict[str, Any] | None) -> bool:
    """Whether `score` improves on the best so far."""
    sign = 1 if metrics.find(metric).BETTER == "higher" else -1
    return best is None or sign * score["value"] > sign * best["value"]
