"""A run: from a recipe to a folder with a trained translator, that can be killed at any moment and go on.

RUN/recipe.yaml     every option, re-runnable        RUN/model/       the best translator so far
RUN/log.jsonl       losses and scores by images      RUN/last/        the translator at the end
RUN/samples/        picture grids                    RUN/checkpoint/  complete state
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO, cast

import torch
from rich.console import Console
from rich.progress import Progress

from diptych.errors import ConfigError, ModelError, TrainingError, printable_lines
from diptych.methods.method import Method, arguments
from diptych.model.folder import begin_from, inspect_card
from diptych.options.recipes import dump, merge, read_recipe
from diptych.runtime.threads import Threads
from diptych.storage.files import write_text
from diptych.training import checkpoint, folder, processes
from diptych.training.budget import UNKNOWN, Stopwatch
from diptych.training.extending import LENGTH, extended, with_length
from diptych.training.folder import DONE, RECIPE
from diptych.training.log import Log
from diptych.training.moved import PLACES, check_fingerprint, check_places, moved
from diptych.training.pacing import Pace, rarer
from diptych.training.plan import Plan
from diptych.training.recipe import Recipe, as_begun, as_counted, resolve
from diptych.training.results import Results
from diptych.training.share import Share
from diptych.training.stopping import Lasting, Stopped, heeding
from diptych.training.trainer import Trainer


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
            given = merge(with_length(read_recipe(folder.existing(place)), given), given)
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
        self.signal: int | None = None

    # --- Before the first step -----------------------------------------------------------------------------------

    def introduce(self) -> None:
        for line in self.plan.lines():
            self.say(line)
        self.say(f"into {self.folder}")

    def note_signal(self, number: int) -> None:
        self.signal = number

    def say(self, text: str) -> None:
        self.console.print(printable_lines(text), markup=False, highlight=False, soft_wrap=True)

    def check_folder(self) -> None:
        """Raises ConfigError where the folder holds another run or something else; writes nothing."""
        sections, may_change = self.recipe.sections(), [*LENGTH, *(f"data.{name}" for name in PLACES)]
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
        train, self.images = self.recipe.train, self.plan.images or UNKNOWN
        torch.manual_seed(train.seed)
        method = self.plan.method()
        if train.start:
            self.begin_from(method, train.start)
        self.trainer = Trainer(
            method, images=self.images, schedule=train.schedule, lr=train.lr_scale, micro_batch=train.micro_batch,
            ema=train.ema, ema_counts=train.ema_counts, rate=train.lr, betas=train.moments, clip=train.clip,
            seed=train.seed, stabilizers=self.recipe.stabilizers, speed=self.recipe.speed,
            device=self.plan.device,
        )  # fmt: skip
        self.results = Results(self.trainer, self.recipe, self.data, self.folder, self.say, self.budget)
        self.restore()
        self.log = self.begin_log() if self.first else None
        with heeding(self.note_signal), Threads(self.recipe.speed.threads) as self.threads:
            try:
                self.loop()
            finally:
                if self.log:
                    self.log.close()

    def begin_log(self) -> Log:
        total = None if self.images == UNKNOWN else self.images
        return Log(self.folder, self.console, total=total, done=self.trainer.images_seen, budget=self.budget)

    def begin_from(self, method: Method, start: str) -> None:
        """Take over a model's weights. Raises ConfigError where it was trained the other way round."""
        card, names = inspect_card(start), self.data.names
        if (card.target.name, card.source.name) == names != (card.source.name, card.target.name):
            raise ConfigError(
                f"train.start={start} goes from {card.source.name} to {card.target.name}, this training from "
                f"{names[0]} to {names[1]}: turn data.direction, or exchange data.a and data.b"
            )
        if anew := begin_from(method, start):
            self.say(f"{start} does not hold {', '.join(anew)}: begun anew")

    def restore(self) -> None:
        state = checkpoint.read(self.folder / "checkpoint")
        if state is None:
            return
        if state["recipe"] != self.recipe.name:
            raise ConfigError(f"the checkpoint in {self.folder} is of {state['recipe']}, not of {self.recipe.name}")
        check_fingerprint(self.folder, self.data, state["data"])
        try:
            self.trainer.load(state)
        except (RuntimeError, ValueError, KeyError, TypeError) as error:  # torch's, for other networks or optimisers
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"the checkpoint in {self.folder} does not fit its {RECIPE}: {reason}") from None
        self.results.best, self.results.worse = state["best"], state["worse"]
        self.watch.before = state.get("seconds", 0.0)
        if self.budget:
            self.trainer.course = self.budget.load(state.get("time"), self.trainer.images_seen)
            self.images = self.trainer.course.images
        self.heed_patience()
        self.say(f"going on at {self.so_far()}")

    def so_far(self) -> str:
        """How much of the training is behind, in words."""
        seen = self.trainer.images_seen
        if self.budget:
            return f"{seen} images, {self.watch.seconds / 60:.2f} of {self.budget.minutes:g} minutes"
        return f"{seen} of {self.images} images"

    def loop(self) -> None:
        trainer, batches = self.trainer, self.batches()
        self.pace = Pace(trainer.images_seen)
        self.share = Share(trainer, self.recipe.train.batch, steps=self.recipe.stabilizers.r1_every)
        if self.budget:
            self.budget.begin(trainer.images_seen)
        while trainer.images_seen < self.images:
            self.plan_length()
            before = trainer.images_seen
            if changed := self.threads.look():
                self.say(f"  {changed}; speed.threads fixes their number")
            batch = next(batches)
            with self.share.counting():
                trainer.step(batch)
            now, last = trainer.images_seen, trainer.images_seen >= self.images
            if self.log:
                self.log.advance(now)
            due = self.due(before, now, last)
            stop = processes.agreed(self.signal)
            if due or stop is not None:
                self.at_tick(now, due, stop)
        self.finish()
        processes.wait_for_all()  # one that ends earlier can abort, and torchrun then stops the one that still writes

    def plan_length(self) -> None:
        """Plan the last image anew by the time that is left, where it is time to."""
        trainer, budget = self.trainer, self.budget
        if budget and trainer.images_seen >= budget.next:
            trainer.wait()
            trainer.course = budget.plan(trainer.images_seen, trainer.course, saves=1 if self.results.best else 2)
            self.images = trainer.course.images
            if self.log and self.images != UNKNOWN:
                self.log.expect(self.images)

    def due(self, before: int, now: int, last: bool) -> set[str]:
        """What is to be done after the step from image `before` to `now`; at the end everything."""
        due = {name for name, every in self.every.items() if last or before // every != now // every}
        if self.budget:
            due |= self.budget.due(self.trainer.method.progress, self.trainer.course.at(now))
        return due

    def batches(self) -> Iterator[dict[str, torch.Tensor]]:
        """Batches for this process on its device, in [-1, 1]."""
        trainer = self.trainer
        batches = self.data.loader(
            self.plan.inputs, seed=self.recipe.train.seed, batch=self.recipe.train.batch, start=trainer.images_seen,
            rank=trainer.rank, world=trainer.processes,
        )  # fmt: skip
        wanted = arguments(trainer.method)
        for batch in batches:
            there = {name: x.to(trainer.device, non_blocking=True) for name, x in batch.items()}
            ready = self.data.tensors(self.plan.inputs, there)
            yield {name: x for name, x in ready.items() if name in wanted}

    def at_tick(self, now: int, due: set[str], stop: int | None) -> None:
        """What is done between steps: the first process does it, the others wait; a state is that of all of them.

        Raises Stopped after a signal.
        """
        with self.advising():
            losses = self.trainer.losses()
        with self.budget.between() if self.budget else nullcontext():
            if self.log:
                folder.must_be_there(self.folder)
                if "tick" in due:
                    rate = self.log.tick(now, losses)
                    if said := self.share.after_tick(rate):
                        self.say(f"  {said}")
                if "sample" in due:
                    self.results.sample(now, self.log)
                if "validate" in due:
                    self.validate(now, self.log)
            if "checkpoint" in due or stop is not None:
                with self.budget.spending("checkpoint") if self.budget else nullcontext():
                    self.save_state()
            if self.log:
                self.log.restart_clock(now)
        if stop is not None:
            processes.wait_for_all()
            self.say(f"stopped at {self.so_far()}, state saved; the same command goes on")
            raise Stopped(stop)
        self.results.worse = processes.agreed(self.results.worse if self.first else None) or 0
        if "validate" in due:
            self.agree_on_validations()
        self.heed_patience()

    def heed_patience(self) -> None:
        """Make this image the last one after as many scores without a better one as the recipe allows."""
        if 0 < self.recipe.train.patience <= self.results.worse:
            self.images = self.trainer.images_seen

    def validate(self, now: int, log: Log) -> None:
        """Score, and decide how often from here on, by the time that it took."""
        image, begun = self.pace.seconds(now), time.monotonic()
        if not self.budget:
            self.results.validate(now, log)
            self.fix_validations(now, time.monotonic() - begun, image)
            return
        with self.budget.spending("validate"):
            scored = self.results.validate(now, log, within=self.budget.allowed())
        if not scored:
            for often in (self.every, self.budget.parts):
                often |= dict.fromkeys(often.keys() & {"validate"}, 0)
            kept = "the best so far" if self.results.best else "the newest"
            self.say(
                f"  a validation takes more time than is left for it: no more of them, {kept} weights are kept. Give "
                f"train.minutes more, fewer pairs to validate by data.val, or train.best=last"
            )
        elif self.budget.thin():
            seconds, number = self.budget.costs["validate"], self.budget.parts["validate"]
            self.say(f"  a validation takes {seconds:.0f} s: {number} in all, a tenth of the time at most")

    def agree_on_validations(self) -> None:
        """Take over what the first process has settled on; 0 is none any more."""
        for often in (self.every, self.budget.parts if self.budget else {}):
            if "validate" in often:
                often["validate"] = processes.agreed(often["validate"] if self.first else None) or 0
                if not often["validate"]:
                    del often["validate"]

    def fix_validations(self, now: int, seconds: float, image: float) -> None:
        """After the first validation, decide how often there is one, and write it into the recipe: whoever repeats the
        run by that, or goes on with it, scores at the same images. A first score that is not at one of these is left
        out of account. seconds, image: what the validation took, and what an image takes."""
        train = self.recipe.train
        if train.validate_every is not None or train.best == "last" or not self.data.val or now >= self.images:
            return
        before = self.every["validate"]
        self.every["validate"] = every = rarer(before, seconds, image)
        self.recipe = replace(self.recipe, train=replace(train, validate_every=every))
        write_text(self.folder / RECIPE, dump(self.recipe.sections()))
        if every > before:
            self.results.best, self.results.worse = {}, 0
            self.say(
                f"a validation takes as long as {seconds / image:.0f} images: from here on every {every} images, not "
                f"{before}, which is a tenth of the time at most (train.validate_every={before} keeps to it)"
            )

    @contextmanager
    def advising(self) -> Iterator[None]:
        """Add to the trainer's complaint what is left and what to try."""
        try:
            yield
        except TrainingError as error:
            state = self.folder / "checkpoint" / checkpoint.NOTE
            good = f"the last good state is in {state.parent}" if state.exists() else "no state was saved before it"
            raise TrainingError(
                f"{error}; {good}. Begin a new run (another --out) with a lower "
                f"{'train.lr' if self.recipe.train.lr else 'train.lr_scale (0.5)'}, with "
                f"train.clip=1, or with speed.bf16=false"
            ) from None

    def save_state(self) -> None:
        extra = {
            "recipe": self.recipe.name, "data": self.data.fingerprint,
            "best": self.results.best, "worse": self.results.worse,
            "seconds": self.watch.seconds, "time": self.budget and self.budget.state(self.trainer.course),
        }  # fmt: skip
        with self.advising():
            state = self.trainer.state()
        if self.first:
            checkpoint.write(self.folder / "checkpoint", {**state, **extra})

    def finish(self) -> None:
        if not self.first:
            return
        self.results.finish()
        write_text(self.folder / DONE, f"{self.trainer.images_seen}\n")
        self.say(f"done: {self.folder / 'model'}{self.afterwards()}")

    def afterwards(self) -> str:
        """What became of the time, in words."""
        if not self.budget:
            return ""
        seen, progress = self.trainer.images_seen, self.trainer.course.progress
        short = self.budget.short and progress < 0.9
        return f"; {self.so_far()} (train.images={seen} is as long)" + short * (
            f". Time was up when {progress:.0%} of the schedule were done: give train.minutes more"
        )
