"""Translate many files: decoding, translating and encoding overlap, and one bad file never stops the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diptych import images
from diptych.errors import ConfigError, DataError, DiptychError
from diptych.images import Picture
from diptych.inference.destinations import Job
from diptych.model.card import Domain
from diptych.model.translator import Translator
from diptych.options.controls import answer
from diptych.storage.files import write_bytes
from diptych.storage.prefetch import ahead

if TYPE_CHECKING:
    from diptych.provenance import Sealer

REFUSED, UNTRANSLATED, UNWRITTEN = "refused file", "untranslated picture", "unwritten result"
"""Kinds of faults."""


@dataclass(frozen=True)
class Result:
    """What became of a job: the file written, or the fault and of what kind; and notes on how the picture was read."""

    job: Job
    written: Path | None = None
    fault: str = ""
    kind: str = ""
    notes: tuple[str, ...] = ()


def translate_files(
    translator: Translator,
    jobs: list[Job],
    *,
    controls: Mapping[str, Any],
    maps: Mapping[str, Path] | None = None,
    batch: int = 8,
    threads: int = 4,
    limit_mp: float = images.LIMIT_MP,
    sealer: Sealer | None = None,
    report: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Carry out `jobs`; neighbours of one size share a batch. `report` hears of each result as it is there.

    controls: as for calling the translator; of several answers to a picture, each has the next seed. maps: for each
    control that is one, the map that goes with the picture, or a folder with one for each under its name. sealer: gives
    each file credentials.
    Raises ConfigError for wrong controls.
    """
    if any(job.sample for job in jobs):
        translator.check_several(controls)
    maps = maps or {}
    for name, place in maps.items():
        if not place.is_dir() and len({job.source for job in jobs}) > 1:
            raise ConfigError(f"--{name} {place} is one file for several pictures: give a folder with one for each")
    controls = translator.checked(controls)
    results: list[Result] = []

    def done(result: Result) -> None:
        results.append(result)
        report(result)

    with ThreadPoolExecutor(threads) as writers:
        source = translator.ends(controls.get("to"))[0]
        look = partial(read, translator, side=source, maps=maps, limit_mp=limit_mp)
        opened = ahead(look, jobs, threads=threads)
        writing: deque[Future[Result]] = deque()
        for some in alike(opened, batch, done):
            own = answer(translator.controls, controls, some[0][0].sample)
            outputs = translated(translator, some, own, done)
            writing.extend(writers.submit(write, job, output, own, sealer) for job, output in outputs)
            while len(writing) > 2 * batch or (writing and writing[0].done()):
                done(writing.popleft().result())
        for future in writing:
            done(future.result())
    return results


def read(
    translator: Translator, job: Job, *, side: Domain, maps: Mapping[str, Path], limit_mp: float
) -> tuple[Job, Picture | str]:
    """The picture of a job, as one of `side`, or what is wrong with it."""
    try:
        picture = images.read(job.source, limit_mp=limit_mp, indices=side.legend is not None)
        if maps:
            picture = translator.with_maps(picture, {name: map_of(job.source, place) for name, place in maps.items()})
        return job, translator.opened(picture, side, str(job.source))
    except DiptychError as error:
        return job, str(error)


def map_of(source: Path, place: Path) -> Path:
    """The map of a picture: `place`, or what has the picture's name there. Raises DataError where nothing has."""
    if not place.is_dir():
        return place
    found = [path for path in sorted(place.iterdir()) if path.stem == source.stem]
    if not found:
        raise DataError(f"{source}: there is nothing called {source.stem} in {place}")
    return found[0]


def alike(
    opened: Iterable[tuple[Job, Picture | str]], batch: int, done: Callable[[Result], None]
) -> Iterator[list[tuple[Job, Picture]]]:
    """Group neighbours of one shape into batches; what could not be read goes to `done`."""
    group: list[tuple[Job, Picture]] = []
    for job, picture in opened:
        if isinstance(picture, str):
            done(Result(job, fault=picture, kind=REFUSED))
            continue
        if group and (len(group) == batch or kind(*group[0]) != kind(job, picture)):
            yield group
            group = []
        group.append((job, picture))
    if group:
        yield group


def kind(job: Job, picture: Picture) -> tuple[Any, ...]:
    return (job.sample, *picture.array.shape, picture.array.dtype, *sorted(picture.maps))


def translated(
    translator: Translator,
    group: list[tuple[Job, Picture]],
    controls: Mapping[str, Any],
    done: Callable[[Result], None],
) -> list[tuple[Job, Picture]]:
    """Translate one group; when that fails for want of memory or sense, each picture by itself."""
    made = []
    for (job, _), output in zip(group, translator.each([picture for _, picture in group], controls), strict=True):
        if isinstance(output, Picture):
            made.append((job, output))
        else:
            done(Result(job, fault=f"{job.source} could not be translated: {output}", kind=UNTRANSLATED))
    return made


def write(job: Job, picture: Picture, own: Mapping[str, Any], sealer: Sealer | None) -> Result:
    """Write one result, with credentials where there is a sealer."""
    format = images.FORMATS[job.target.suffix.lower()]
    short = images.lost(format, picture)
    notes = (*picture.notes, *job.notes, *short)
    try:
        if sealer is None:
            return Result(job, written=picture.save(job.target), notes=notes)
        data = sealer.encode(picture, format, own, source=job.source.read_bytes())
        write_bytes(job.target, data, durable=False)
        return Result(job, written=job.target, notes=(*notes, *sealer.notes(picture, format)))
    except DataError as error:
        return Result(job, fault=str(error) if sealer is None else f"{job.target}: {error}", kind=UNWRITTEN)
    except (DiptychError, OSError) as error:
        return Result(job, fault=str(error), kind=UNWRITTEN)
