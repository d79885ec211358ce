"""A look at training in progress: the present weights as a translator, its pictures and its score."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from math import inf
from typing import Any

import numpy as np

from diptych import images, metrics
from diptych.data.dataset import PAIRS, Data
from diptych.images import Picture
from diptych.methods.method import directions, domains, inputs
from diptych.metrics.interval import bootstrap
from diptych.model.card import Card, Domain, between
from diptych.model.folder import EXAMPLES, build, fill
from diptych.model.translator import Translator
from diptych.training.recipe import Recipe
from diptych.training.stabilizers import plain_state
from diptych.training.trainer import Trainer

SHOWN = 4
AT_ONCE = 8
"""Validation pairs in memory."""
Row = list[np.ndarray]


def translator(trainer: Trainer, recipe: Recipe, data: Data, scores: dict[str, Any]) -> Translator:
    """The weights as they are (averaged, where there is an average), shared with the trainer: nothing is copied."""
    method_inputs = inputs(trainer.method)
    sides = [
        Domain.model_validate(
            {
                "name": name,
                "channels": channels,
                "dtype": dtype,
                "low": low,
                "high": high,
                "legend": legend,
                "unit": policy.unit if policy else "",
                "chosen": policy is not None,
                "neighbours": 0 if side else data.read.neighbours,
            }
        )
        for side, (name, channels, dtype, (low, high), legend, policy) in enumerate(
            zip(data.names, data.channels, data.dtype, data.range, data.legends, data.policies, strict=True)
        )
    ]
    named = dict(zip(domains(trainer.method, len(sides)), sides, strict=True))
    card = Card(
        method=recipe.name, options=recipe.method, **between(named, directions(trainer.method, len(sides))),
        task=recipe.task["name"], task_options=recipe.task_options,
        images_seen=trainer.images_seen,
        data={"fingerprint": data.fingerprint, **learned_from(method_inputs, data), "kind": data.folder.kind,
              **{option: recipe.data[option] for option in ("instances", "maps", "texts") if recipe.data[option]},
              **({"style": f"{data.style.name}, sha256 {data.style_sha256}"} if data.style else {}),
              **({"ranges": set_ranges(data)} if recipe.data["ranges"] else {}),
              **({"axis": recipe.data["axis"]} if recipe.data["axis"] != "k" else {})},
        scores=scores,
    )  # fmt: skip
    method = build(card, "training")
    fill(method, plain_state(trainer.method) | trainer.trained(), "training")
    made = Translator(method, card, speed=replace(recipe.speed, compile=False, recompute=False), device=trainer.device)
    made.most_outside = 1.0  # a run goes on whatever its validation pictures hold
    return made


def set_ranges(data: Data) -> dict[str, list[float]]:
    """The ranges that were asked for, by role, for the card: a score is taken in the same."""
    return {role: list(span) for role, span in zip(("source", "target"), data.read.ranges, strict=True) if span}


def learned_from(inputs: tuple[str, ...], data: Data) -> dict[str, Any]:
    """How many pictures the training had, for the card."""
    if inputs == PAIRS:
        return {"training pairs": len(data.train)}
    return {
        f"training pictures of {name}": len(side) for name, side in zip(data.names, data.singles("train"), strict=True)
    }


def preview(translator: Translator, data: Data) -> np.ndarray:
    """A grid `H W 3` of a few pictures, held out where there are such.

    In each row: source, output, target of a pair; without pairs, source and output, and for a model that works both
    ways a picture of the other domain and its output; of more domains than two the first to each other.
    """
    split = "val" if data.val else "train"
    if data.items(split):
        shown = list(islice(data.pairs(split), SHOWN))
        outputs = translator.many([source for _, source, _ in shown])
        return images.grid([[s.visible, o.visible, t.visible] for (_, s, t), o in zip(shown, outputs, strict=True)])
    first, several = translator.card.source.name, len(translator.card.domains) > 2
    shown_ways = [way for way in translator.directions if way[0] == first or not several]
    columns = [list(rows(translator, data, *way)) for way in shown_ways]
    return images.grid([list(chain(*row)) for row in zip(*columns, strict=False)])


def examples(data: Data) -> list[Picture]:
    """A few pictures of the source, held out where there are such."""
    split = "val" if data.val else "train"
    if data.items(split):
        pairs = islice(data.pairs(split), len(EXAMPLES))
        return [as_users_have_it(data, source, target) for _, source, target in pairs]
    split = "test" if data.singles("test")[0] else "train"
    return [picture for _, picture in islice(data.pictures(split, 0), len(EXAMPLES))]


def as_users_have_it(data: Data, source: Picture, target: Picture) -> Picture:
    """A user's picture for a pair: the task makes its source larger, or adds channels of its own to a whole picture."""
    if data.given_channels[0] > data.channels[0]:
        return target
    if data.task.scale == 1:
        return source
    height, width = (-(-side // data.task.scale) for side in source.array.shape[:2])
    return replace(source, array=images.resize(source.array, height, width))


def rows(translator: Translator, data: Data, source: str, to: str) -> Iterator[Row]:
    """A few pictures of one domain, each with its output in the domain `to`."""
    side = [domain.name for domain in translator.card.domains].index(source)
    split = "test" if data.singles("test")[side] else "train"
    sources = [picture for _, picture in islice(data.pictures(split, side), SHOWN)]
    for picture, output in zip(sources, translator.many(sources, to=to), strict=True):
        yield [picture.visible, output.visible]


def score(translator: Translator, data: Data, metric: str, *, within: float = inf) -> dict[str, Any] | None:
    """The metric's mean over the validation pairs, with its interval and protocol.

    None as soon as it is seen to take longer than `within` seconds.
    """
    measure, values, pairs, begun = metrics.find(metric), [], data.pairs("val"), time.monotonic()
    while some := list(islice(pairs, AT_ONCE)):
        outputs = translator.many([source for _, source, _ in some], batch=AT_ONCE)
        for (_, _, target), output in zip(some, outputs, strict=True):
            both = [data.unit(picture, 1)[None].to(translator.device) for picture in (output, target)]
            values.append(float(measure.measure(*both)))
        if len(values) < len(data.val) and (time.monotonic() - begun) / len(values) * len(data.val) > within:
            return None
    mean, low, high = bootstrap(values)
    protocol = f"validation pairs; {measure.PROTOCOL}"
    return {
        "value": mean,
        "low": low,
        "high": high,
        "count": len(values),
        "protocol": protocol,
        "precision": translator.precision,
    }


def better(metric: str, score: dict[str, Any], best: dict[str, Any] | None) -> bool:
    """Whether `score` improves on the best so far."""
    sign = 1 if metrics.find(metric).BETTER == "higher" else -1
    return best is None or sign * score["value"] > sign * best["value"]
