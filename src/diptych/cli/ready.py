"""`diptych models`: the ready models, and how one's own becomes a folder to pass on."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from diptych.errors import ModelError, printable
from diptych.model import ready

FIRST = ("lpips_squeeze", "ssim")
"""The scores that the list shows; all are in the card."""

models = typer.Typer(rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    app.add_typer(models, name="models")


def at_hand(given: Path) -> Path:
    """What a command takes as its model: the folder of a ready model where its name is given, else `given`."""
    if note := ready.homonym(given):
        print(printable(note), file=sys.stderr)
    return ready.place_of(given) or given


@models.callback(invoke_without_command=True)
def models_at_hand(context: typer.Context) -> None:
    """List the ready models, which every command takes by their names, or pack one to pass on."""
    if context.invoked_subcommand is not None:
        return
    found = ready.folders()
    for name, folder in found.items():
        print("\n".join(map(printable, described(name, folder))))
    if not found:
        print("no ready model is installed; a package that brings some announces them as diptych.models")


def described(name: str, folder: Path) -> list[str]:
    """A ready model in a few lines: what it does, size, licence, scores, and what to type."""
    from diptych.model.card import figure
    from diptych.model.folder import examples, inspect_card

    try:
        card = inspect_card(folder)
    except ModelError as error:
        return [f"{name}: {error}"]
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) / 1e6
    shown_scores = [metric for metric in FIRST if metric in card.scores] or list(card.scores)[:1]
    scores = [f"{metric} {figure(card.scores[metric], 'value')}" for metric in shown_scores]
    first = next(iter(examples(folder)), None)
    shown = shlex.quote(str(first)) if first else "PICTURE"
    return [
        f"{name}: {card.title()}",
        f"  {size:.1f} MB; licence: {card.licence}; {', '.join(scores) or 'not measured'}",
        f"  try: diptych translate {name} {shown}, or: diptych serve {name}; all of it: diptych info {name}",
    ]


@models.command()
def pack(
    model: Annotated[Path, typer.Argument(help="A run folder, a translator folder, or a ready model.")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    half: Annotated[bool, typer.Option("--half", help="Weights in float16; the card says what that changes.")] = False,
    example: Annotated[
        list[Path] | None, typer.Option(help="A picture to try it on, instead of the model's; up to three times.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="What `diptych evaluate --json` printed, instead of the card's scores.")
    ] = None,
) -> None:
    """Write a model as a folder to pass on: without what only training needs, with examples and scores."""
    from diptych.export.packing import pack as write
    from diptych.export.packing import read_scores
    from diptych.model.card import NOT_STATED

    card = write(
        at_hand(model), out, half=half, examples=example or (), scores=read_scores(scores) if scores else None
    ).card
    size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    print(printable(f"{card.title()}, in {out}: {size:.2f} MB"))
    if card.stored:
        print(printable(f"weights stored {card.stored}"))
    for word, message in (("licence", card.licence), ("data_origin", card.data_origin)):
        if message == NOT_STATED:
            print(printable(f"{word}: not stated; say it by diptych card {out} {word}='...'"))
