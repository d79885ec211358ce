"""`diptych chain`: models one after the other as one model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diptych.errors import printable


def register(app: typer.Typer) -> None:
    app.command()(chain)


def chain(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL1 MODEL2...", help="In the order in which they work.")],
    out: Annotated[Path, typer.Option(help="The model folder to make.")],
) -> None:
    """Make one model of several: each takes what the one before it gives. It is used and served like any other."""
    from diptych.model.chain import chain as make

    card = make(models, out)
    print(f"translator: {printable(out)}\n{len(card.parts)} models: {printable(card.turns())}")
