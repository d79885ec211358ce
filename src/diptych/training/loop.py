"""Step after step up to the last image, and what is done between two steps: log, grids, scores, saved states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from diptych.errors import TrainingError
from diptych.methods.method import arguments
from diptych.runtime.threads import Threads
from diptych.storage.files import write_text
from diptych.training import checkpoint, folder, processes
from diptych.training.budget import UNKNOWN, Budget, Stopwatch
from diptych.training.folder import DONE
from diptych.training.log import Log
from diptych.training.plan import Plan
from diptych.training.results import Results
from diptych.training.share import Share
from diptych.training.stopping import Stopped
from diptych.training.trainer import Trainer
from diptych.training.validation import Validation, out_of_patience


class Loop:
    """What a process does in a run. place: the run's folder; log: of the first process alone.

    images: the last one, as far as it is known; every: images between two of what is done between steps. watch: the
    time that the run has taken; budget: that which it may take, where that is its length. say: prints a line.
    """

    def __init__(
        self,
        plan: Plan,
        trainer: Trainer,
        results: Results,
        *,
        place: Path,
        images: int,
        every: dict[str, int],
        watch: Stopwatch,
        budget: Budget | None,
        log: Log | None,
        threads: Threads,
        say: Callable[[str], None],
    ) -> None:
        self.plan, self.recipe, self.data = plan, plan.recipe, plan.data
        self.trainer, self.results, self.folder, self.images, self.every = trainer, results, place, images, every
        self.watch, self.budget, self.log, self.threads, self.say = watch, budget, log, threads, say
        self.signal: int | None = None
        self.share = Share(trainer, self.recipe.train.batch, steps=self.recipe.stabilizers.r1_every)
        self.validation = Validation(
            results, self.recipe, self.data, place, every, budget, say=say, images_seen=trainer.images_seen
        )

    def note_signal(self, number: int) -> None:
        self.signal = number

    def run(self) -> None:
        trainer, batches = self.trainer, self.batches()
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
        for batch in batches:
            there = {name: x.to(trainer.device, non_blocking=True) for name, x in batch.items()}
            ready = self.data.tensors(self.plan.inputs, there)
            yield arguments(trainer.method, ready)

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
                    if message := self.share.after_tick(rate):
                        self.say(f"  {message}")
                if "sample" in due:
                    self.results.sample(now, self.log)
                if "validate" in due:
                    self.validation.take(now, self.log, last=self.images)
            if "checkpoint" in due or stop is not None:
                with self.budget.spending("checkpoint") if self.budget else nullcontext():
                    self.save_state()
            if self.log:
                self.log.restart_clock(now)
        if stop is not None:
            processes.wait_for_all()
            self.say(
                f"stopped at {so_far(self.trainer, self.images, self.budget)}, state saved; the same command goes on"
            )
            raise Stopped(stop)
        self.results.worse = processes.agreed(self.results.worse if self.log else None) or 0
        if "validate" in due:
            self.validation.agree(self.log is not None)
        if out_of_patience(self.recipe, self.results):
            self.images = now

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
        if self.log:
            checkpoint.write(self.folder / "checkpoint", {**state, **extra})

    def finish(self) -> None:
        if not self.log:
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
        return f"; {so_far(self.trainer, self.images, self.budget)} (train.images={seen} is as long)" + short * (
            f". Time was up when {progress:.0%} of the schedule were done: give train.minutes more"
        )


def so_far(trainer: Trainer, images: int, budget: Budget | None) -> str:
    """How much of a training of so many images is behind, in words."""
    if budget:
        return f"{trainer.images_seen} images, {budget.used.seconds / 60:.2f} of {budget.minutes:g} minutes"
    return f"{trainer.images_seen} of {images} images"
