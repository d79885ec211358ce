"""When held-out pairs are scored in a run, and what follows from a score."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from diptych.data.dataset import Data
from diptych.options.recipes import dump
from diptych.storage.files import write_text
from diptych.training import processes
from diptych.training.budget import Budget
from diptych.training.folder import RECIPE
from diptych.training.log import Log
from diptych.training.pacing import Pace, rarer
from diptych.training.recipe import Recipe
from diptych.training.results import Results


class Validation:
    """The scores of the run in the folder `place`. every: images between two of what is done between steps, among them
    the scores. budget: the time that the run may take, where that is its length. say: prints a line."""

    def __init__(
        self,
        results: Results,
        recipe: Recipe,
        data: Data,
        place: Path,
        every: dict[str, int],
        budget: Budget | None,
        *,
        say: Callable[[str], None],
        images_seen: int,
    ) -> None:
        self.results, self.recipe, self.data, self.folder = results, recipe, data, place
        self.every, self.budget, self.say, self.pace = every, budget, say, Pace(images_seen)

    def take(self, now: int, log: Log, *, last: int) -> None:
        """Score, and decide how often from here on, by the time that it took. last: the last image of the run."""
        image, begun = self.pace.seconds(now), time.monotonic()
        if not self.budget:
            self.results.validate(now, log)
            self.fix(now, time.monotonic() - begun, image, last=last)
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

    def agree(self, first: bool) -> None:
        """Take over what the first process has settled on; 0 is none any more."""
        for often in (self.every, self.budget.parts if self.budget else {}):
            if "validate" in often:
                often["validate"] = processes.agreed(often["validate"] if first else None) or 0
                if not often["validate"]:
                    del often["validate"]

    def fix(self, now: int, seconds: float, image: float, *, last: int) -> None:
        """After the first validation, decide how often there is one, and write it into the recipe: whoever repeats the
        run by that, or goes on with it, scores at the same images. A first score that is not at one of these is left
        out of account. seconds, image: what the validation took, and what an image takes."""
        train = self.recipe.train
        if train.validate_every is not None or train.best == "last" or not self.data.val or now >= last:
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


def out_of_patience(recipe: Recipe, results: Results) -> bool:
    """Whether there were as many scores without a better one as the recipe allows."""
    return 0 < recipe.train.patience <= results.worse
