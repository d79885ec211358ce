"""`diptych train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from diptych.errors import ConfigError

Arguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="METHOD|RECIPE.yaml [KEY=VALUE]...", help="What to train, and options: train.batch=8"),
]


def register(app: typer.Typer) -> None:
    app.command()(train)


def train(
    arguments: Arguments = None,
    data: Annotated[str | None, typer.Option(help="Folder of pictures.")] = None,
    task: Annotated[
        str | None, typer.Option(help="What a pair is: colorize, enlarge, fill ... (diptych tasks lists them).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; by default runs/METHOD-FOLDER.")] = None,
    a: Annotated[str | None, typer.Option(help="Folder of one domain, with --b instead of --data.")] = None,
    b: Annotated[str | None, typer.Option(help="Folder of the other domain.")] = None,
    style: Annotated[str | None, typer.Option(help="Of faststyle: the painting whose style is learnt.")] = None,
    styles: Annotated[str | None, typer.Option(help="Of adain: folder of paintings, beside --data.")] = None,
    direction: Annotated[str | None, typer.Option(help="a2b, b2a, or with the sides' names: labels2photo.")] = None,
    snap_colours: Annotated[
        bool, typer.Option("--snap-colours", help="Of smeared label maps take the nearest classes.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run RUN, or make it longer.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
) -> None:
    """Train a method on a folder of pictures, or the one that is recommended for a task.

    See `diptych options METHOD` for all that can be set.
    """
    if styles is not None:
        if data is None or a is not None or b is not None:
            raise ConfigError("--styles goes with --data, the folder of photos: give both, and neither --a nor --b")
        data, a, b = None, data, styles
    flags = {
        "folder": data, "a": a, "b": b, "style": style, "direction": direction, "snap_colours": snap_colours or None,
    }  # fmt: skip
    if resume and out is None:
        out, arguments = run_to_resume(arguments or [])
    given = options(arguments or [], flags, task)
    place = out or default_place(given)
    from diptych.training.run import train as run
    from diptych.training.stopping import Stopped

    try:
        run(given, place, resume=resume, dry_run=dry_run)
    except Stopped as stopped:
        raise typer.Exit(128 + stopped.number) from None


def run_to_resume(arguments: list[str]) -> tuple[Path, list[str]]:
    """The run folder that is named instead of a method, and the other arguments. Raises ConfigError."""
    runs = [argument for argument in arguments if "=" not in argument]
    if len(runs) != 1 or not Path(runs[0]).is_dir():
        raise ConfigError("--resume needs the folder of the run to go on with: diptych train --resume RUN")
    return Path(runs[0]), [argument for argument in arguments if argument != runs[0]]


def options(arguments: list[str], data: dict[str, Any], task: str | None = None) -> dict[str, Any]:
    """The recipe that a command line gives: a file or a method's name, then options laid on top."""
    from diptych.options.recipes import assignments, merge
    from diptych.training.recipe import read_trusted

    named = [argument for argument in arguments if "=" not in argument]
    if len(named) > 1:
        raise ConfigError(f"one method or recipe, not {len(named)}: {' '.join(named)} (options are written key=value)")
    given: dict[str, Any] = {}
    if named:
        is_file = Path(named[0]).suffix.lower() in (".yaml", ".yml")
        given = read_trusted(Path(named[0])) if is_file else {"method": {"name": named[0]}}
    for section in ("method", "task"):
        if isinstance(given.get(section), str):
            given[section] = {"name": given[section]}
        if not isinstance(given.get(section, {}), dict):
            raise ConfigError(f"{section} must be a name or hold options, not {given[section]!r}")
    flags = {key: value for key, value in data.items() if value is not None}
    given = merge(given, {"data": flags} if flags else {})
    given = merge(given, {"task": {"name": task}} if task else {})
    return merge(given, assignments([argument for argument in arguments if "=" in argument]))


def default_place(given: dict[str, Any]) -> Path:
    names = (dict(given.get(section) or {}).get("name") for section in ("task", "method"))
    name, data = str(next(filter(None, names), "run")), given.get("data") or {}
    folders = [Path(str(data[key])).resolve().name for key in ("folder", "a", "b") if data.get(key)]
    return Path("runs") / "-".join([name, *folders])
