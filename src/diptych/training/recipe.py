"""A resolved recipe: every option of a run, checked, complete, and enough to run it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval

from diptych.config import check
from diptych.data.dataset import open_data
from diptych.errors import ConfigError
from diptych.methods import find
from diptych.speed import Speed
from diptych.training.schedule import Schedule
from diptych.translator import inspect_card

Count = Annotated[int, Ge(0)]
Best = Literal["l1", "psnr", "ssim", "lpips_squeeze"]


@dataclass(frozen=True)
class Train:
    """How long and in what manner to train; intervals are in images, and by default a part of the whole.

    images, epochs: how long, one or the other; 200 epochs if neither is given.
    batch: images in a step, over all processes; micro_batch: so many at once, to save memory.
    seed: with it, the same data and the same machine, a run is repeated bit for bit.
    lr_scale: factor on the method's published learning rates; schedule: how they fall over the run.
    ema: decay of the average of weights that translation uses, e.g. 0.999; 0 for none.
    clip: longest gradient, as an L2 norm; 0 for any.
    start: a model whose weights, and options of the method, to begin from (fine-tuning).
    tick_every, sample_every, validate_every, checkpoint_every: images between two lines of the log, picture grids,
    scores, and saved states; 0 for none.
    best: the score by which the best weights are kept; lpips_squeeze where its weights are at hand, else ssim.
    patience: stop after so many scores in a row without a better one; 0 for never.
    device: auto, cpu, cuda, cuda:1 ...
    """

    images: Annotated[int, Gt(0)] | None = None
    epochs: Annotated[float, Gt(0)] | None = None
    batch: Annotated[int, Gt(0)] = 1
    micro_batch: Count = 0
    seed: Annotated[int, Interval(ge=0, lt=2**63)] = 0
    lr_scale: Annotated[float, Gt(0)] = 1.0
    schedule: Schedule = "linear"
    ema: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    clip: Annotated[float, Ge(0)] = 0.0
    start: str | None = None
    tick_every: Count | None = None
    sample_every: Count | None = None
    validate_every: Count | None = None
    checkpoint_every: Count | None = None
    best: Best | None = None
    patience: Count = 0
    device: str = "auto"


@dataclass(frozen=True)
class Recipe:
    """The options of one run, by section."""

    name: str
    method: dict[str, Any]
    data: dict[str, Any]
    train: Train
    speed: Speed
    channels: dict[str, int] = field(default_factory=dict)  # those that were asked for by name

    def sections(self) -> dict[str, Any]:
        """As `recipe.yaml` holds it."""
        method = {"name": self.name, **self.method}
        return {"method": method, "data": self.data, "train": vars(self.train), "speed": vars(self.speed)}


def sections(method: str) -> dict[str, Callable[..., Any]]:
    """The sections of a recipe for this method, each with what its options are the parameters of."""
    return {"method": find(method), "data": open_data, "train": Train, "speed": Speed}


def resolve(given: Mapping[str, Any]) -> Recipe:
    """Check and complete the options of a recipe file or of a command line.

    Raises ConfigError that lists everything that is wrong with them.
    """
    method = given.get("method")
    method = {"name": method} if isinstance(method, str) else dict(method or {})
    name = method.pop("name", None)
    if not isinstance(name, str):
        raise ConfigError("which method? Give its name, as in: diptych train pix2pix, or method: {name: pix2pix}")
    options = check(sections(name), {**given, "method": {**inherited(name, given.get("train")), **method}})
    train = Train(**options["train"])
    if train.images and train.epochs:
        raise ConfigError("train.images and train.epochs both say how long to train: give one of them")
    channels = {side: method[side] for side in ("source_channels", "target_channels") if side in method}
    return Recipe(name, options["method"], options["data"], train, Speed(**options["speed"]), channels)


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
    """Which options of two recipes differ, in words."""
    before, after = flatten(old), flatten(new)
    return [
        f"{key}: {before.get(key)!r} there, {after.get(key)!r} here"
        for key in {**before, **after}
        if before.get(key) != after.get(key)
    ]
