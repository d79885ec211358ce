"""Gives back what it is given, and remembers through which functions it came."""

from __future__ import annotations

import traceback
from pathlib import Path

from torch import Tensor

import diptych
from odd.same import Same

SOURCE = Path(diptych.__file__).parent
came: list[tuple[str, str]] = []
"""The package and the function of each frame of the last call, from the command on."""


class Walked(Same):
    def translate(self, x: Tensor) -> Tensor:
        frames = [frame for frame in traceback.extract_stack() if Path(frame.filename).is_relative_to(SOURCE)]
        came[:] = [(Path(frame.filename).relative_to(SOURCE).parts[0], frame.name) for frame in frames]
        return super().translate(x)
