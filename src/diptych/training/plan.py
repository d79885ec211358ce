"""What a run will do, known before its first step: recipe and data brought together, checked and put into words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from math import log
from pathlib import Path
from typing import Any

import torch

from diptych import kinds, tasks
from diptych.data.dataset import MULTI_DOMAIN, PAIRS, Data
from diptych.data.loader import Batches
from diptych.data.opening import open_data
from diptych.errors import ConfigError, WeightsError
from diptych.methods import find
from diptych.methods.method import (
    PICTURES,
    Method,
    arguments,
    inputs,
    kinds_of,
    label_inputs,
    of_kind,
    parameters,
    required,
)
from diptych.model.card import listed
from diptych.nn.hollow import hollow
from diptych.options.recipes import shipped
from diptych.runtime.device import choose_device, lacking
from diptych.runtime.memory import size
from diptych.runtime.precision import Bf16, choose, explain
from diptych.runtime.threads import usual
from diptych.storage import weights
from diptych.training import processes
from diptych.training.budget import Budget, Stopwatch
from diptych.training.estimate import training_bytes
from diptych.training.recipe import Best, Recipe, Train, channel_options, inherited

BESIDE = {PAIRS: ("text",), MULTI_DOMAIN: ("domain", "text")}
"""The kinds that go with the images of a method's inputs, besides maps."""
PARTS = {"tick": 100, "sample": 20, "validate": 20, "checkpoint": 20}
"""Into how many parts a training is divided by its ticks, sample grids, scores and saved states, if not asked."""


