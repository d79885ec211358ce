"""A trained model on the arithmetic and the runtime that suit the machine, chosen by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from diptych.errors import ConfigError
from diptych.speed import Speed
from diptych.translator import Translator

ACCELERATIONS: Mapping[str, Speed] = {
    "plain": Speed(bf16=False),
    "bf16": Speed(bf16=True),
    "compile": Speed(bf16=False, compile=True),
    "bf16-compile": Speed(bf16=True, compile=True),
}


def open_translator(
    path: Path, acceleration: str = "plain", *, device: str = "auto", snap_colours: bool = False
) -> Translator:
    """The translator at `path`, a model folder or a run folder. Raises ModelError, or ConfigError for another name."""
    if acceleration not in ACCELERATIONS:
        raise ConfigError(f"there is no acceleration {acceleration!r}: there are {', '.join(ACCELERATIONS)}")
    return Translator.load(path, speed=ACCELERATIONS[acceleration], device=device, snap_colours=snap_colours)
