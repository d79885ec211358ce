"""What a command line says besides its own options: pictures, and the controls of a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diptych.errors import ConfigError

if TYPE_CHECKING:
    from diptych.options.controls import Control


def sort_out(arguments: list[str], model: Path) -> tuple[list[Path], dict[str, str]]:
    """The pictures, and the controls as words: `--name value`, `--name=value`. Raises ConfigError."""
    from diptych.model.folder import examples, inspect_card, resolve

    paths, controls = parted_arguments(arguments)
    if not paths:
        inspect_card(model)
        found = examples(resolve(model))
        shown = f", or one that comes with the model: {found[0]}" if found else ""
        raise ConfigError(f"no picture is given: name files or folders{shown}")
    return paths, controls


def sort_out_controls(arguments: list[str]) -> dict[str, str]:
    """The controls alone, as words. Raises ConfigError for anything else."""
    paths, controls = parted_arguments(arguments)
    if paths:
        raise ConfigError(f"{paths[0]} is neither a control nor its value")
    return controls


def read_arguments(controls: Mapping[str, Control], words: Mapping[str, str]) -> dict[str, Any]:
    """What the command line says of controls as values; what is no control is refused elsewhere. Raises ConfigError."""
    from diptych.options.controls import renamed

    given = renamed(controls, words)
    return {name: controls[name].read_argument(word) if name in controls else word for name, word in given.items()}


def parted_arguments(arguments: list[str]) -> tuple[list[Path], dict[str, str]]:
    paths: list[Path] = []
    controls: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        if not word:
            raise ConfigError("an empty name is given for a picture: is a variable of the shell not set?")
        if not word.startswith("--"):
            paths.append(Path(word))
            continue
        name, equals, value = word.removeprefix("--").partition("=")
        text = value if equals else next(words, None)
        if text is None:
            raise ConfigError(f"{word} needs a value, as in {word} VALUE")
        controls[name.replace("-", "_")] = text
    return paths, controls
