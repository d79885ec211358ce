"""`diptych stylize`: a photo in the style of a painting, without training."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diptych.cli.options import Certificate, Device, LimitMp
from diptych.errors import ConfigError, DataError, WeightsError, printable

if TYPE_CHECKING:
    from diptych.images import Picture
    from diptych.inference.destinations import Job
    from diptych.inference.stylize import Network, Painting, Watch
    from diptych.provenance import Sealer

EVERY = 2.0
"""Seconds between two previews."""


def register(app: typer.Typer) -> None:
    app.command()(stylize)


def stylize(
    photo: Annotated[Path, typer.Argument(help="The photo.")],
    style: Annotated[list[Path], typer.Option(help="The painting; given again, their styles are mixed.")],
    shares: Annotated[str | None, typer.Option(help="Of several paintings, as 2,1; by default alike.")] = None,
    strength: Annotated[float, typer.Option(min=0, max=1, help="From 0, the photo, to 1.")] = 1.0,
    keep_colours: Annotated[
        bool, typer.Option("--keep-colours", "--keep-colors", help="Paint lightness alone.")
    ] = False,
    size: Annotated[
        int | None, typer.Option(min=8, help="Pixels of the longer side.", show_default="the photo's, at most 1024")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps at each of up to three sizes.")] = 100,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Another one, a slightly other picture.")] = 0,
    network: Annotated[
        str, typer.Option(help="Whose features are compared: auto, efficientnet_lite0, vgg19.")
    ] = "auto",
    out: Annotated[Path, typer.Option(help="Folder for the result, or a file.")] = Path("stylized"),
    preview: Annotated[Path | None, typer.Option(help="A picture file that shows the work so far.")] = None,
    device: Device = "auto",
    limit_mp: LimitMp = 50.0,
    provenance: Annotated[bool, typer.Option(help="Say in the result that a machine made it.")] = True,
    certificate: Certificate = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is where the result goes.")
    ] = False,
) -> None:
    """Paint a photo in the style of a painting, without training: a minute or so. Ctrl-C keeps what there is."""
    from diptych import images
    from diptych.inference.batch import write
    from diptych.inference.stylize import stylize as paint
    from diptych.training.stopping import heeding

    paintings, chosen = read_paintings(style, shares, limit_mp), chosen_network(network)
    source, job = images.read(photo, limit_mp=limit_mp), destination(photo, out, keep_colours, overwrite=overwrite)
    settings = {"style": ", ".join(path.name for path in style), "strength": strength, "keep_colours": keep_colours,
                "steps": steps, "seed": seed, "network": chosen}  # fmt: skip
    sealer = sealing(chosen, certificate) if provenance else None
    stopped: list[int] = []
    with heeding(stopped.append), watching(preview, stopped) as watch:
        made = paint(
            source, *paintings, strength=strength, keep_colours=keep_colours, size=size, steps=steps, seed=seed,
            network=chosen, device=device, watch=watch,
        )  # fmt: skip
    result = write(job, made, settings, sealer)
    if result.fault:
        raise DataError(result.fault)
    for note in result.notes:
        print(printable(note), file=sys.stderr)
    wide = f"{made.array.shape[1]}x{made.array.shape[0]}"
    print(f"{wide} pixels by {chosen}: {printable(job.target)}")
    if stopped:
        print("interrupted: the picture is as far as it came", file=sys.stderr)
        raise typer.Exit(128 + stopped[0])


def read_paintings(files: list[Path], shares: str | None, limit_mp: float) -> list[Painting]:
    """The paintings with their shares. Raises ConfigError for shares that are none, DataError for files."""
    from diptych import images
    from diptych.inference.stylize import Painting

    try:
        parts = [float(part) for part in shares.split(",")] if shares else [1.0] * len(files)
    except ValueError:
        parts = []
    if len(parts) != len(files) or not all(0 <= part < float("inf") for part in parts) or not sum(parts):
        raise ConfigError(f"--shares {shares}: give a number for each of the {len(files)} paintings, as 2,1")
    read = [images.read(path, limit_mp=limit_mp) for path in files]
    return [Painting(picture, part) for picture, part in zip(read, parts, strict=True)]


def chosen_network(asked: str) -> Network:
    """The network asked for, or of those whose weights are at hand the quickest. Raises ConfigError, WeightsError."""
    from diptych.inference.stylize import NETWORKS
    from diptych.storage.weights import locate

    if asked not in ("auto", *NETWORKS):
        raise ConfigError(f"--network {asked}: there are auto, {', '.join(NETWORKS)}")
    for name in NETWORKS if asked == "auto" else ():
        with suppress(WeightsError):
            locate(name)
            return name
    wanted = next(name for name in NETWORKS if asked in ("auto", name))
    locate(wanted)
    return wanted


def destination(photo: Path, out: Path, keep_colours: bool, *, overwrite: bool) -> Job:
    """Where the result goes, in a format that has room for it. Raises ConfigError where something is in the way."""
    from diptych import images
    from diptych.inference.destinations import is_folder, plan

    if is_folder(photo):
        raise ConfigError(f"{photo} is a folder: name one photo")
    header = images.header(photo)
    channels = header.channels if keep_colours else 3

    def fits(suffix: str, alpha: bool) -> bool:
        return images.can_hold(suffix, header.dtype, channels, alpha=alpha)

    return plan([photo], out, fits=fits, overwrite=overwrite).jobs[0]


def sealing(network: str, certificate: Path | None) -> Sealer:
    """What says in a result that a machine painted it."""
    from diptych.model.card import Card, Domain
    from diptych.provenance import Sealer

    card = Card(method="stylize", options={}, domains=[Domain(name="photo", channels=3)], directions=[("photo",) * 2])
    return Sealer(card, network, model="stylize", certificate_path=certificate)


@contextmanager
def watching(preview: Path | None, stopped: list[int]) -> Iterator[Watch]:
    """A progress bar, a preview that is renewed, threads that make room; told to stop, it ends the work."""
    from rich.console import Console
    from rich.progress import Progress

    from diptych.runtime.threads import Threads

    with Progress(console=Console(stderr=True), transient=True) as progress, Threads() as threads:
        task = progress.add_task("painting", total=1.0)
        shown = -EVERY

        def watch(share: float, now: Callable[[], Picture]) -> bool:
            nonlocal shown
            progress.update(task, completed=share)
            threads.look()
            if preview and (time.monotonic() - shown > EVERY or share == 1):
                shown = time.monotonic()
                replace(now(), alpha=None).save(preview)
            return not stopped

        yield watch
