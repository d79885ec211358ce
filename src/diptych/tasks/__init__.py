"""One file per task: what a pair *is*, once, for training and for use; a task is found by the name of its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diptych.errors import ConfigError
from diptych.options import plugins
from diptych.options.schema import check
from diptych.tasks.task import Task

__all__ = ["Task", "find", "make", "names", "summaries"]


def names() -> list[str]:
    """The built-in tasks, by name."""
    return plugins.names(__file__, besides={"keeping", "task"})


def find(name: str) -> type[Task]:
    """The task in `diptych.tasks.<name>`; its options are those of its constructor. Raises ConfigError for none."""
    task: type[Task] = plugins.load_object("task", name, __name__, names(), "TASK")
    return task


def make(name: str, options: Mapping[str, Any] | None = None) -> Task:
    """A task with its options, checked. Raises ConfigError that lists all that is wrong with them."""
    task = find(name)
    return task(**check({"task": task}, {"task": dict(options or {})})["task"])


def summaries() -> dict[str, str]:
    """Each built-in task with its first sentence."""
    found = {name: (find(name).__doc__ or "").strip().splitlines()[0] for name in names()}
    if bare := [name for name, words in found.items() if not words]:
        raise ConfigError(f"the task {bare[0]} does not say what it is")
    return found
