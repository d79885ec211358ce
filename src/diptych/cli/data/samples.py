"""`diptych data samples`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diptych.errors import ConfigError

SIDES_BY_DEFAULT = "labels,day, or day,night if unpaired; silhouette,flat"


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
