"""One file per task: what a pair *is*, once, for training and for use; a task is found by the name of its file."""

from __future__ import annotations

import importlib

from diptych.errors import ConfigError
from diptych.tasks.task import Task

__all__ = ["Task", "find"]


def find(name: str) -> Task:
    """The task in `diptych.tasks.<name>`. Raises ConfigError when there is none."""
    try:
        module = importlib.import_module(f"diptych.tasks.{name}")
    except ModuleNotFoundError:
        raise ConfigError(f"no task is called {name!r}; a newer version of diptych may have it") from None
    return module.TASK
