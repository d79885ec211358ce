"""`diptych recommend`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from diptych.errors import printable_lines


def register(app: typer.Typer) -> None:
    app.command()(recommend)


def recommend(
    folder: Annotated[str | None, typer.Argument(help="The pictures; or give two folders by --a and --b.")] = None,
    a: Annotated[str | None, typer.Option(help="Folder of one kind of pictures.")] = None,
    b: Annotated[str | None, typer.Option(help="Folder of the other kind.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say what a folder is good for: which tasks and methods fit it, why, the memory it takes, and the commands."""
    from diptych.training.recommending import recommend as look

    found = look(folder, a=a, b=b)
    print(json.dumps(found.to_dict(), indent=2) if as_json else printable_lines(found.to_text()))
