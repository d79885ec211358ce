"""One file per task: what a pair *is*, once, for training and for use; a task is found by the name of its file."""

from __future__ import annotations

from diptych.options import plugins
from diptych.tasks.task import Task

__all__ = ["Task", "find", "names"]


def names() -> list[str]:
    """The built-in tasks, by name."""
    return plugins.names(__file__, besides={"task"})


def find(name: str) -> Task:
    """The task in `diptych.tasks.<name>`. Raises ConfigError when there is none."""
    task: Task = plugins.load_object("task", name, __name__, names(), "TASK")
    return task
