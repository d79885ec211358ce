"""`diptych data`: one file for each command on folders of pictures."""

from __future__ import annotations

import typer

from diptych.cli.data.check import check
from diptych.cli.data.download import download
from diptych.cli.data.prepare import prepare
from diptych.cli.data.samples import samples
from diptych.cli.data.split import split


def register(app: typer.Typer) -> None:
    data = typer.Typer(rich_markup_mode=None)
    data.callback(invoke_without_command=True)(begin)
    for command in (check, split, prepare, download, samples):
        data.command()(command)
    app.add_typer(data, name="data")


def begin(context: typer.Context) -> None:
    """Check folders of pictures and bring them into shape, make sample pictures."""
    if context.invoked_subcommand is None:
        print(context.get_help())
