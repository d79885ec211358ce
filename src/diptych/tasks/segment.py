"""Photos to label maps: pairs whose target tells what each pixel shows."""

from __future__ import annotations

from typing import ClassVar

from diptych.tasks.pairs import Pairs
from diptych.tasks.task import Sections


class ToLabels(Pairs):
    """Photos to label maps; learns from pairs of the two."""

    method: ClassVar[str] = "segment"
    defaults: ClassVar[Sections] = {"data": {"labels": "target"}}


TASK = ToLabels
