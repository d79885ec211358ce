"""A resolved recipe: every option of a run, checked, complete, and enough to run it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval, Len
from pydantic import BeforeValidator

from diptych import tasks
from diptych.data.opening import open_data
from diptych.errors import ConfigError
from diptych.methods import find, names
from diptych.methods.method import Method, Schedule, inputs, of_kind
from diptych.model.folder import inspect_card
from diptych.options import plugins
from diptych.options.recipes import merge, read_recipe, renamed
from diptych.options.schema import check, defaults, with_defaults
from diptych.runtime.speed import Speed
from diptych.tasks import Task
from diptych.training.stabilizers import Stabilizers
from diptych.training.trainer import Counts

Count = Annotated[int, Ge(0)]
Betas = Annotated[
    list[Annotated[float, Interval(ge=0, lt=1)]],
    Len(2, 2),
    BeforeValidator(lambda x: x.split(",") if isinstance(x, str) else x),
]
LENGTHS = ("images", "epochs", "minutes")
"""The options that say how long to train, one of them at a time."""
Best = Literal["l1", "psnr", "ssim", "lpips_squeeze", "pixel_accuracy", "last"]
CHOSEN = (("train", "best"), ("train", "ema_counts"), ("train", "validate_every"), ("speed", "bf16"))
"""Options that stay as they were chosen when a run began, by the weights and the machine of then."""


@dataclass(frozen=True)
class Train:
    """How long and in what manner to train; intervals are in images, and by default a part of the whole.

    images, epochs, minutes: how long, one of them; as long as published if none is given. Of two domains without
    pairs, an epoch shows each picture of the larger one once. minutes: of all that the run does, scoring and saving
    included; the length in images is planned by the speed that is measured.
    batch: images in a step, over all processes; micro_batch: so many at once, to save memory.
    seed: with it, the same data, machine and number of threads, a run is repeated bit for bit.
    lr: Adam's learning rate for all networks, instead of the published ones; betas: its moments, as 0.5,0.999.
    lr_scale: factor on the method's published learning rates; schedule: how they fall over the run, by default as
    published: linear (constant, then down from the half on), late linear (from three quarters on), halving (ten times).
    ema: decay of the average of weights that translation uses, at each image, e.g. 0.999; 0 for none. ema_counts:
    "steps" for recipes from before images were counted.
    clip: longest gradient, as an L2 norm; 0 for any.
    start: a model whose weights, and options of the method, to begin from (fine-tuning).
    tick_every, sample_every, validate_every, checkpoint_every: images between two lines of the log, picture grids,
    scores, and saved states; 0 for none.
    best: the score of held-out pairs by which the best weights are kept: of label maps pixel_accuracy, of others
    lpips_squeeze where its weights are at hand, else ssim; last: the newest weights, as always without pairs.
    patience: stop after so many scores in a row without a better one; 0 for never.
    device: auto (the first there is of cuda, mps and cpu), cpu, mps, cuda, cuda:1 ...
    """

    images: Annotated[int, Gt(0)] | None = None
    epochs: Annotated[float, Gt(0)] | None = None
    minutes: Annotated[float, Gt(0)] | None = None
    batch: Annotated[int, Gt(0)] = 1
    micro_batch: Count = 0
    seed: Annotated[int, Interval(ge=0, lt=2**63)] = 0
    lr: Annotated[float, Gt(0)] | None = None
    betas: Betas | None = None
    lr_scale: Annotated[float, Gt(0)] = 1.0
    schedule: Schedule | None = None
    ema: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    ema_counts: Counts = "images"
    clip: Annotated[float, Ge(0)] = 0.0
    start: str | None = None
    tick_every: Count | None = None
    sample_every: Count | None = None
    validate_every: Count | None = None
    checkpoint_every: Count | None = None
    best: Best | None = None
    patience: Count = 0
    device: str = "auto"

    @property
    def moments(self) -> tuple[float, float] | None:
        """`betas` as Adam takes them."""
        return (self.betas[0], self.betas[1]) if self.betas else None


@dataclass(frozen=True)
class Recipe:
    """The options of one run, by section."""

    name: str
    method: dict[str, Any]
    task: dict[str, Any]
    data: dict[str, Any]
    train: Train
    speed: Speed
    stabilizers: Stabilizers
    of_data: dict[str, int] = field(default_factory=dict)  # what was asked for by name, and is read from the data
    fitted: tuple[str, ...] = ()  # the method's options that nobody gave, and that are to fit the pictures' size
    at_hand: tuple[str, ...] = ()  # those that are to fit the pretrained weights that are there

    def sections(self) -> dict[str, Any]:
        """As `recipe.yaml` holds it."""
        method = {"name": self.name, **self.method}
        rest = {"train": self.train, "speed": self.speed, "stabilizers": self.stabilizers}
        chosen = {"method": method, "task": self.task, "data": self.data}
        return {**chosen, **{section: vars(options) for section, options in rest.items()}}

    @property
    def task_options(self) -> dict[str, Any]:
        """Those of the task, without its name."""
        return {name: value for name, value in self.task.items() if name != "name"}

    def make_task(self) -> Task:
        return tasks.make(self.task["name"], self.task_options)


def sections(method: str, task: str = "pairs") -> dict[str, Callable[..., Any]]:
    """The sections of a recipe for this method and task, each with what its options are the parameters of.

    Defaults are those of the method and of what suits the task.
    """
    chosen, about = find(method), tasks.find(task)
    found: dict[str, Callable[..., Any]] = {
        "method": with_defaults(chosen, suiting(method, task)),
        "task": about,
        "data": with_defaults(open_data, about.defaults.get("data", {})),
        "train": with_defaults(Train, {**chosen.train_defaults, **about.defaults.get("train", {})}),
    }
    return {**found, "speed": Speed, "stabilizers": Stabilizers}


def suiting(method: str, task: str) -> Mapping[str, Any]:
    """The options of a method that suit a task: none where another method is recommended for it."""
    about = tasks.find(task)
    return about.defaults.get("method", {}) if method == about.method else {}


def resolve(given: Mapping[str, Any]) -> Recipe:
    """Check and complete the options of a recipe file or of a command line.

    Raises ConfigError that lists everything that is wrong with them.
    """
    given = as_counted(renamed(given))
    task, asked = chosen("task", given)
    name, method = chosen("method", given)
    name = name or (tasks.find(task).method if task else None)
    if name is None:
        raise ConfigError(
            "which method? Give its name, as in: diptych train paired, or method: {name: paired}; or a task, which has "
            "one that is recommended: diptych train --task colorize"
        )
    task = task or find(name).task
    begun_from = inherited(name, given.get("train"))
    options = check(sections(name, task), {**given, "method": {**begun_from, **method}, "task": asked})
    asked_of_train = dict(given.get("train") or {})
    if any(asked_of_train.get(length) for length in LENGTHS):  # the length that suits the task is not
        options["train"] |= {length: None for length in LENGTHS if length not in asked_of_train}
    train = Train(**options["train"])
    lengths = [f"train.{name}" for name in LENGTHS if vars(train)[name]]
    if len(lengths) > 1:
        raise ConfigError(
            f"{' and '.join(lengths)} {'both' if len(lengths) == 2 else 'all'} say how long to train: give one of them "
            f"({lengths[0]}=null takes back what a recipe file says)"
        )
    if train.lr and train.lr_scale != 1:
        raise ConfigError("train.lr and train.lr_scale both say how fast to learn: give one of them")
    of_data = {option: method[option] for option in data_options(find(name)) if option in method}
    speed, stabilizers = Speed(**options["speed"]), Stabilizers(**options["stabilizers"])
    fitted, at_hand = (
        tuple(option for option in depending if option not in {**suiting(name, task), **begun_from, **method})
        for depending in (find(name).by_size, find(name).by_weights)
    )
    both = {"name": task, **options["task"]}
    return Recipe(name, options["method"], both, options["data"], train, speed, stabilizers, of_data, fitted, at_hand)


def chosen(section: str, given: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """The name in a section, if there is one, and its other options. Raises ConfigError for a name that is none."""
    options = given.get(section)
    options = {"name": options} if isinstance(options, str) else options or {}
    if not isinstance(options, Mapping) or not isinstance(options.get("name", ""), str):
        raise ConfigError(f"{section} must be a name, or hold name: and options, not {given[section]!r}")
    return options.get("name"), {option: value for option, value in options.items() if option != "name"}


def read_trusted(path: Path) -> dict[str, Any]:
    """A recipe's file. Raises ConfigError where its method or its task would have to be imported: executed."""
    recipe = read_recipe(path)
    method, task = recipe.get("method"), recipe.get("task")
    name = method.get("name") if isinstance(method, Mapping) else method
    task = task.get("name") if isinstance(task, Mapping) else task
    for kind, named, known in (("method", name, names()), ("task", task, tasks.names())):
        if isinstance(named, str):
            plugins.refuse_strangers(kind, named, f"diptych.{kind}s", known, path)
    return recipe


