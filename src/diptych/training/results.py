"""What a run shows and keeps of its present weights: grids of pictures, scores, and the best translator so far."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from math import inf
from pathlib import Path
from typing import Any

from diptych import images
from diptych.data.dataset import Data
from diptych.model.folder import stated
from diptych.model.translator import Translator
from diptych.training import snapshot
from diptych.training.budget import Budget
from diptych.training.log import Log
from diptych.training.recipe import Recipe
from diptych.training.trainer import Trainer


class Results:
    """Those of the run in `folder`. best: the best score by its metric's name; worse: how many came since.

    say: prints a line. budget: is told what saving and grids take.
    """

    def __init__(
        self,
        trainer: Trainer,
        recipe: Recipe,
        data: Data,
        folder: Path,
        say: Callable[[str], None],
        budget: Budget | None = None,
    ) -> None:
        self.trainer, self.recipe, self.data, self.folder = trainer, recipe, data, folder
        self.say, self.budget = say, budget
        self.best: dict[str, dict[str, Any]] = {}
        self.worse = 0

    def spending(self, name: str) -> AbstractContextManager[None]:
        return self.budget.spending(name) if self.budget else nullcontext()

    def translator(self) -> Translator:
        return snapshot.translator(self.trainer, self.recipe, self.data, self.best)

    def save(self, name: str) -> None:
        with self.spending("save"):
            translator = self.translator()
            translator.card = translator.card.model_copy(update=stated(self.folder / name))
            preview, examples = snapshot.preview(translator, self.data), snapshot.examples(self.data)
            translator.save(self.folder / name, everything=True, preview=preview, examples=examples)

    def sample(self, now: int, log: Log) -> None:
        with self.spending("sample"):
            picture = snapshot.preview(self.translator(), self.data)
            with log.going_on(str(self.folder / "samples")):
                images.write(self.folder / "samples" / f"{now:08d}.png", picture)
            log.picture(picture, now)

    def validate(self, now: int, log: Log, within: float = inf) -> bool:
        """Score the held-out pairs, if any; the best translator so far, or the newest, becomes the run's model.

        False, and nothing is done, where that takes longer than `within` seconds.
        """
        metric = self.recipe.train.best
        if metric == "last" or not self.data.val:
            self.save("model")
            return True
        score = snapshot.score(self.translator(), self.data, str(metric), within=within)
        if score is None:
            return False
        log.record({"images": now, f"val.{metric}": score["value"]})
        if snapshot.better(str(metric), score, self.best.get(str(metric))):
            self.best, self.worse = {str(metric): score}, 0
            self.save("model")
        else:
            self.worse += 1
        best = self.best[str(metric)]["value"]
        self.say(
            f"  {metric} {score['value']:.4f} on {score['count']} validation pairs at {now} images; best {best:.4f}"
        )
        return True

    def finish(self) -> None:
        """Keep the newest weights, and as the model too where none was kept."""
        self.save("last")
        if not self.best:  # neither scored nor saved as the newest
            self.save("model")
