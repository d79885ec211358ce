"""Translate many files: decoding, translating and encoding overlap, and one bad file never stops the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diptych import images
from diptych.ahead import ahead
from diptych.card import Side
from diptych.errors import ConfigError, DataError, DiptychError
from diptych.files import write_bytes
from diptych.images import Picture
from diptych.translator import Translator

if TYPE_CHECKING:
    from diptych.provenance import Sealer


@dataclass(frozen=True)
class Job:
    """One file to translate, and where the result goes; of several answers to it, which one."""

    source: Path
    target: Path
    notes: tuple[str, ...] = ()
    sample: int = 0


@dataclass(frozen=True)
class Result:
    """What became of a job: the file written, or the fault; and notes on how the picture was read."""

    job: Job
    written: Path | None = None
    fault: str = ""
    notes: tuple[str, ...] = ()


def plan(
    inputs: Iterable[Path], out: Path, *, samples: int = 1, fits: Callable[[str], bool] = lambda suffix: True
) -> list[Job]:
    """Find the pictures in files and folders, and the place of each result; of several answers, NAME-1, NAME-2 ...

    Below `out` a folder's own structure is kept; one file may also go to a file, when `out` ends like a picture. Where
    a format cannot hold the results, by `fits(suffix)`, the result becomes a .png, else a .tif, under a free name.
    Raises DataError when there is nothing to translate, ConfigError when results would replace one another or inputs.
    """
    inputs = list(inputs)
    if len(inputs) == 1 and inputs[0].is_file() and out.suffix.lower() in images.SUFFIXES:
        jobs = [Job(inputs[0], out)]
    elif out.is_file():
        raise ConfigError(f"{out} is a file: give a folder for the results")
    else:
        jobs = [Job(path, out / relative) for given in inputs for path, relative in pictures(given)]
    if not jobs:
        endings = " ".join(sorted(images.SUFFIXES))
        raise DataError(f"no pictures in {', '.join(map(str, inputs))}: pictures are files ending in {endings}")
    if samples > 1:
        jobs = [numbered(job, sample) for sample in range(samples) for job in jobs]
    return place(
        [job for job in jobs if fits(job.target.suffix)], [job for job in jobs if not fits(job.target.suffix)], fits
    )


def place(direct: list[Job], others: list[Job], fits: Callable[[str], bool]) -> list[Job]:
    """The jobs with final places; `others` need another format. None falls on another or on a source."""
    sources = {job.source.resolve() for job in (*direct, *others)}
    places: dict[Path, Path] = {}
    for job in direct:
        target = job.target.resolve()
        if target in sources:
            raise ConfigError(f"{job.target} is one of the pictures to translate: choose another --out")
        if target in places:
            raise ConfigError(f"{job.source} and {places[target]} would both become {job.target}: translate them apart")
        places[target] = job.source
    moved = []
    for job in others:
        suffix = ".png" if fits(".png") else ".tif"
        names = (job.target.with_suffix(suffix), job.target.with_name(job.target.name + suffix))
        free = [name for name in names if name.resolve() not in (sources | places.keys()) and not name.exists()]
        if not free:
            raise ConfigError(f"{job.target.suffix} cannot hold the result for {job.source}, and {names[-1]} exists")
        places[free[0].resolve()] = job.source
        note = f"written as {free[0].name}: {job.target.suffix} cannot hold it"
        moved.append(replace(job, target=free[0], notes=(note,)))
    return sorted([*direct, *moved], key=lambda job: (job.sample, job.source))


def numbered(job: Job, sample: int) -> Job:
    target = job.target
    return replace(job, target=target.with_name(f"{target.stem}-{sample + 1}{target.suffix}"), sample=sample)


def pictures(given: Path) -> Iterator[tuple[Path, Path]]:
    """The pictures at `given`, each with its path relative to it."""
    if given.is_dir():
        for path in sorted(given.rglob("*")):
            if path.suffix.lower() in images.SUFFIXES and path.is_file():
                yield path, path.relative_to(given)
    elif given.exists():
        yield given, Path(given.name)
    else:
        raise DataError(f"{given} does not exist")


def translate_files(
    translator: Translator,
    jobs: list[Job],
    *,
    controls: Mapping[str, Any],
    instances: Path | None = None,
    batch: int = 8,
    threads: int = 4,
    limit_mp: float = images.LIMIT_MP,
    sealer: Sealer | None = None,
    report: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Carry out `jobs`; neighbours of one size share a batch. `report` hears of each result as it is there.

    controls: as for calling the translator; of several answers to a picture, each has the next seed. instances: of
    label maps, a map of instances, or a folder with one for each under its name. sealer: gives each file credentials.
    Raises ConfigError for wrong controls.
    """
    if any(job.sample for job in jobs):
        translator.check_several(controls)
    if instances and not instances.is_dir() and len({job.source for job in jobs}) > 1:
        raise ConfigError(f"{instances} is one map of instances for several pictures: give a folder with one for each")
    controls = translator.checked(controls)
    results: list[Result] = []

    def done(result: Result) -> None:
        results.append(result)
        report(result)

    with ThreadPoolExecutor(threads) as writers:
        source = translator.sides(controls.get("to", translator.ways[0]))[0]
        look = partial(read, translator, side=source, instances=instances, limit_mp=limit_mp)
        opened = ahead(look, jobs, threads=threads)
        writing: deque[Future[Result]] = deque()
        for some in alike(opened, batch, done):
            outputs = translated(translator, some, controls, done)
            writing.extend(writers.submit(write, job, output, controls, sealer) for job, output in outputs)
            while len(writing) > 2 * batch or (writing and writing[0].done()):
                done(writing.popleft().result())
        for future in writing:
            done(future.result())
    return results


