"""`diptych evaluate`: how good a trained model is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from diptych.cli.options import Bf16, Compile, Device, LimitMp, Model, Snap, load
from diptych.cli.progress import counting
from diptych.errors import ConfigError, printable, printable_lines

Size = Annotated[
    str | None, typer.Option(help="Bring all pictures to this size before: 256, or 320x256 (width x height).")
]
Reader = Annotated[
    Path | None, typer.Option(help="A segmenter that reads the photos made of label maps: the FCN score.")
]
Metrics = Annotated[
    list[str] | None, typer.Option(help="A further score of pairs, as my_lab.mymetric with --plugin; repeatable.")
]


Called = Annotated[
    str, typer.Option("--named", help="Of a folder of results: what that of a source is called, as {name}_fake_B.")
]


def register(app: typer.Typer) -> None:
    app.command()(evaluate)


def evaluate(
    model: Model,
    data: Annotated[str | None, typer.Option(help="Folder of pictures, in pairs or not.")] = None,
    a: Annotated[str | None, typer.Option(help="Folder of one domain, with --b instead of --data.")] = None,
    b: Annotated[str | None, typer.Option(help="Folder of the other domain.")] = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    to: Annotated[str | None, typer.Option(help="Domain to translate to, of a model that works both ways.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Answers to each picture, with the seeds 0, 1 ...")] = 1,
    direction: Annotated[str | None, typer.Option(help="As in training; by default the model's own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
    csv: Annotated[Path | None, typer.Option(help="File for the scores of every picture, for spreadsheets.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.html and the picture grid.")] = None,
    kind: Annotated[str | None, typer.Option(help="How the folder is laid out, if not recognised rightly.")] = None,
    size: Size = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many pairs, or pictures of a side.")] = None,
    limit_mp: LimitMp = 50.0,
    reader: Reader = None,
    metric: Metrics = None,
    called: Called = "{name}",
    snap_colours: Snap = False,
    device: Device = "auto",
    bf16: Bf16 = False,
    compile: Compile = False,
) -> None:
    """Score a model on pictures it has never seen, with 95 % intervals, and write a report.

    Pairs are compared one by one; without pairs, the outputs with the real pictures as two sets. In the place of MODEL
    may be a folder of what another program made of the same sources.
    """
    from diptych.evaluation.command import evaluate_folder, evaluate_results
    from diptych.evaluation.results import Results, holds_results
    from diptych.options.recipes import named, read_recipe
    from diptych.storage.files import write_text
    from diptych.training.log import records

    is_run = (recipe := model / "recipe.yaml").exists()
    trained_on: Any = read_recipe(recipe).get("data") if is_run else None
    if named(trained_on):  # a run's data are read as they were in its training
        snap_colours = snap_colours or bool(trained_on.get("snap_colours"))
    place = out or (model if is_run else Path(f"{model.resolve().name}-evaluation"))
    shared: dict[str, Any] = {
        "a": a, "b": b, "split": split, "direction": direction, "kind": kind, "size": size, "limit": limit,
        "limit_mp": limit_mp, "out": place, "metrics": metric or (),
    }  # fmt: skip
    with counting("evaluating") as report:
        if holds_results(model):
            if given := [name for name, one in {"to": to, "reader": reader, "samples": samples > 1}.items() if one]:
                raise ConfigError(f"--{given[0]} is for a model, and {model} is a folder of results: leave it out")
            evaluation, page = evaluate_results(Results(model, called), data, progress=report, **shared)
        else:
            translator = load(model, device, bf16, compile, snap_colours)
            reading = load(reader, device, bf16, compile, snap_colours) if reader else None
            evaluation, page = evaluate_folder(
                translator, data, to=to, samples=samples, log=records(model), reader=reading, progress=report, **shared
            )
    if csv:
        write_text(csv, evaluation.to_csv())
    message = f"{printable_lines(evaluation.to_text())}\nreport: {printable(page)}"
    print(json.dumps(evaluation.to_dict(), indent=2) if as_json else message)
