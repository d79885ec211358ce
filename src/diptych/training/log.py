"""What a run says: progress on the terminal, lines of JSON, TensorBoard; all fed at ticks only."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from diptych.errors import StorageError, printable_lines, reason_of
from diptych.storage.files import write_text
from diptych.training.budget import Budget

FILE = "log.jsonl"


class Log:
    """The log of one run in `folder`; `total` images in all, of which `done` are behind, or as many as `budget` plans.

    On a terminal there is a progress bar, elsewhere a line each tick. Records beyond `done` are dropped: they belong to
    work that was lost with a crash and is done again. Once it has begun, a log that cannot be written is said to be so,
    and stops nothing.
    """

    def __init__(
        self,
        folder: Path,
        console: Console,
        *,
        total: int | None,
        done: int = 0,
        budget: Budget | None = None,
        tensorboard: bool = True,
    ) -> None:
        self.path, self.console, self.total, self.budget = folder / FILE, console, total, budget
        self.warned: set[str] = set()
        kept = [record for record in records(folder) if record["images"] <= done]
        write_text(self.path, "".join(json.dumps(record) + "\n" for record in kept))
        self.file = self.path.open("a", encoding="utf-8")
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        self.bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self.task = self.bar.add_task("images", total=total, completed=done)
        self.bar.start()
        self.tensorboard: Any = None
        if tensorboard:
            with self.going_on("TensorBoard's log", Exception):
                self.tensorboard = summary_writer(folder / "tensorboard", done)
        self.since, self.images = time.monotonic(), done
        self.begun, self.warm = (self.since, done), False

    @contextmanager
    def going_on(self, what: str, also: type[Exception] = OSError) -> Iterator[None]:
        """Say once that `what` could not be written, and go on. `also`: another fault that does not matter."""
        try:
            yield
        except (OSError, StorageError, also) as error:
            if what not in self.warned:
                self.warned.add(what)
                cause = error.__cause__ if isinstance(error, StorageError) and error.__cause__ else error
                self.say(f"{what} could not be written ({reason_of(cause)}): the training goes on without it")

    def advance(self, images: int) -> None:
        """Move the bar; nothing is computed for it."""
        self.bar.update(self.task, completed=images)

    def expect(self, total: int) -> None:
        """So many images it is planned to be now."""
        self.total = total
        self.bar.update(self.task, total=total)

    def tick(self, images: int, losses: dict[str, float]) -> float:
        """Record the mean losses since the last tick, and the speed, in images a second, which is returned."""
        now = time.monotonic()
        rate = (images - self.images) / max(now - self.since, 1e-9)
        used = {"minutes": round(self.budget.used.seconds / 60, 3)} if self.budget else {}
        self.record({"images": images, **used, "images_per_second": round(rate, 3), **losses})
        terms = "  ".join(f"{name} {value:.3g}" for name, value in losses.items())
        left = clock(self.left(images, now))
        self.bar.update(self.task, completed=images, description=f"{rate:.1f}/s  {left} left  {terms}")
        if not self.console.is_terminal:
            self.say(f"{images}/{self.of_all()} images  {rate:.1f}/s  {left} left  {terms}")
        return rate

    def of_all(self) -> str:
        """How many images there are to be, in words."""
        return f"{'about ' if self.budget else ''}{'?' if self.total is None else self.total}"

    def left(self, images: int, now: float) -> float:
        """Seconds left of the time there is, or at the mean pace so far, with all that was done between the steps; the
        first tick's is slow."""
        if self.budget or self.total is None:
            return max(0.0, self.budget.left if self.budget else 0.0)
        since, first = self.begun
        pace = (now - since) / max(1, images - first)
        if not self.warm:
            self.begun, self.warm = (now, images), True
        return max(0, self.total - images) * pace

    def restart_clock(self, images: int) -> None:
        """Leave what happened since the last tick out of the next tick's speed."""
        self.since, self.images = time.monotonic(), images

    def record(self, values: dict[str, Any]) -> None:
        """Write one record to every log."""
        with self.going_on(str(self.path)):
            self.file.write(json.dumps(values) + "\n")
            self.file.flush()
        with self.going_on("TensorBoard's log", Exception):
            for name, value in values.items():
                if self.tensorboard and name != "images":
                    self.tensorboard.add_scalar(name.replace(".", "/", 1), value, values["images"])

    def picture(self, array: Any, images: int) -> None:
        """Show a picture `H W 3` in TensorBoard."""
        with self.going_on("TensorBoard's log", Exception):
            if self.tensorboard:
                self.tensorboard.add_image("samples", array, images, dataformats="HWC")

    def say(self, text: str) -> None:
        """Print a line of text as it is."""
        self.console.print(printable_lines(text), markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        self.bar.stop()
        for file in (self.file, self.tensorboard):
            with suppress(Exception):  # it was said already, by the record that could not be written
                if file:
                    file.close()


def records(folder: Path) -> list[dict[str, Any]]:
    """The records of the run in `folder`; a last line cut short by a crash is left out."""
    path = folder / FILE
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def summary_writer(folder: Path, done: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return SummaryWriter(str(folder), purge_step=done + 1)


def clock(seconds: float) -> str:
    """Seconds in words that fit: 42 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
