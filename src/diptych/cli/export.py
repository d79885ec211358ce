"""`diptych export` and `diptych bench`: a model for other runtimes, and which is fastest here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diptych.cli.arguments import read_arguments, sort_out_controls
from diptych.cli.options import Model


def register(app: typer.Typer) -> None:
    app.command(context_settings={"ignore_unknown_options": True})(export)
    app.command()(bench)


def export(
    model: Model,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[--CONTROL VALUE]...")] = None,
    to: Annotated[str, typer.Option(help="The runtime: onnx or openvino.")] = "onnx",
    out: Annotated[
        Path | None, typer.Option(help="The file; by default named as the model, .onnx or .xml; of a chain .json.")
    ] = None,
    domain: Annotated[str | None, typer.Option(help="To translate to, of a model that works both ways.")] = None,
) -> None:
    """Write a model as one graph for another runtime, and try how near it is: `diptych translate FILE ...` runs it.

    Controls are fixed at what is given here, as in --style dog.jpg; --seed stays free.
    """
    from diptych.errors import ConfigError
    from diptych.export import FORMATS, export_model, parity_file, place_for
    from diptych.model.translator import Translator

    if to not in FORMATS:
        raise ConfigError(f"--to {to}: there are {' and '.join(FORMATS)}; the domain translated to is --domain")
    words = sort_out_controls(arguments or [])
    place = model.resolve()
    name = place.parent.name if (place.parent / "recipe.yaml").exists() else place.name
    translator = Translator.load(model, device="cpu")
    file = out or place_for(translator.card, to, Path(name))
    reports = export_model(translator, to, file, {**read_arguments(translator.controls, words), "to": domain})
    beside = [parity_file(Path(report.file)).name for report in reports]
    if translator.card.parts:
        beside = [*(report.file for report in reports), *beside]
    print("\n\n".join(report.to_text() for report in reports))
    print(f"written: {file}, and beside it {', '.join(beside)}")


def bench(
    model: Model,
    size: Annotated[int, typer.Option(min=16, help="Pixels a side of the picture.")] = 256,
    rounds: Annotated[int, typer.Option(min=1, help="Pictures by each acceleration, in turn.")] = 10,
    only: Annotated[list[str] | None, typer.Option(help="An acceleration; may be given again.")] = None,
) -> None:
    """Find the fastest way to run a model on this machine, as ratios to plain torch in float32.

    The share of arithmetic is the rate of its convolutions; torch's best dense one in that precision has 100 %.
    """
    from diptych.export.acceleration import ACCELERATIONS
    from diptych.export.acceleration import bench as measure
    from diptych.runtime.device import choose_device
    from diptych.runtime.precision import explain

    print(f"the faster precision on the processor: {explain('auto', choose_device('cpu'))}")
    chosen = list(dict.fromkeys(["plain", *(only or ACCELERATIONS)]))
    timings = measure(model, chosen, size=size, rounds=rounds)
    print(f"{'acceleration':14} {'speed':>7} {'ms':>9} {'largest difference':>19} {'share of arithmetic':>20}")
    for one in timings:
        share = "-" if one.share is None else f"{one.share:.0%}"
        figures = f"{one.ratio:6.2f}x {one.milliseconds:9.1f} {one.largest:19.1e} {share:>20}"
        print(f"{one.name:14} {f'not here: {one.fault}' if one.fault else figures}")
    best = max(timings, key=lambda one: one.ratio)
    print(f"fastest here: {best.name}, as in: diptych serve {model} --acceleration {best.name}")
