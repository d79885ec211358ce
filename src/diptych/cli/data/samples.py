"""`diptych data`: check a folder of pictures, make sample pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from diptych.errors import ConfigError

data = typer.Typer(rich_markup_mode=None)


@data.callback(invoke_without_command=True)
def begin(context: typer.Context) -> None:
    """Check folders of pictures, make sample pictures."""
    if context.invoked_subcommand is None:
        print(context.get_help())


SIDES_BY_DEFAULT = "labels,day, or day,night if unpaired; silhouette,flat"


def register(app: typer.Typer) -> None:
    app.add_typer(data, name="data")


@data.command()
def check(
    folder: Annotated[Path | None, typer.Argument(help="The pictures; or give two folders by --a and --b.")] = None,
    a: Annotated[Path | None, typer.Option(help="Folder of one kind of pictures.")] = None,
    b: Annotated[Path | None, typer.Option(help="Folder of the other kind.")] = None,
    kind: Annotated[str, typer.Option(help="auto, or a layout, as data.kind in training.")] = "auto",
    direction: Annotated[
        str, typer.Option(help="As in training; of more folders, the two to look at: labels2day.")
    ] = "auto",
    labels: Annotated[str | None, typer.Option(help="The side whose pictures are label maps, by its name.")] = None,
    legend: Annotated[str | None, typer.Option(help="What they mean; by default legend.yaml in the folder.")] = None,
    snap_colours: Annotated[
        bool, typer.Option("--snap-colours", help="Of smeared label maps take the nearest classes.")
    ] = False,
    maps: Annotated[
        list[str] | None, typer.Option(help="Maps that go with pairs, as mask=masks. May be given again.")
    ] = None,
    texts: Annotated[bool, typer.Option("--texts", help="Each picture has a text beside it.")] = False,
    groups: Annotated[str | None, typer.Option(help="What a group shares in its names, as data.groups.")] = None,
    limit_mp: Annotated[float, typer.Option(help="Largest picture accepted, in million pixels, above 0.")] = 50.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say what a folder holds, or two, what is wrong with it, every faulty file by name, and whether to train on it."""
    from diptych.data.audit import check as audit

    found = audit(
        folder, a=a, b=b, kind=kind, direction=direction, labels=labels, legend=legend, snap_colours=snap_colours,
        maps=_named(maps or []), texts=texts, groups=groups, limit_mp=limit_mp,
    )  # fmt: skip
    print(json.dumps(found.to_dict(), indent=2) if as_json else found.to_text())


def _named(maps: list[str]) -> dict[str, str]:
    """mask=masks as {"mask": "masks"}. Raises ConfigError."""
    pairs = [one.partition("=") for one in maps]
    if wrong := [kind for kind, _, place in pairs if not kind or not place]:
        raise ConfigError(f"--maps {wrong[0]}: give a kind and a folder, as in --maps mask=masks")
    return {kind: place for kind, _, place in pairs}


@data.command()
def samples(
    kind: Annotated[str, typer.Argument(help="street, emoji, or paintings.")],
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    count: Annotated[
        int | None, typer.Option(min=1, help="Of them.", show_default="200 scenes, all emoji, 12 paintings")
    ] = None,
    size: Annotated[int, typer.Option(min=32, help="Height and width in pixels.")] = 128,
    seed: Annotated[int | None, typer.Option(min=0, help="Of streets and paintings.", show_default="0")] = None,
    sides: Annotated[
        str | None,
        typer.Option(
            help="Of streets some of labels,day,night,edges,instances,ids; of emoji silhouette,flat,shaded.",
            show_default=SIDES_BY_DEFAULT,
        ),
    ] = None,
    unpaired: Annotated[
        bool, typer.Option("--unpaired", help="Two sides, each with its own streets; of the test streets both.")
    ] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="Of emoji: a folder with their npm packages, unpacked or as .tgz.")
    ] = None,
) -> None:
    """Draw sample pictures: made-up streets or emoji (from npm), exactly registered, or paintings to take styles of."""
    from rich.console import Console
    from rich.progress import Progress

    from diptych.data.samples import write_emoji, write_paintings, write_samples

    chosen = {} if sides is None else {"sides": tuple(sides.split(","))}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("drawing", total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        if kind == "emoji":
            if seed is not None or unpaired:
                raise ConfigError("emoji are the same each time, and in pairs: leave --seed and --unpaired out")
            made = write_emoji(out, size=size, count=count, source=source, progress=report, **chosen)
            message = ", ".join(f"{number} {split}" for split, number in made.items())
        elif source is not None:
            raise ConfigError(f"--from is for emoji: leave it out for {kind}")
        elif kind == "paintings":
            if chosen or unpaired:
                raise ConfigError("paintings have no sides and no pairs: leave --sides and --unpaired out")
            write_paintings(out, count=count or 12, size=size, seed=seed or 0, progress=report)
            message = f"{count or 12} paintings"
        else:
            count = count or 200
            write_samples(
                kind, out, count=count, size=size, seed=seed or 0, unpaired=unpaired, progress=report, **chosen
            )
            message = f"{count} scenes"
    print(f"{message} in {out}")
