"""Videos on the command line: `diptych translate MODEL clip.mp4 --out clip-night.mp4`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from diptych.errors import ConfigError, DataError, OutputError, printable

if TYPE_CHECKING:
    from diptych.model.translator import Translator
    from diptych.provenance import Sealer


def are_videos(paths: list[Path], **for_pictures: bool) -> bool:
    """Whether they are videos. Raises ConfigError for both kinds at once, and for what goes with pictures alone."""
    from diptych.inference.video import is_video

    clips = [path for path in paths if is_video(path)]
    if not clips:
        return False
    if len(clips) < len(paths):
        raise ConfigError(f"{clips[0]} is a video, and others are not: translate videos and pictures apart")
    if given := [name for name, is_given in for_pictures.items() if is_given]:
        raise ConfigError(f"--{given[0]} is for pictures: leave it out for videos")
    return True


def places(clips: list[Path], out: Path, *, overwrite: bool) -> dict[Path, Path]:
    """Where each result goes: to the file `out`, or into the folder under its own name, of what is not written as .mp4.

    Raises ConfigError where it would replace another result, a source or, unless asked to, another file.
    """
    from diptych.inference.destinations import refuse_clashes
    from diptych.inference.video import FORMATS, SUFFIXES

    if len(clips) == 1 and out.suffix.lower() in SUFFIXES:
        targets = {clips[0]: out}
    else:
        written = {clip: clip.suffix.lower() in FORMATS for clip in clips}
        targets = {clip: out / (clip.name if written[clip] else f"{clip.stem}.mp4") for clip in clips}
    refuse_clashes(list(targets.items()), overwrite=overwrite)
    return targets


def translate_videos(
    translator: Translator,
    clips: list[Path],
    out: Path,
    *,
    controls: Mapping[str, Any],
    batch: int,
    steady: bool,
    quality: int,
    limit_mp: float,
    sealer: Sealer | None,
    overwrite: bool,
) -> None:
    """Translate one video after another; a damaged one is named and does not stop the others."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from diptych.inference.video import translate_video

    targets, faults = places(clips, out, overwrite=overwrite), 0
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        for clip, target in targets.items():
            task = progress.add_task(escape(printable(clip.name)), total=None)
            try:
                done = translate_video(
                    translator, clip, target, controls=controls, batch=batch, quality=quality, steady=steady,
                    limit_mp=limit_mp, sealer=sealer,
                    progress=lambda count, expected, task=task: progress.update(task, completed=count, total=expected),  # type: ignore[misc]
                )  # fmt: skip
            except (DataError, OutputError) as error:
                print(printable(error), file=sys.stderr)
                faults += 1
                continue
            for note in done.notes:
                print(printable(f"{clip}: {note}"), file=sys.stderr)
            print(f"{done.frames} frames translated into {printable(done.written)}\n{done.flicker.to_text()}")
    if faults:
        raise typer.Exit(2 if faults == len(clips) else 1)
