"""`diptych verify`: who made a picture, and was it changed since?"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from diptych.errors import DataError, printable


def register(app: typer.Typer) -> None:
    app.command()(verify)


def verify(
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE...")],
    trust: Annotated[list[Path] | None, typer.Option(help="Certificate of an authority to trust; repeatable.")] = None,
    require_trusted: Annotated[
        bool, typer.Option("--require-trusted", help="Take a picture of an unknown signer for one that is not intact.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what is known as JSON.")] = False,
) -> None:
    """Say who made a picture, with which model and settings, and whether it was changed since.

    Exit code 0: all are intact, and signed by this computer or by whom a given authority vouches for; 3: one is intact,
    but of an unknown signer; 1: one was changed, or cannot be verified; 2: one is no picture. The worst counts.
    """
    from diptych.provenance import verify as check

    codes, found = [0], {}
    for path in pictures:
        try:
            verdict = check(path, trust=trust or ())
        except DataError as error:
            print(printable(f"diptych: {path}: {str(error).removeprefix(f'{path}: ')}"), file=sys.stderr)
            codes.append(2)
            continue
        found[str(path)] = verdict.to_dict()
        codes.append(0 if verdict.trusted else 3 if verdict.intact and not require_trusted else 1)
        if not as_json:
            print(printable(path), *verdict.to_text().splitlines(), sep="\n  ")
    if as_json:
        print(json.dumps(found, indent=2))
    raise typer.Exit(max(codes, key=(0, 3, 1, 2).index))
