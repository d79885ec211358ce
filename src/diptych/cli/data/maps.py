"""The option --maps of commands on folders."""

from __future__ import annotations

from typing import Annotated

import typer

from diptych.errors import ConfigError

Maps = Annotated[list[str] | None, typer.Option(help="Maps that go with pairs, as mask=masks. May be given again.")]


def named(maps: list[str]) -> dict[str, str]:
    """mask=masks as {"mask": "masks"}. Raises ConfigError."""
    pairs = [one.partition("=") for one in maps]
    if wrong := [kind for kind, _, place in pairs if not kind or not place]:
        raise ConfigError(f"--maps {wrong[0]}: give a kind and a folder, as in --maps mask=masks")
    return {kind: place for kind, _, place in pairs}