def read(
    translator: Translator, job: Job, *, side: Side, instances: Path | None, limit_mp: float
) -> tuple[Job, Picture | str]:
    """The picture of a job, as one of `side`, or what is wrong with it."""
    try:
        picture = images.read(job.source, limit_mp=limit_mp, indices=side.legend is not None)
        if instances:
            picture = translator.with_things(picture, map_of(job.source, instances))
        return job, translator.opened(picture, side, str(job.source))
    except DiptychError as error:
        return job, str(error)


def map_of(source: Path, instances: Path) -> Path:
    """The map of instances of a label map. Raises DataError where the folder has none of its name."""
    if not instances.is_dir():
        return instances
    found = [path for path in sorted(instances.iterdir()) if path.stem == source.stem]
    if not found:
        raise DataError(f"{source}: there is no map of instances called {source.stem} in {instances}")
    return found[0]


def alike(
    opened: Iterable[tuple[Job, Picture | str]], batch: int, done: Callable[[Result], None]
) -> Iterator[list[tuple[Job, Picture]]]:
    """Group neighbours of one shape into batches; what could not be read goes to `done`."""
    group: list[tuple[Job, Picture]] = []
    for job, picture in opened:
        if isinstance(picture, str):
            done(Result(job, fault=picture))
            continue
        if group and (len(group) == batch or kind(*group[0]) != kind(job, picture)):
            yield group
            group = []
        group.append((job, picture))
    if group:
        yield group


def kind(job: Job, picture: Picture) -> tuple[Any, ...]:
    return (job.sample, *picture.array.shape, picture.array.dtype, picture.things is None)


def translated(
    translator: Translator,
    group: list[tuple[Job, Picture]],
    controls: Mapping[str, Any],
    done: Callable[[Result], None],
) -> list[tuple[Job, Picture]]:
    """Translate one group; when that fails for want of memory or sense, each picture by itself."""
    own = own_controls(group[0][0], controls)
    try:
        outputs = list(translator.stream([picture for _, picture in group], own, batch=len(group)))
    except ConfigError:  # of what is wrong with the controls, not with a picture
        raise
    except (DiptychError, RuntimeError, MemoryError) as error:
        if len(group) == 1:
            done(Result(group[0][0], fault=f"{group[0][0].source} could not be translated: {error}"))
            return []
        return [pair for one in group for pair in translated(translator, [one], controls, done)]
    return [(job, output) for (job, _), output in zip(group, outputs, strict=True)]


def own_controls(job: Job, controls: Mapping[str, Any]) -> Mapping[str, Any]:
    """The controls of a job: each of several answers has the next seed."""
    return {**controls, "seed": controls["seed"] + job.sample} if job.sample else controls


def write(job: Job, picture: Picture, controls: Mapping[str, Any], sealer: Sealer | None) -> Result:
    """Write one result, with credentials where there is a sealer."""
    notes = (*picture.notes, *job.notes)
    try:
        if sealer is None:
            return Result(job, written=picture.save(job.target), notes=notes)
        format = images.FORMATS[job.target.suffix.lower()]
        data = sealer.encode(picture, format, own_controls(job, controls), source=job.source.read_bytes())
        write_bytes(job.target, data, durable=False)
        return Result(job, written=job.target, notes=(*notes, *sealer.notes(picture, format)))
    except DataError as error:
        return Result(job, fault=str(error) if sealer is None else f"{job.target}: {error}")
    except (DiptychError, OSError) as error:
        return Result(job, fault=str(error))
