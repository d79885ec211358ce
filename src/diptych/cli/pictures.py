"""Pictures for `diptych translate`: each where it goes, large ones in parts, and what became of them said."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from diptych.errors import ConfigError, DataError, OutputError, printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from diptych.images.listing import Entry
    from diptych.inference.batch import Result
    from diptych.inference.destinations import Job
    from diptych.model.translator import Translator
    from diptych.provenance import Sealer


def translate_pictures(
    translator: Translator,
    paths: list[Path],
    out: Path,
    *,
    controls: dict[str, Any],
    maps: dict[str, Path],
    samples: int,
    mark: bool,
    batch: int,
    axis: str,
    limit_mp: float,
    sealer: Sealer | None,
    overwrite: bool,
) -> None:
    """Files and folders into `out`; leaves with 1 where some fail, with 2 where all do. Raises ConfigError."""
    from diptych.images import can_hold
    from diptych.inference.destinations import plan
    from diptych.inference.tiff import translate_large
    from diptych.inference.volume import translate_volume

    target = translator.ends(controls.get("to"))[1]
    channels, ids = (1, True) if target.legend else (target.channels, False)

    exact = ids or translator.task.keeps or bool(maps.keys() & translator.blend_controls)

    def fits(suffix: str, alpha: bool) -> bool:
        return can_hold(suffix, target.dtype, channels, alpha=alpha and not ids, exact=exact)

    jobs, left_out = plan(paths, out, samples=samples, fits=fits, overwrite=overwrite)
    count = len(jobs)
    jobs, large, volumes = parted(jobs, limit_mp)
    if large and (maps or mark or translator.tiling.mode == "off"):
        given = f"--{next(iter(maps))}" if maps else "--mark" if mark else "pictures as a whole"
        raise ConfigError(f"{large[0].source} is translated in parts, above --limit-mp {limit_mp:g}: not with {given}")
    if volumes and (maps or mark):
        raise ConfigError(f"{volumes[0].source} is a volume: leave --{next(iter(maps), 'mark')} out")
    if (large or volumes) and samples > 1:
        translator.check_several(controls)
    failed = in_turn(translator, large, controls, "in tiles", translate_large, sealer=sealer)
    failed += in_turn(
        translator, volumes, controls, "slice by slice", translate_volume,
        axis=axis, batch=batch, limit_mp=limit_mp, sealer=sealer,
    )  # fmt: skip
    if jobs:
        results = translate_all(
            translator, jobs, controls=controls, maps=maps, batch=batch, limit_mp=limit_mp, sealer=sealer
        )
        place = results[0].written or out if len(results) == 1 else out
        translated = [result for result in results if not result.fault]
        print(f"{len(translated)} of {len(results)} pictures translated into {printable(place)}")
        failed += [result.kind for result in results if result.fault]
    leave(failed, count, left_out)


def translate_all(translator: Translator, jobs: list[Job], **options: Any) -> list[Result]:
    """What became of each picture; faults, and each note once, are printed as they come."""
    from rich.console import Console
    from rich.progress import Progress

    from diptych.inference.batch import translate_files
    from diptych.runtime.threads import Threads

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("translating", total=len(jobs))
        threads = Threads()
        noted: Counter[str] = Counter()

        def report(result: Result) -> None:
            progress.advance(task)
            threads.look()
            noted.update(result.notes)
            new = [f"{result.job.source}: {note}" for note in result.notes if noted[note] == 1]
            for line in [result.fault] if result.fault else new:
                progress.console.print(printable(line), markup=False, highlight=False, soft_wrap=True)

        results = translate_files(translator, jobs, report=report, **options)
    for note, count in noted.items():
        if count > 1:
            print(f"likewise of {count - 1} more: {printable(note)}", file=sys.stderr)
    return results


def leave(failed: list[str], count: int, left_out: list[Entry]) -> None:
    """Say of what kinds faults and what was left out are; leave with 1 where some pictures failed, 2 where all did."""
    from diptych.images.listing import counted

    if left_out:
        print(f"left out: {printable(counted(entry.kind for entry in left_out))}", file=sys.stderr)
    if failed:
        print(f"failed: {counted(failed)}", file=sys.stderr)
        raise typer.Exit(2 if len(failed) == count else 1)


def parted(jobs: list[Job], limit_mp: float) -> tuple[list[Job], list[Job], list[Job]]:
    """The pictures that are decoded at once, the TIFFs too large for that, and the files of many images."""
    from diptych.images import is_stack, is_volume
    from diptych.inference.tiff import is_large

    large: list[Job] = []
    volumes: list[Job] = []
    for job in jobs:
        with suppress(DataError):  # what is wrong with it is said when its turn comes
            if is_volume(job.target) or is_stack(job.source):
                volumes.append(job)
            elif is_large(job.source, limit_mp):
                large.append(job)
    return [job for job in jobs if job not in large and job not in volumes], large, volumes


def in_turn(
    translator: Translator,
    jobs: list[Job],
    controls: dict[str, Any],
    how: str,
    work: Callable[..., tuple[str, ...]],
    **options: Any,
) -> list[str]:
    """One large file after another, by `work`; of what kinds those are that failed. A full disk stops all of them.

    how: they are translated, in words.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    from diptych.inference.batch import UNTRANSLATED
    from diptych.options.controls import answer

    failed = []
    with Progress(console=Console(stderr=True), transient=True) as progress, kept_interruption() as check:
        for job in jobs:
            task = progress.add_task(escape(f"translating {printable(job.source.name)} {how}"), total=1.0)
            own = answer(translator.controls, translator.checked(controls), job.sample)
            done = partial(share_done, progress, task, check)
            try:
                notes = work(translator, job.source, job.target, own, progress=done, **options)
            except (DataError, OutputError) as error:
                failed.append(UNTRANSLATED)
                progress.console.print(printable(error), markup=False, highlight=False, soft_wrap=True)
                continue
            print(f"{printable(job.source)} translated {how} into {printable(job.target)}")
            for note in (*notes, *job.notes):
                print(f"{printable(job.source)}: {printable(note)}", file=sys.stderr)
    return failed


def share_done(progress: Progress, task: TaskID, check: Callable[[], None], share: float) -> None:
    check()
    progress.update(task, completed=share)


@contextmanager
def kept_interruption() -> Iterator[Callable[[], None]]:
    """What raises KeyboardInterrupt again, should a library have swallowed it: callbacks from C lose exceptions."""
    came = False

    def note(number: int, frame: object) -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
