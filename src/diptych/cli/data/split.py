"""`diptych data split`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diptych.cli.data.maps import Maps, named
from diptych.errors import printable


def split(
    out: Annotated[Path, typer.Option(help="New folder to make.")],
    folder: Annotated[Path | None, typer.Argument(help="The pictures; or give two folders by --a and --b.")] = None,
    by: Annotated[
        str | None,
        typer.Option(help="What a group shares in its names, as 'patient[0-9]+', of parentheses the first."),
    ] = None,
    a: Annotated[Path | None, typer.Option(help="Folder of one kind of pictures.")] = None,
    b: Annotated[Path | None, typer.Option(help="Folder of the other kind.")] = None,
    val: Annotated[float, typer.Option(help="Share of val/; 0 for none.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share of test/; 0 for none.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Which groups go where.")] = 0,
    kind: Annotated[str, typer.Option(help="auto, or a layout, as data.kind in training.")] = "auto",
    direction: Annotated[str, typer.Option(help="Of more folders, the two to take: labels2day.")] = "auto",
    maps: Maps = None,
    link: Annotated[bool, typer.Option("--link", help="Hard links instead of copies.")] = False,
) -> None:
    """Copy a folder into train, val and test anew, so that what belongs together by its name stays together."""
    from diptych.data.recognising import recognise
    from diptych.data.splitting import split as divide

    found = recognise(folder, a=a, b=b, kind=kind, direction=direction, maps=named(maps or []))
    counts = divide(found, out, by=by, val=val, test=test, seed=seed, link=link)
    print(printable(f"{', '.join(f'{count} {name}' for name, count in counts.items())} in {out}"))
