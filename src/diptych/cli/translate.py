"""`diptych translate`: a trained model in use."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diptych.cli.ready import at_hand
from diptych.errors import ConfigError, DataError, OutputError, printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from diptych.images.listing import Entry
    from diptych.inference.batch import Result
    from diptych.inference.destinations import Job
    from diptych.model.translator import Translator
    from diptych.options.controls import Control
    from diptych.provenance import Sealer
    from diptych.tiling import Tiling

Model = Annotated[
    Path, typer.Argument(help="A translator folder, a run folder, or a ready model's name.", callback=at_hand)
]
Device = Annotated[str, typer.Option(help="auto, cpu, mps, cuda, cuda:1 ...")]
Bf16 = Annotated[bool, typer.Option("--bf16", help="Faster arithmetic with a slight loss; see docs/benchmarks.md.")]
Snap = Annotated[bool, typer.Option("--snap-colours", help="Of smeared label maps take the nearest classes.")]
Compile = Annotated[bool, typer.Option("--compile", help="Fused code: a minute at the start, then faster.")]


def register(app: typer.Typer) -> None:
    app.command(context_settings={"ignore_unknown_options": True})(translate)


def load(model: Path, device: str, bf16: bool, compile: bool, snap_colours: bool) -> Translator:
    from diptych.export.acceleration import ACCELERATIONS, open_translator
    from diptych.runtime.precision import explain, fastest
    from diptych.runtime.threads import Threads

    name = "-".join(word for word, wanted in (("bf16", bf16), ("compile", compile)) if wanted) or "plain"
    ACCELERATIONS[name].speed.start()
    if changed := Threads().look():
        print(f"{changed}; OMP_NUM_THREADS fixes their number", file=sys.stderr)
    translator = open_translator(model, name, device=device, snap_colours=snap_colours)
    if bf16 and not fastest(translator.device).bf16:
        print(f"{explain(True, translator.device)}: leave --bf16 out", file=sys.stderr)
    return translator


def translate(
    model: Model,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="PICTURE|FOLDER|VIDEO... [--CONTROL VALUE]...", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results; for one picture or video also a file.")] = Path(
        "translated"
    ),
    samples: Annotated[int, typer.Option(min=1, help="Answers to each picture, with the seeds that follow.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Pictures of one size translated at once.")] = 8,
    device: Device = "auto",
    bf16: Bf16 = False,
    compile: Compile = False,
    snap_colours: Snap = False,
    limit_mp: Annotated[float, typer.Option(help="Largest picture accepted, in million pixels.")] = 50.0,
    provenance: Annotated[
        bool, typer.Option(help="Say in each result that a model made it; see docs/provenance.md.")
    ] = True,
    certificate: Annotated[
        Path | None, typer.Option(help="PEM file to sign with: a private key and its chain.")
    ] = None,
    mark: Annotated[bool, typer.Option("--mark", help="Also mark the pixels, invisibly.")] = False,
    steady: Annotated[bool, typer.Option("--steady", help="Calm the flicker of videos; see docs/video.md.")] = False,
    quality: Annotated[int, typer.Option(min=0, max=51, help="Of videos: from 0, the best, to 51, the smallest.")] = 18,
    tiling: Annotated[
        str, typer.Option(help="Of large pictures: auto, exact, approximate, off; see docs/large-pictures.md.")
    ] = "auto",
    tile: Annotated[int, typer.Option(min=64, help="Pixels a side of the tiles of large pictures.")] = 768,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are where results go.")] = False,
) -> None:
    """Translate pictures of any size, or videos: same size and format out. One bad file does not stop the others.

    Controls of the method are options too: --seed 7, --to zebras, --style dog.jpg; `diptych info MODEL` lists them.
    """
    from diptych.cli.video import are_videos, translate_videos
    from diptych.images import can_hold
    from diptych.inference.destinations import plan

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
        return
    target = translator.ends(controls.get("to"))[1]
    channels, ids = (1, True) if target.legend else (target.channels, False)

    def fits(suffix: str, alpha: bool) -> bool:
        return can_hold(suffix, target.dtype, channels, alpha=alpha and not ids, ids=ids)

    jobs, left_out = plan(paths, out, samples=samples, fits=fits, overwrite=overwrite)
    jobs, large = parted(jobs, limit_mp)
    if large and (maps or mark or translator.tiling.mode == "off"):
        given = f"--{next(iter(maps))}" if maps else "--mark" if mark else "pictures as a whole"
        raise ConfigError(f"{large[0].source} is translated in parts, above --limit-mp {limit_mp:g}: not with {given}")
    if large and samples > 1:
        translator.check_several(controls)
    failed = translate_all_large(translator, large, controls, sealer)
    if not jobs:
        leave(failed, len(large), left_out)
        return
    results = translate_all(
        translator, jobs, controls=controls, maps=maps, batch=batch, limit_mp=limit_mp, sealer=sealer
    )
    place = results[0].written or out if len(results) == 1 else out
    translated = [result for result in results if not result.fault]
    print(f"{len(translated)} of {len(results)} pictures translated into {printable(place)}")
    leave([*failed, *(result.kind for result in results if result.fault)], len(results) + len(large), left_out)


def sealing(
    translator: Translator, model: Path, certificate: Path | None, mark: bool, *, provenance: bool
) -> Sealer | None:
    if not provenance:
        said = "without content credentials, as asked for: nothing in the results says that a model made them"
        print(said, file=sys.stderr)
        return None
    from diptych.provenance import Sealer

    place = model.resolve()
    name = place.parent.name if (place.parent / "recipe.yaml").exists() else place.name  # a run's model
    return Sealer(translator.card, translator.version, model=name, certificate_path=certificate, mark=mark)


def translate_all(translator: Translator, jobs: list[Job], **options: Any) -> list[Result]:
    """What became of each picture; faults, and each note once, are printed as they come."""
    from rich.console import Console
    from rich.progress import Progress

    from diptych.inference.batch import translate_files
    from diptych.runtime.threads import Threads

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("translating", total=len(jobs))
        threads = Threads()
        said: Counter[str] = Counter()

        def report(result: Result) -> None:
            progress.advance(task)
            threads.look()
            said.update(result.notes)
            new = [f"{result.job.source}: {note}" for note in result.notes if said[note] == 1]
            for line in [result.fault] if result.fault else new:
                progress.console.print(printable(line), markup=False, highlight=False, soft_wrap=True)

        results = translate_files(translator, jobs, report=report, **options)
    for note, count in said.items():
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


def read_tiling(mode: str, size: int) -> Tiling:
    """How to tile. Raises ConfigError."""
    from diptych.tiling import Tiling

    if mode not in ("auto", "exact", "approximate", "off"):
        raise ConfigError(f"--tiling {mode}: there are auto, exact, approximate and off")
    return Tiling(mode, size=size)  # type: ignore[arg-type]


def parted(jobs: list[Job], limit_mp: float) -> tuple[list[Job], list[Job]]:
    """The pictures that are decoded at once, and the TIFFs too large for that, which the user has named himself."""
    from diptych.inference.tiff import is_large

    large = []
    for job in jobs:
        with suppress(DataError):  # what is wrong with it is said when its turn comes
            if is_large(job.source, limit_mp):
                large.append(job)
    return [job for job in jobs if job not in large], large


def translate_all_large(
    translator: Translator, jobs: list[Job], controls: dict[str, Any], sealer: Sealer | None
) -> list[str]:
    """One large TIFF after another; of what kinds those are that failed. A full disk stops all of them."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    from diptych.inference.batch import UNTRANSLATED
    from diptych.inference.tiff import translate_large
    from diptych.options.controls import answer

    failed = []
    with Progress(console=Console(stderr=True), transient=True) as progress, kept_interruption() as check:
        for job in jobs:
            task = progress.add_task(escape(f"translating {printable(job.source.name)} in tiles"), total=1.0)
            own = answer(translator.controls, translator.checked(controls), job.sample)
            try:
                notes = translate_large(
                    translator, job.source, job.target, own, sealer=sealer,
                    progress=partial(share_done, progress, task, check),
                )  # fmt: skip
            except (DataError, OutputError) as error:
                failed.append(UNTRANSLATED)
                progress.console.print(printable(error), markup=False, highlight=False, soft_wrap=True)
                continue
            print(f"{printable(job.source)} translated in tiles into {printable(job.target)}")
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