def as_counted(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    """A recipe; in one that a run wrote before images were counted, that its average of weights counts steps."""
    train = recipe.get("train")
    if not isinstance(train, Mapping) or "ema_counts" in train or not train.get("ema"):
        return recipe
    written_by_a_run = {"images", "epochs", "micro_batch", "seed", "patience", "tick_every"} <= train.keys()
    return {**recipe, "train": {**train, "ema_counts": "steps"}} if written_by_a_run else recipe


def as_begun(given: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
    """The options with what stays as it was chosen when the run `there` began, by the weights and the machine of then:
    the score, how often it is taken, and the precision."""
    kept: dict[str, Any] = {}
    asked = dict(given)
    for section, name in CHOSEN:
        chosen, options = dict(there.get(section) or {}), asked.get(section)
        if name in chosen:
            kept = merge(kept, {section: {name: chosen[name]}})
        if isinstance(options, Mapping) and options.get(name) in (None, "auto"):  # it was left to us
            asked[section] = {other: value for other, value in options.items() if other != name}
    return merge(kept, asked)


def channel_options(method: type[Method]) -> tuple[str, ...]:
    """The options of a method that say what its images are made of: they are read from the data."""
    return tuple(f"{name}_channels" for name in inputs(method))


def data_options(method: type[Method]) -> tuple[str, ...]:
    """All options of a method that are read from the data."""
    return channel_options(method) + ("domains",) * bool(of_kind(method, "domain"))


def inherited(name: str, train: Any) -> dict[str, Any]:
    """The method's options in the model that training starts from, if it does: networks that its weights fit."""
    start = train.get("start") if isinstance(train, Mapping) else None
    if start is None:
        return {}
    card = inspect_card(str(start))
    if card.method != name:
        raise ConfigError(f"train.start={start} is a model of {card.method}, not of {name}: choose another")
    return card.options


def flatten(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Nested options as `section.option: value`."""
    return {f"{section}.{key}": value for section, options in sections.items() for key, value in options.items()}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Which options of two recipes differ, in words. Those that the older one does not know yet had their defaults."""
    known, old = sections(new["method"]["name"], new["task"]["name"]).items(), as_counted(old)
    before = flatten({**old, **{name: {**defaults(function), **old.get(name, {})} for name, function in known}})
    after = flatten(new)
    return [
        f"{key}: {before.get(key)!r} there, {after.get(key)!r} here"
        for key in {**before, **after}
        if before.get(key) != after.get(key)
    ]
