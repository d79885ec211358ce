"""A run: from a recipe to a folder with a trained translator, that can be killed at any moment and go on.

RUN/recipe.yaml     every option, re-runnable        RUN/model/       the best translator so far
RUN/log.jsonl       losses and scores by images      RUN/last/        the translator at the end
RUN/samples/        picture grids                    RUN/checkpoint/  complete state
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO, cast

import torch
from rich.console import Console
from rich.progress import Progress

from diptych.errors import ConfigError, ModelError, printable_lines
from diptych.methods.method import Method
from diptych.model.folder import begin_from, inspect_card
from diptych.options.recipes import merge, read_recipe
from diptych.runtime.threads import Threads
from diptych.training import checkpoint, folder, processes
from diptych.training.budget import UNKNOWN, Stopwatch
from diptych.training.extending import LENGTH, extended, with_length
from diptych.training.folder import DONE, RECIPE
from diptych.training.log import Log
from diptych.training.loop import Loop, so_far
from diptych.training.moved import PLACES, check_fingerprint, check_places, moved
from diptych.training.plan import Plan
from diptych.training.recipe import Recipe, as_begun, as_counted, read_trusted, resolve
from diptych.training.results import Results
from diptych.training.stopping import Lasting, heeding
from diptych.training.trainer import Trainer
from diptych.training.validation import out_of_patience


def train(
    given: Mapping[str, Any],
    place: Path,
    *,
    resume: bool = False,
    dry_run: bool = False,
    console: Console | None = None,
) -> Path:
    """Train by the recipe `given`, in the folder `place`, and return it; a run of the same recipe there goes on.

    resume: there must be a run in it; what `given` leaves out is taken from its recipe. dry_run: only say what
    would happen. Raises a DiptychError for bad options, data or files, Stopped after SIGINT, SIGTERM or SIGHUP.
    """
    watch = Stopwatch()
    with processes.joined():
        console = console or Console(file=cast(TextIO, Lasting(sys.stderr)), force_jupyter=False)
        if processes.rank():
            console = Console(quiet=True)
        if resume:
            given = merge(with_length(read_trusted(folder.existing(place)), given), given)
            given = folder.with_kept_style(given, place)
            check_places(given, place)
        if (place / RECIPE).exists():
            given = as_begun(given, as_counted(read_recipe(place / RECIPE)))
        run = Run(resolve(given), place, console, watch, resume=resume)
        if dry_run:
            run.check_folder()
            run.introduce()
        else:
            run.start()
        return place


class Run:
    """One run: a plan carried out in a folder. resume: what was begun there may have its pictures elsewhere now."""

    def __init__(
        self, recipe: Recipe, place: Path, console: Console, watch: Stopwatch, *, resume: bool = False
    ) -> None:
        self.folder, self.console, self.watch, self.resume = place, console, watch, resume
        self.first = processes.rank() == 0
        self.plan = Plan(recipe)
        self.recipe, self.data = self.plan.recipe, self.plan.data
        self.budget = self.plan.budget(watch)
        self.every = self.budget.every if self.budget else self.plan.intervals()
        self.longer = ""

    # --- Before the first step -----------------------------------------------------------------------------------

    def introduce(self) -> None:
        for line in self.plan.lines():
            self.say(line)
        self.say(f"into {self.folder}")

    def say(self, text: str) -> None:
        self.console.print(printable_lines(text), markup=False, highlight=False, soft_wrap=True)

    def check_folder(self) -> None:
        """Raises ConfigError where the folder holds another run or something else; writes nothing."""
        sections, may_change = self.recipe.sections(), [*LENGTH, *(f"data.{name}" for name in (*PLACES, "style"))]
        folder.check(self.folder, sections, but=may_change if self.resume else [])
        if self.resume:
            there = read_recipe(self.folder / RECIPE)
            self.longer = extended(self.folder, there, sections, self.recipe.train, self.plan.images)
            for sentence in filter(None, (moved(self.folder, there, sections, self.data), self.longer)):
                self.say(sentence)

    def prepare_data(self) -> None:
        """Decode every picture once; what cannot be decoded is no longer counted on."""
        with Progress(console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            task = progress.add_task("decoding", total=None)
            self.data.prepare(
                self.plan.inputs,
                self.folder / "cache",
                lambda done, total: progress.update(task, completed=done, total=total),
            )

    # --- The run ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        if self.first:
            self.check_folder()
        with folder.locked(self.folder) if self.first else nullcontext():
            if self.first:
                if self.longer:
                    (self.folder / DONE).unlink(missing_ok=True)  # first: a recipe of another length is not done
                folder.claim(self.folder, self.recipe.sections())
                folder.keep_style(self.folder, self.data.style)
                self.prepare_data()
            processes.wait_for_all()
            if not self.first:
                self.prepare_data()
            self.carry_out()

    def carry_out(self) -> None:
        """Train, from the newest saved state or from the beginning."""
        self.introduce()
        if (self.folder / DONE).exists():
            self.say(f"this run is complete: {self.folder / 'model'}")
            return
        trainer = self.trainer(self.plan.images or UNKNOWN)
        results = Results(trainer, self.recipe, self.data, self.folder, self.say, self.budget)
        images = self.restore(trainer, results)
        log = self.begin_log(trainer, images) if self.first else None
        with Threads(self.recipe.speed.threads) as threads:
            loop = Loop(
                self.plan, trainer, results, place=self.folder, images=images, every=self.every, watch=self.watch,
                budget=self.budget, log=log, threads=threads, say=self.say,
            )  # fmt: skip
            with heeding(loop.note_signal):
                try:
                    loop.run()
                finally:
                    if log:
                        log.close()

    def trainer(self, images: int) -> Trainer:
        """The method with the weights that it begins from, ready for so many images."""
        train = self.recipe.train
        torch.manual_seed(train.seed)
        method = self.plan.method()
        if train.start:
            self.begin_from(method, train.start)
        return Trainer(
            method, images=images, schedule=train.schedule, lr_scale=train.lr_scale, micro_batch=train.micro_batch,
            ema=train.ema, ema_counts=train.ema_counts, lr=train.lr, betas=train.moments, clip=train.clip,
            seed=train.seed, stabilizers=self.recipe.stabilizers, speed=self.recipe.speed,
            device=self.plan.device,
        )  # fmt: skip

    def begin_log(self, trainer: Trainer, images: int) -> Log:
        total = None if images == UNKNOWN else images
        return Log(self.folder, self.console, total=total, done=trainer.images_seen, budget=self.budget)

    def begin_from(self, method: Method, start: str) -> None:
        """Take over a model's weights. Raises ConfigError where it was trained the other way round."""
        card, names = inspect_card(start), self.data.names
        known = tuple(domain.name for domain in card.domains)
        if len(names) > 2 and known != names and set(known) == set(names):
            raise ConfigError(
                f"train.start={start} learned its domains in the order {', '.join(known)}, this training has "
                f"{', '.join(names)}: set data.direction={known[0]}2{known[1]}, or name the folders in that order"
            )
        if len(names) > 2 and set(known) != set(names):
            self.say(f"  {start} was trained on {', '.join(known)}: its domains are taken for these in this order")
        if (card.target.name, card.source.name) == names != (card.source.name, card.target.name):
            raise ConfigError(
                f"train.start={start} goes from {card.source.name} to {card.target.name}, this training from "
                f"{names[0]} to {names[1]}: turn data.direction, or exchange data.a and data.b"
            )
        if anew := begin_from(method, start):
            self.say(f"{start} does not hold {', '.join(anew)}: begun anew")

    def restore(self, trainer: Trainer, results: Results) -> int:
        """Go on from the newest saved state, if there is one; the last image of the training."""
        images = self.plan.images or UNKNOWN
        state = checkpoint.read(self.folder / "checkpoint")
        if state is None:
            return images
        if state["recipe"] != self.recipe.name:
            raise ConfigError(f"the checkpoint in {self.folder} is of {state['recipe']}, not of {self.recipe.name}")
        check_fingerprint(self.folder, self.data, state["data"])
        try:
            trainer.load(state)
        except (RuntimeError, ValueError, KeyError, TypeError) as error:  # torch's, for other networks or optimisers
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"the checkpoint in {self.folder} does not fit its {RECIPE}: {reason}") from None
        results.best, results.worse = state["best"], state["worse"]
        self.watch.before = state.get("seconds", 0.0)
        if self.budget:
            trainer.course = self.budget.load(state.get("time"), trainer.images_seen)
            images = trainer.course.images
        images = trainer.images_seen if out_of_patience(self.recipe, results) else images
        self.say(f"going on at {so_far(trainer, images, self.budget)}")
        return images