def sort_out(arguments: list[str], model: Path) -> tuple[list[Path], dict[str, str]]:
    """The pictures, and the controls as words: `--name value`, `--name=value`. Raises ConfigError."""
    from diptych.model.folder import examples, inspect_card, resolve

    paths, controls = parted_arguments(arguments)
    if not paths:
        inspect_card(model)
        found = examples(resolve(model))
        shown = f", or one that comes with the model: {found[0]}" if found else ""
        raise ConfigError(f"no picture is given: name files or folders{shown}")
    return paths, controls


def sort_out_controls(arguments: list[str]) -> dict[str, str]:
    """The controls alone, as words. Raises ConfigError for anything else."""
    paths, controls = parted_arguments(arguments)
    if paths:
        raise ConfigError(f"{paths[0]} is neither a control nor its value")
    return controls


def read_arguments(controls: Mapping[str, Control], words: Mapping[str, str]) -> dict[str, Any]:
    """What the command line says of controls as values; what is no control is refused elsewhere. Raises ConfigError."""
    from diptych.options.controls import renamed

    given = renamed(controls, words)
    return {name: controls[name].read_argument(word) if name in controls else word for name, word in given.items()}


def parted_arguments(arguments: list[str]) -> tuple[list[Path], dict[str, str]]:
    paths: list[Path] = []
    controls: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        if not word.startswith("--"):
            paths.append(Path(word))
            continue
        name, equals, value = word.removeprefix("--").partition("=")
        text = value if equals else next(words, None)
        if text is None:
            raise ConfigError(f"{word} needs a value, as in {word} 7")
        controls[name.replace("-", "_")] = text
    return paths, controls
