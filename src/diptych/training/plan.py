"""What a run will do, known before its first step: recipe and data brought together, checked and put into words."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch

from diptych import weights
from diptych.data.dataset import Data, open_data
from diptych.data.loader import Batches
from diptych.errors import ConfigError, WeightsError
from diptych.methods import find
from diptych.methods.method import Method, parameters
from diptych.speed import choose_device
from diptych.training import processes
from diptych.training.estimate import training_bytes
from diptych.training.recipe import Recipe
from diptych.training.schedule import EPOCHS

PARTS = {"tick": 100, "sample": 20, "validate": 20, "checkpoint": 20}
"""Into how many parts a training is divided by its ticks, sample grids, scores and saved states, if not asked."""


class Plan:
    """A recipe with its data. Raises ConfigError where the two do not go together, DataError for bad data."""

    def __init__(self, recipe: Recipe) -> None:
        self.data = open_data(**recipe.data)
        self.recipe = complete(recipe, self.data)
        self.device = choose_device(recipe.train.device)
        Batches(recipe.train.batch, start=0, rank=0, world=processes.count())  # refuses what cannot be shared
        height, width = self.data.augment.size
        multiple = self.on_paper.granularity
        if height % multiple or width % multiple:
            raise ConfigError(
                f"data.size = {width}x{height}: {recipe.name} with these options needs multiples of {multiple}; "
                f"choose another size, or a generator with fewer halvings"
            )

    def method(self) -> Method:
        """The method with fresh weights."""
        return find(self.recipe.name)(**self.recipe.method)

    @cached_property
    def on_paper(self) -> Method:
        """The method without memory for its weights."""
        with torch.device("meta"):
            return self.method()

    @property
    def images(self) -> int:
        """How many images the training lasts."""
        train = self.recipe.train
        return train.images or max(1, round((train.epochs or EPOCHS) * len(self.data.train)))

    def intervals(self) -> dict[str, int]:
        """Images between two ticks, sample grids, scores and saved states, those of them that are wanted."""
        asked = {name: getattr(self.recipe.train, f"{name}_every") for name in PARTS}
        every = {name: max(1, self.images // PARTS[name]) if n is None else n for name, n in asked.items()}
        return {name: images for name, images in every.items() if images}

    def memory(self) -> int:
        """Estimated bytes of each process."""
        train, speed, (height, width) = self.recipe.train, self.recipe.speed, self.data.augment.size
        each = train.batch // processes.count()
        if speed.recompute and train.micro_batch:
            each = min(each, train.micro_batch)
        sides = zip(("source", "target"), self.data.channels, strict=True)
        shapes = {side: (each, channels, height, width) for side, channels in sides}
        try:
            return training_bytes(self.method, shapes, speed=speed)
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"{self.recipe.name} with these options cannot take pictures of {width}x{height} "
                f"({str(error).splitlines()[0]}): choose larger pictures, or networks with fewer layers"
            ) from None

    def lines(self) -> list[str]:
        """What will be trained on what, how big it is, and what is noteworthy about the data."""
        recipe, data, (height, width) = self.recipe, self.data, self.data.augment.size
        groups = self.on_paper.groups().items()
        counts = [f"{name} {sum(p.numel() for p in parameters(nets)) / 1e6:.2f} M" for name, nets in groups]
        speed = " ".join(name for name, on in vars(recipe.speed).items() if on) or "plain"
        pairs = f"{len(data.train)} pairs to train on, {len(data.val)} to validate"
        return [
            f"{recipe.name}: {data.names[0]} to {data.names[1]}, {pairs}",
            *(f"  {note}" for note in data.notes),
            f"parameters: {', '.join(counts)}; pictures {width}x{height}, "
            f"{data.channels[0]} to {data.channels[1]} channels",
            f"memory: about {self.memory() / 1e9:.1f} GB and the libraries; speed: {speed}",
            f"{self.images} images in batches of {recipe.train.batch}, scored by {recipe.train.best}",
        ]


def complete(recipe: Recipe, data: Data) -> Recipe:
    """Fill in what depends on the data and on what is installed."""
    source, target = data.channels
    found = {"source_channels": source, "target_channels": target}
    wrong = [f"method.{name} = {asked}, the data's are {found[name]}" for name, asked in recipe.channels.items()
             if asked != found[name]]  # fmt: skip
    if wrong:
        raise ConfigError(f"{'; '.join(wrong)}: leave it out, it is read from the data")
    method = {**recipe.method, **found}
    folder = str(Path(recipe.data["folder"]).resolve())  # the same pictures wherever the run is gone on with
    train = replace(recipe.train, best=recipe.train.best or default_metric(data))
    return replace(recipe, method=method, data={**recipe.data, "folder": folder}, train=train)


def default_metric(data: Data) -> Literal["ssim", "lpips_squeeze"]:
    """lpips_squeeze where its weights are at hand and it applies, else ssim."""
    try:
        weights.locate("lpips_squeeze")
    except WeightsError:
        return "ssim"
    return "lpips_squeeze" if data.channels[1] in (1, 3) else "ssim"
