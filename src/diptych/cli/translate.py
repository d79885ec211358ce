"""`diptych translate`: a trained model in use."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diptych.cli.arguments import read_arguments, sort_out
from diptych.cli.options import Batch, Bf16, Certificate, Compile, Device, LimitMp, Mark, Model, Snap, load
from diptych.errors import ConfigError

if TYPE_CHECKING:
    from diptych.model.translator import Translator
    from diptych.provenance import Sealer
    from diptych.tiling import Tiling

Given = Annotated[
    list[str] | None, typer.Argument(metavar="PICTURE|FOLDER|VIDEO... [--CONTROL VALUE]...", show_default=False)
]
Out = Annotated[Path, typer.Option(help="Folder for the results; for one picture, volume or video also a file.")]
Samples = Annotated[int, typer.Option(min=1, help="Answers to each picture, with the seeds that follow.")]
Provenance = Annotated[bool, typer.Option(help="Say in each result that a model made it; see docs/provenance.md.")]
Quality = Annotated[int, typer.Option(min=0, max=51, help="Of videos: from 0, the best, to 51, the smallest.")]
Axis = Annotated[
    str | None,
    typer.Option(help="Slices of volumes: i, j, k, axial, coronal or sagittal.", show_default="as in training, k"),
]
Parts = Annotated[
    str, typer.Option(help="Of large pictures: auto, exact, approximate, off; see docs/large-pictures.md.")
]


def register(app: typer.Typer) -> None:
    app.command(context_settings={"ignore_unknown_options": True})(translate)


def translate(
    model: Model,
    arguments: Given = None,
    out: Out = Path("translated"),
    samples: Samples = 1,
    batch: Batch = 8,
    device: Device = "auto",
    bf16: Bf16 = False,
    compile: Compile = False,
    snap_colours: Snap = False,
    limit_mp: LimitMp = 50.0,
    provenance: Provenance = True,
    certificate: Certificate = None,
    mark: Mark = False,
    steady: Annotated[bool, typer.Option("--steady", help="Calm the flicker of videos; see docs/video.md.")] = False,
    quality: Quality = 18,
    tiling: Parts = "auto",
    axis: Axis = None,
    tile: Annotated[int, typer.Option(min=64, help="Pixels a side of the tiles of large pictures.")] = 768,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are where results go.")] = False,
) -> None:
    """Translate pictures of any size, volumes or videos: same size, same format. One bad file does not stop the others.

    Controls of the method are options too: --seed 7, --to zebras, --style dog.jpg; `diptych info MODEL` lists them.
    """
    from diptych.cli.pictures import translate_pictures
    from diptych.cli.video import are_videos, translate_videos

    paths, words = sort_out(arguments or [], model)
    videos = are_videos(paths, samples=samples > 1, mark=mark)
    if steady and not videos:
        raise ConfigError("--steady is for videos: leave it out for pictures")
    translator = load(model, device, bf16, compile, snap_colours)
    controls = read_arguments(translator.controls, words)
    maps = {name: Path(controls.pop(name)) for name in sorted(translator.maps & controls.keys())}
    if videos and maps:
        raise ConfigError(f"--{next(iter(maps))} is for pictures: leave it out for videos")
    if translator.tiling.mode != "off":
        translator.tiling = read_tiling(tiling, tile)
    elif tiling not in ("auto", "off"):
        raise ConfigError(f"{model} is exported, and takes pictures as a whole: leave --tiling out")
    sealer = sealing(translator, model, certificate, mark, provenance=provenance)
    if videos:
        translate_videos(
            translator, paths, out, controls=controls, batch=batch, steady=steady, quality=quality, limit_mp=limit_mp,
            sealer=sealer, overwrite=overwrite,
        )  # fmt: skip
    else:
        translate_pictures(
            translator, paths, out, controls=controls, maps=maps, samples=samples, mark=mark, batch=batch,
            axis=axis or translator.card.data.get("axis", "k"), limit_mp=limit_mp, sealer=sealer, overwrite=overwrite,
        )  # fmt: skip


def sealing(
    translator: Translator, model: Path, certificate: Path | None, mark: bool, *, provenance: bool
) -> Sealer | None:
    if not provenance:
        message = "without content credentials, as asked for: nothing in the results says that a model made them"
        print(message, file=sys.stderr)
        return None
    from diptych.provenance import Sealer

    place = model.resolve()
    name = place.parent.name if (place.parent / "recipe.yaml").exists() else place.name  # a run's model
    return Sealer(translator.card, translator.version, model=name, certificate_path=certificate, mark=mark)


def read_tiling(mode: str, size: int) -> Tiling:
    """How to tile. Raises ConfigError."""
    from diptych.tiling import Tiling

    if mode not in ("auto", "exact", "approximate", "off"):
        raise ConfigError(f"--tiling {mode}: there are auto, exact, approximate and off")
    return Tiling(mode, size=size)  # type: ignore[arg-type]