class Plan:
    """A recipe with its data. Raises ConfigError where the two do not go together, DataError for bad data."""

    def __init__(self, recipe: Recipe) -> None:
        self.inputs = inputs(find(recipe.name))
        recipe = replace(recipe, data={**recipe.data, **asked_by_method(recipe)})
        self.data = open_data(recipe.make_task(), **recipe.data)
        self.device = choose_device(recipe.train.device)
        self.precision = explain(recipe.speed.bf16, self.device)
        recipe = replace(recipe, speed=replace(recipe.speed, bf16=agreed_precision(recipe.speed.bf16, self.device)))
        self.recipe = complete(recipe, self.data, self.inputs)
        recipe.stabilizers.check(self.on_paper)
        Batches(recipe.train.batch, start=0, rank=0, world=processes.count())  # refuses what cannot be shared
        for _, part in self.pretrained(self.on_paper):
            weights.locate(part)
        height, width = self.data.augment.size
        multiple = self.on_paper.size_multiple
        if height % multiple or width % multiple:
            raise ConfigError(
                f"data.size = {width}x{height}: {recipe.name} with these options needs multiples of {multiple}; "
                f"choose another size, or a generator with fewer halvings"
            )

    def method(self) -> Method:
        """The method with fresh weights, and in the parts that are never trained what they are made of."""
        method = self.blank()
        for network, part in self.pretrained(method):
            network.fill(weights.tensors(part))
        for part, _ in made_of(method, type(method).examples):
            part.fill(self.data.example())
        return method

    def blank(self) -> Method:
        return find(self.recipe.name)(**self.recipe.method)

    def pretrained(self, method: Method) -> Iterator[tuple[Any, str]]:
        """The parts of `method` that come with pretrained weights, and the names of these."""
        yield from made_of(method, type(method).pretrained)

    @cached_property
    def on_paper(self) -> Method:
        """The method without memory for its weights."""
        with hollow():
            return self.blank()

    @property
    def lacking(self) -> dict[str, str]:
        """What was asked for and the device lacks, and why."""
        return {name: why for name, why in lacking(self.device).items() if vars(self.recipe.speed)[name]}

    @property
    def images(self) -> int | None:
        """How many images the training lasts; None where that is by the time it takes."""
        train, length = self.recipe.train, find(self.recipe.name).length
        if train.minutes:
            return None
        if train.images or (train.epochs is None and "images" in length):
            return train.images or length["images"]
        return max(1, round((train.epochs or length["epochs"]) * self.data.epoch(self.inputs)))

    @property
    def length(self) -> str:
        """How long the training lasts, in words."""
        if self.images is None:
            return f"{self.recipe.train.minutes:g} minutes, planned by the speed that is measured,"
        return f"{self.images} images"

    def intervals(self) -> dict[str, int]:
        """Images between two ticks, sample grids, scores and saved states, those that go by images."""
        asked = {name: vars(self.recipe.train)[f"{name}_every"] for name in PARTS}
        usual = {name: max(1, self.images // parts) if self.images else 0 for name, parts in PARTS.items()}
        every = {name: usual[name] if n is None else n for name, n in asked.items()}
        return {name: images for name, images in every.items() if images}

    def budget(self, watch: Stopwatch) -> Budget | None:
        """The time that the training may take, where that is its length; what it has taken is on the watch."""
        train = self.recipe.train
        if not train.minutes:
            return None
        parts = {name: parts for name, parts in PARTS.items() if vars(train)[f"{name}_every"] is None}
        return Budget(train.minutes, watch, batch=train.batch, parts=parts, every=self.intervals())

    def memory(self) -> int | None:
        """Estimated bytes of each process; None for a method whose steps cannot be taken on tensors that hold nothing.

        Raises ConfigError for pictures too small for the networks; any other error in `steps` is its author's to see.
        """
        train, speed, (height, width) = self.recipe.train, self.recipe.speed, self.data.augment.size
        each = train.batch // processes.count()
        if speed.recompute and train.micro_batch:
            each = min(each, train.micro_batch)
        try:
            return self.count_bytes(each, 1)
        except (RuntimeError, ValueError) as error:
            if self.takes_larger(each):
                raise ConfigError(
                    f"{self.recipe.name} with these options cannot take pictures of {width}x{height} "
                    f"({first_line(error)}): choose larger pictures, or networks with fewer layers"
                ) from None
            if isinstance(error, NotImplementedError) or "meta" in str(error):
                return None
            raise

    def count_bytes(self, each: int, larger: int) -> int:
        """Bytes for so many pictures in a process, with sides so many times as long as they are."""
        height, width = self.data.augment.size
        sides = zip(self.inputs, self.data.given_channels, strict=False)
        shapes = {side: (each, channels, larger * height, larger * width) for side, channels in sides}
        batch = {side: torch.empty(shape, device="meta") for side, shape in shapes.items()}
        batch["domain"], batch["text"] = (torch.zeros(each, *n, dtype=torch.int64) for n in ((), (64,)))
        for name, kind in self.data.read.maps.items():
            batch[name] = kind.tensor(torch.zeros(each, 1, larger * height, larger * width, dtype=torch.int32))
        batch = arguments(find(self.recipe.name), batch)
        return training_bytes(self.blank, batch, speed=self.recipe.speed, stabilizers=self.recipe.stabilizers)

    def takes_larger(self, each: int) -> bool:
        """Whether it is the size of the pictures that the steps fail on: larger ones, on paper, do not."""
        for larger in (4, 64, 1024):
            with suppress(Exception):
                return self.count_bytes(each, larger) > 0
        return False

    def lines(self) -> list[str]:
        """What will be trained on what, how big it is, and what is noteworthy about the data."""
        recipe, data, (height, width) = self.recipe, self.data, self.data.augment.size
        groups = self.on_paper.groups().items()
        counts = [f"{name} {sum(p.numel() for p in parameters(nets)) / 1e6:.2f} M" for name, nets in groups]
        speed = " ".join(name for name, on in vars(recipe.speed.on(self.device)).items() if on is True) or "plain"
        stabilizers = ", ".join(f"{name}={value}" for name, value in recipe.stabilizers.asked().items())
        return [
            f"{recipe.name}: {self.turns()}, {self.counts()}",
            *(f"  {note}" for note in data.notes),
            f"parameters: {', '.join(counts)}; pictures {width}x{height}, {self.channels()}, "
            f"{self.data.bytes_of(self.inputs) / 1e3:.0f} kB from the loader for each",
            f"memory: {memory_words(self.memory())}; speed: {speed}",
            f"on {self.device}: {self.precision}{self.threads()}",
            *(f"  {name} is left off: {why}" for name, why in self.lacking.items()),
            *(
                f"method.{name}={recipe.method[name]}, as it fits pictures of {width}x{height}"
                for name in recipe.fitted
            ),
            *(line for option in recipe.at_hand for line in self.found(option)),
            *([f"stabilizers: {stabilizers}"] if stabilizers else []),
            *averaging(recipe.train),
            f"{self.length} in batches of {recipe.train.batch}, {self.kept()}",
        ]

    def found(self, option: str) -> Iterator[str]:
        """What better pretrained weights there would be for an option that depends on them, and how to have them."""
        value, choices = self.recipe.method[option], find(self.recipe.name).by_weights[option]
        better = list(choices.values())[: list(choices).index(value)]
        if remedies := [weights.remedy(part) for part in better if part]:
            yield f"method.{option}={value}, for want of weights that make better pictures: {' or '.join(remedies)}"

    def threads(self) -> str:
        """How many threads compute, in words."""
        asked = self.recipe.speed.threads
        number = f"at most {usual()}" if asked == "auto" and usual() > 1 else usual() if asked == "auto" else asked
        return f"; threads: {number}" * (self.device.type == "cpu")

    def channels(self) -> str:
        """What the pictures of each side are made of, in words."""
        sides = zip(self.inputs, self.data.channels, self.data.legends, strict=False)
        words = [f"{len(of.known)} classes{' and edges' * of.edges}" if of else str(count) for _, count, of in sides]
        return " to ".join(words) + " channels" * (self.data.legends[1] is None)

    def turns(self) -> str:
        """What becomes of what, in words."""
        names = list(dict.fromkeys(self.data.names))
        both_ways = find(self.recipe.name).directions or self.inputs == MULTI_DOMAIN
        return listed(names) if both_ways else " to ".join(self.data.names[:2])

    def counts(self) -> str:
        """How many pictures there are to learn from, in words."""
        validate = f", {len(self.data.val)} pairs to validate" if self.data.val else ", none to validate"
        if self.inputs == PAIRS:
            return f"{len(self.data.train)} pairs to train on{validate}"
        counts = listed([str(len(side)) for side in self.data.singles("train")])
        apart = ", their pairing unused" if self.data.paired else ""
        return f"{counts} pictures to train on{apart}{validate if self.data.val else ''}"

    def kept(self) -> str:
        """Which weights become the model, in words."""
        best = self.recipe.train.best
        return "the last weights are kept" if best == "last" or not self.data.val else f"the best by {best} are kept"


def made_of(method: Method, given: Mapping[str, str]) -> Iterator[tuple[Any, str]]:
    """The parts of `method` that are there, of those in `given`, and what these are made of."""
    parts: dict[str, Any] = dict(method.named_modules())
    yield from ((parts[name], what) for name, what in given.items() if name in parts)


def memory_words(needed: int | None) -> str:
    if needed is None:
        return "not known beforehand for this method"
    return f"about {size(needed)} and the libraries"


def averaging(train: Train) -> list[str]:
    """Which weights are averaged over how long, in words."""
    if not train.ema:
        return []
    half = round(log(0.5) / log(train.ema))
    before = ", as in recipes from before images were counted" if train.ema_counts == "steps" else ""
    return [f"weights averaged, with a half-life of {half} {train.ema_counts} (train.ema={train.ema:g}){before}"]


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def fitting(recipe: Recipe, shape: tuple[int, int]) -> dict[str, Any]:
    """The options that are to fit pictures of this height and width; the last where none does, which says the most."""
    choices = {name: find(recipe.name).by_size[name] for name in recipe.fitted}
    found = {name: [sizes[n] for n in sizes if not any(side % n for side in shape)] for name, sizes in choices.items()}
    return {name: (found[name] or list(sizes.values())[::-1])[0] for name, sizes in choices.items()}


def available(recipe: Recipe) -> dict[str, str]:
    """The options that are to fit the pretrained weights: the first value whose weights every process has; where there
    are none, the first, whose weights are then asked for."""
    choices = {option: find(recipe.name).by_weights[option] for option in recipe.at_hand}
    there = {
        option: [value for value, part in values.items() if part is None or not processes.agreed(not at_hand(part))]
        for option, values in choices.items()
    }
    return {option: next(iter([*there[option], *values])) for option, values in choices.items()}


def at_hand(part: str) -> bool:
    """Whether there are the pretrained weights of this name."""
    try:
        return bool(weights.locate(part))
    except WeightsError:
        return False


def agreed_precision(asked: Bf16, device: torch.device) -> bool:
    """Whether all processes that train together use bfloat16: one that had better not decides for all."""
    return not processes.agreed(not choose(asked, device))


def asked_by_method(recipe: Recipe) -> dict[str, Any]:
    """Options of the data that the method has a say in: label maps, several domains, and texts."""
    (labels,) = label_inputs(find(recipe.name)) or (None,)
    several = of_kind(find(recipe.name), "domain") and recipe.data["kind"] == "auto"
    return {
        "labels": recipe.data["labels"] or labels,
        "kind": "domains" if several else recipe.data["kind"],
        "texts": recipe.data["texts"] or bool(of_kind(find(recipe.name), "text")),
    }


def complete(recipe: Recipe, data: Data, inputs: tuple[str, ...]) -> Recipe:
    """Fill in what depends on the method, on the data and on what is installed."""
    found = dict(zip(channel_options(find(recipe.name)), data.given_channels, strict=False))
    if of_kind(find(recipe.name), "domain"):
        found["domains"] = len(data.names)
        begun = inherited(recipe.name, {"start": recipe.train.start}).get("domains", len(data.names))
        if begun != len(data.names):
            raise ConfigError(
                f"train.start={recipe.train.start} knows {begun} domains, and {data.folder.place} has "
                f"{len(data.names)}: begin from a model of as many"
            )
    wrong = [f"method.{name} = {asked}, the data's are {found[name]}" for name, asked in recipe.of_data.items()
             if asked != found[name]]  # fmt: skip
    if wrong:
        raise ConfigError(f"{'; '.join(wrong)}: leave it out, it is read from the data")
    plain = {side for side, legend in zip(inputs, data.legends, strict=False) if legend is None}
    if missing := plain & set(label_inputs(find(recipe.name))):
        raise ConfigError(
            f"{recipe.name} needs label maps as its {', '.join(missing)}, and data.labels={recipe.data['labels']} is "
            f"the other side: turn data.direction"
        )
    check_kinds(recipe, data, inputs)
    method = {**recipe.method, **found, **fitting(recipe, data.augment.size), **available(recipe)}
    files = [name for name in ("folder", "a", "b", "legend", "style") if isinstance(recipe.data[name], str)]
    places = {name: str(shipped(Path(recipe.data[name])).absolute()) for name in files}
    train = replace(
        recipe.train,
        best=recipe.train.best or default_best(data, inputs),
        schedule=recipe.train.schedule or find(recipe.name).schedule,
    )
    if train.patience and (train.best == "last" or not data.val):
        raise ConfigError("train.patience waits for a better score, and nothing is scored here: leave it out")
    if train.best != "last" and inputs != PAIRS and not data.val:
        raise ConfigError(f"train.best={train.best} needs pairs to score, in val/: leave it out, or add them")
    way = {"direction": data.folder.direction} if recipe.data["direction"] == "auto" else {}
    return replace(recipe, method=method, data={**recipe.data, **places, **way}, train=train)


def check_kinds(recipe: Recipe, data: Data, inputs: tuple[str, ...]) -> None:
    """Raises ConfigError for what the method must be given and the data lacks, and for maps that it has no use for."""
    method, learned = find(recipe.name), kinds_of(find(recipe.name))
    if recipe.method.get("classes") and "label" in learned:
        raise ConfigError(
            f"method.classes = {recipe.method['classes']}: diptych train has no labels to give to {recipe.name}, and "
            f"without them it would learn none: leave it out (in Python, a Trainer's batches may hold `label`)"
        )
    if data.read.maps and inputs != PAIRS:
        raise ConfigError(
            f"{' and '.join(data.read.maps)} go with pairs, and {recipe.name} learns without pairs: leave data.maps "
            f"and data.instances out"
        )
    unused = set(recipe.data["maps"] or {}) - set(learned.values()) - {"instances"}
    if unused and recipe.task["name"] in tasks.names():
        raise ConfigError(
            f"data.maps.{min(unused)}: {recipe.name} learns from no {min(unused)}, and the task {recipe.task['name']} "
            f"asks for none: leave it out"
        )
    check_style(recipe, method)
    for kind in set(learned.values()) - {*PICTURES, "domain", "text", "label"}:
        kinds.find(kind)  # refuses what there is no data for, by its name
    there = {*PICTURES, *BESIDE.get(inputs, ()), *data.read.maps}
    lacking = [learned[name] for name in required(method) if learned[name] not in there]
    if lacking and inputs == PAIRS and lacking[0] != "domain":
        raise ConfigError(
            f"{recipe.name} learns from {lacking[0]}, and the data has none: name their folder, beside the others, by "
            f"data.maps.{lacking[0]}=FOLDER"
        )
    if lacking:
        raise ConfigError(f"{recipe.name} learns from {lacking[0]}, and none goes with {' and '.join(inputs)} in data")


def check_style(recipe: Recipe, method: type[Method]) -> None:
    """Raises ConfigError where the method learns a picture's style and none is named, or the other way round."""
    wanted = "style" in method.examples.values()
    if wanted and not recipe.data["style"]:
        raise ConfigError(f"{recipe.name} learns the style of one picture: name it by --style FILE (data.style=FILE)")
    if recipe.data["style"] and not wanted:
        raise ConfigError(f"{recipe.name} learns the style of no picture: leave --style (data.style) out")


def default_best(data: Data, inputs: tuple[str, ...]) -> Best:
    """last without pairs to learn from; else lpips_squeeze where its weights are at hand and it applies, or ssim."""
    if inputs != PAIRS:
        return "last"
    if data.legends[1]:
        return "pixel_accuracy"
    return "lpips_squeeze" if data.channels[1] in (1, 3) and at_hand("lpips_squeeze") else "ssim"
