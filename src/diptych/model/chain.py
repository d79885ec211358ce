"""Models one after the other as one model: what one gives, the next one takes, each with its own task and controls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from diptych import images
from diptych.errors import ConfigError
from diptych.images import Picture
from diptych.images.values import measured
from diptych.model import folder as model_folder
from diptych.model.card import NOT_STATED, WORDS, Card, Domain, between, describe
from diptych.model.chained import Chained
from diptych.model.controls import joined
from diptych.model.preparing import Image
from diptych.model.translator import Translator
from diptych.tasks import Task
from diptych.tasks.pairs import Pairs


class Whole(Pairs):
    """What a chain does to a picture as a whole. scale: how many times larger it becomes."""

    in_parts = False

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def source(self, image: Picture) -> Picture:
        height, width = (self.scale * side for side in image.array.shape[:2])
        return replace(image, array=images.resize(image.array, height, width))


class Chain(Translator):
    """Translates with several models, in order. Made by `Translator.load` of a folder whose card has parts."""

    def __init__(self, method: Chained, card: Card, **options: Any) -> None:
        super().__init__(method, card, **options)
        own = {**options, "speed": self.speed, "version": ""}
        self.parts = [Translator(part, about, **own) for part, about in zip(method.parts, card.parts, strict=True)]
        self.task = cast(Task, Whole(card.scale))

    def own_controls(self, controls: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The controls of each part, by the names that they have there."""
        known = joined(self.method, self.card)
        return [
            {one.name: controls[name] for name, (part, one) in known.items() if part == number and name in controls}
            for number in range(len(self.parts))
        ]

    def checked(self, controls: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in controls.items() if name != "to"}
        self.ends(controls.get("to"))
        if unknown := sorted(given.keys() - self.controls.keys()):
            raise ConfigError(f"{unknown[0]} is not an option; there are: {', '.join(self.controls) or 'none'}")
        each = [part.checked(own) for part, own in zip(self.parts, self.own_controls(given), strict=True)]
        return {name: each[part].get(one.name) for name, (part, one) in joined(self.method, self.card).items()}

    def stream(self, pictures: Iterable[Image], controls: Mapping[str, Any], *, batch: int = 8) -> Iterator[Picture]:
        """`many` with controls as `checked` gives them, each picture through all models in turn."""
        passed: Iterable[Image] = (replace(self.opened(one, self.card.source), prepared=False) for one in pictures)
        for part, own in zip(self.parts, self.own_controls(controls), strict=True):
            part.tiling, part.snap_colours = self.tiling, self.snap_colours
            passed = part.stream(passed, part.checked(own), batch=batch)
        yield from passed

    def batch(self, pictures: Tensor, **controls: Any) -> Tensor:
        raise ConfigError(
            "between the models of a chain are pictures, and no tensors: time its models, or halve their weights, "
            "one by one"
        )

    def differ(self, controls: Mapping[str, Any]) -> bool:
        own = zip(self.parts, self.own_controls(controls), strict=True)
        return any(part.answers and part.differ(part.checked(some)) for part, some in own)


def chain(models: list[Path], out: Path) -> Card:
    """Make a model folder of several, which it holds copies of. Raises ConfigError where one does not fit the next."""
    if len(models) < 2:
        raise ConfigError("a chain has two models or more: name them in the order in which they are to work")
    methods, cards = [], []
    for model in models:
        method, card, _ = model_folder.load(model)
        if card.parts:
            raise ConfigError(f"{model} is a chain itself: name its models")
        methods.append(method)
        cards.append(card)
    for (one, card), (other, following) in pairwise(zip(models, cards, strict=True)):
        if why := misfit(card.target, following.source):
            raise ConfigError(
                f"{one} gives {describe(card.target)}, and {other} takes {describe(following.source)}: {why}"
            )
    card = card_of(cards)
    model_folder.write(out, Chained(methods), card, everything=False, preview=None)
    return card


def misfit(given: Domain, taken: Domain) -> str:
    """Why images of the one are none for a model of the other; "" where they are."""
    if (given.legend and given.legend.classes) != (taken.legend and taken.legend.classes):
        return "label maps of one legend go with the same legend alone"
    if taken.neighbours:
        return "a slice comes without its neighbours, which the next model looks at"
    if given.channels != taken.channels and {given.channels, taken.channels} != {1, 3}:
        return "the numbers of channels differ"
    same = (given.dtype, given.low, given.high) == (taken.dtype, taken.low, taken.high)
    if not same and not given.legend and (given.dtype == taken.dtype or measured(given.dtype) or measured(taken.dtype)):
        return "their values mean other things"
    return ""


def card_of(cards: list[Card]) -> Card:
    """The card of a chain: its ends, and of all models what was stated of each."""
    ends = {"source": cards[0].source, "target": cards[-1].target}
    words: dict[str, Any] = {name: together(cards, name) for name in WORDS}
    return Card(method="chain", options={}, parts=cards, **between(ends, [("source", "target")]), **words)


def together(cards: list[Card], name: str) -> str:
    """What was stated of the models of a chain, by their numbers; once where it is the same of all."""
    stated = [card.words().get(name) for card in cards]
    if len(set(stated)) == 1:
        return stated[0] or NOT_STATED
    return "; ".join(f"{number}: {words or NOT_STATED}" for number, words in enumerate(stated, 1))
