"""Label maps to photos: pairs whose source tells what each pixel shows."""

from __future__ import annotations

from typing import ClassVar

from diptych.tasks.pairs import Pairs
from diptych.tasks.task import Sections


class FromLabels(Pairs):
    """Label maps to photos; learns from pairs of the two."""

    defaults: ClassVar[Sections] = {"data": {"labels": "source"}}


TASK = FromLabels
