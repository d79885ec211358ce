"""Commands that show methods and models, and exchange models with other projects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diptych.cli.options import Model
from diptych.errors import ConfigError, printable, printable_lines


def register(app: typer.Typer) -> None:
    for command in (methods, tasks, options, info, card, convert, weights):
        app.command()(command)


def methods() -> None:
    """List the methods: ours, to begin with, and the published ones."""
    from diptych.methods import OURS, summaries

    for name, summary in summaries().items():
        print(f"{name:12} {summary}")
        if name == OURS[-1]:
            print("\nas published:")


def tasks() -> None:
    """List the tasks: what a pair is, and what each is for."""
    from diptych.tasks import find, summaries

    for name, summary in summaries().items():
        print(f"{name:10} {find(name).method:9} {summary}")


def options(
    method: Annotated[str, typer.Argument()],
    task: Annotated[str, typer.Option(help="Also the options of this task, and the defaults that suit it.")] = "pairs",
) -> None:
    """List everything that can be set when training METHOD, with types and defaults."""
    from diptych.options.schema import describe
    from diptych.training.recipe import sections

    for section, function in sections(method, task).items():
        print(describe(section, function))


def info(model: Model) -> None:
    """Say what a model is: method, options, pictures, scores, controls."""
    from diptych.model.controls import describe_controls
    from diptych.model.folder import build, inspect_card
    from diptych.runtime.device import choose_device
    from diptych.runtime.precision import explain

    card = inspect_card(model)
    print(printable_lines(card.to_markdown()))
    for one in describe_controls(build(card, model), card):
        print(printable_lines(f"  --{one.name.replace('_', '-')}  {one.words()}"))
    device = choose_device()
    print(f"this machine: translates on {device} in float32, trains in {explain('auto', device)}")


def card(
    model: Model,
    words: Annotated[list[str] | None, typer.Argument(metavar="[NAME=WORDS]...")] = None,
) -> None:
    """Show a model's card, or state in it what only a person can say: licence="CC BY 4.0" limits="..."."""
    from diptych.model.card import WORDS
    from diptych.model.folder import inspect_card, read_version, state

    pairs = [word.partition("=") for word in words or []]
    if wrong := [word for word, equals, _ in pairs if not equals]:
        raise ConfigError(f"{wrong[0]}: give a name and words, as in {wrong[0]}='...'")
    if not pairs:
        print(printable_lines(inspect_card(model).to_markdown()))
        print("To be stated by you, as in: diptych card MODEL licence='CC BY 4.0'")
        for name, about in WORDS.items():
            print(f"  {name:14} {about}")
        return
    before = read_version(model)
    for name, stated in state(model, {name: stated.strip() for name, _, stated in pairs}).words().items():
        print(f"{name}: {printable(stated)}")
    print(f"version {before} is now {read_version(model)}")


def convert(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...|MODEL")],
    out: Annotated[Path, typer.Option(help="The folder to make; with --to a file (.pth, .safetensors) or folder.")],
    names: Annotated[str | None, typer.Option(help="What the two domains are called, as horses,zebras.")] = None,
    legend: Annotated[Path | None, typer.Option(help="What label maps mean, of SPADE's and pix2pixHD's files.")] = None,
    to: Annotated[str | None, typer.Option(help="Write MODEL for another project, as junyanz or spade.")] = None,
) -> None:
    """Turn another project's checkpoint into a translator folder, or back; nothing in the file is executed."""
    from diptych.convert import convert as import_files
    from diptych.convert import export
    from diptych.data.labels import read_legend
    from diptych.model.folder import inspect_card

    if to is None:
        called = [name.strip() for name in names.split(",")] if names else []
        if names and (len(called) != 2 or not all(called) or called[0] == called[1]):
            raise ConfigError(f"--names {names}: give two different names, as horses,zebras")
        place = import_files(
            files, out, legend=read_legend(legend) if legend else None, names=(called[0], called[1]) if called else None
        )
        card = inspect_card(place)
        print(f"translator: {printable(place)}\n{card.method}: {printable(card.turns())}")
        if card.source.legend and not legend:
            print(
                f"the files do not say what their {card.source.channels} channels mean: each is taken for a class, "
                f"from 0 on; import them with --legend, if borders or an encoder's features are among them"
            )
        return
    if len(files) != 1:
        raise ConfigError("--to takes one model")
    for path in export(files[0], to, out):
        print(f"written: {path}")


def weights(
    action: Annotated[str, typer.Argument(help="list, or fetch.")] = "list",
    name: Annotated[str | None, typer.Argument(help="One of those in the list.")] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="A mirror's address, or a file or package on this machine.")
    ] = None,
) -> None:
    """List the pretrained parts that metrics and methods use, or fetch one from its publisher."""
    from diptych.storage.weights import PARTS, fetch, locate, remedy

    if action not in ("list", "fetch") or (action == "fetch") != (name is not None):
        raise ConfigError("diptych weights list, or diptych weights fetch NAME [--from ADDRESS|FILE]")
    if name is not None:
        print(f"fetched: {fetch(name, url=source)}")
        return
    for part in PARTS:
        try:
            print(f"{part:18} {locate(part)}")
        except ValueError:
            print(f"{part:18} not here; {remedy(part)}")
