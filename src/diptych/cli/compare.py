"""`diptych compare`: which of two models is better, by how much, and how surely."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from diptych.cli.evaluate import Called, Metrics, Size
from diptych.cli.options import Bf16, Device, LimitMp, Model, load
from diptych.cli.progress import counting
from diptych.errors import printable, printable_lines


def register(app: typer.Typer) -> None:
    app.command()(compare)


def compare(
    first: Model,
    second: Model,
    data: Annotated[str | None, typer.Option(help="Folder of pairs.")] = None,
    a: Annotated[str | None, typer.Option(help="Folder of one domain, with --b instead of --data.")] = None,
    b: Annotated[str | None, typer.Option(help="Folder of the other domain.")] = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    direction: Annotated[str | None, typer.Option(help="As in training; by default the models' own.")] = None,
    kind: Annotated[str | None, typer.Option(help="How the folder is laid out, if not recognised rightly.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for comparison.html.")] = Path("comparison"),
    size: Size = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many pairs.")] = None,
    limit_mp: LimitMp = 50.0,
    metric: Metrics = None,
    called: Called = "{name}",
    device: Device = "auto",
    bf16: Bf16 = False,
) -> None:
    """Compare two models, or folders of results, on the same pictures: differences with their 95 % intervals.

    Each picture is translated by both. The page shows those on which they differ most.
    """
    from diptych.evaluation.comparing import Side, compare_folder
    from diptych.evaluation.comparison_page import write_comparison
    from diptych.evaluation.results import Results, holds_results

    def side(model: Path, name: str) -> Side:
        return Side(name, Results(model, called) if holds_results(model) else load(model, device, bf16, False, False))

    names = told_apart(first, second)
    with counting("comparing") as report:
        comparison, examples = compare_folder(
            side(first, names[0]), side(second, names[1]), data, a=a, b=b, split=split, direction=direction, kind=kind,
            size=size, limit=limit, limit_mp=limit_mp, metrics=metric or (),
            progress=report,
        )  # fmt: skip
    page = write_comparison(out, comparison, examples)
    message = f"{printable_lines(comparison.to_text())}\nreport: {printable(page)}"
    print(json.dumps(comparison.to_dict(), indent=2) if as_json else message)


def told_apart(first: Path, second: Path) -> tuple[str, str]:
    """What two places are called: their last parts, or as much as tells them apart."""
    one, other = first.resolve(), second.resolve()
    if one == other:
        return f"{one.name} (1)", f"{one.name} (2)"
    for count in range(1, max(len(one.parts), len(other.parts)) + 1):
        names = "/".join(one.parts[-count:]), "/".join(other.parts[-count:])
        if names[0] != names[1]:
            return names
    return str(one), str(other)
