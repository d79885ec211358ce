"""Which pictures are translated, and where each result goes: none in the place of another file, none among the sources.

A result has its picture's own name. Where the name says no format, or one that has no room for the result, the suffix
is that of the picture's format, else .png, else .tif, and a note says so.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from diptych import images
from diptych.errors import ConfigError, DataError
from diptych.images.listing import Entry, counted, list_pictures

Fits = Callable[[str, bool], bool]
"""Whether files of this suffix have room for the results, with alpha or without."""


@dataclass(frozen=True)
class Job:
    """One file to translate, and where the result goes; of several answers to it, which one."""

    source: Path
    target: Path
    notes: tuple[str, ...] = ()
    sample: int = 0


class Plan(NamedTuple):
    """What there is to do, and what lies in the folders beside it."""

    jobs: list[Job]
    left_out: list[Entry]


def plan(
    inputs: Iterable[Path],
    out: Path,
    *,
    samples: int = 1,
    fits: Fits = lambda suffix, alpha: True,
    overwrite: bool = False,
) -> Plan:
    """Find the pictures in files and folders, and the place of each result; of several answers, NAME-1, NAME-2 ...

    Below `out` a folder's own structure is kept; one file may also go to a file, when `out` ends like a picture.
    overwrite: replace files that are there. Raises DataError when there is nothing to translate, ConfigError when
    results would replace one another, inputs or other files, or lie in a folder that is translated.
    """
    inputs = list(inputs)
    jobs: list[Job] = []
    left_out: list[Entry] = []
    for given in inputs:
        if is_folder(given) and len(inputs) == 1 and images.is_volume(out):
            jobs.append(Job(given, out))  # a series of slices
        elif is_folder(given):
            refuse_inside(out, given)
            listing = list_pictures(given)
            jobs += [Job(path, out / path.relative_to(given)) for path in listing.pictures]
            left_out += listing.left_out
        else:
            like_a_file = out.suffix.lower() in images.SUFFIXES or images.is_volume(out)
            to_file = len(inputs) == 1 and like_a_file and not out.is_dir()
            jobs.append(Job(given, out if to_file else out / given.name))
    if not jobs:
        endings = " ".join(sorted(images.SUFFIXES))
        beside = f"; left out: {counted(entry.kind for entry in left_out)}" if left_out else ""
        raise DataError(f"no pictures in {', '.join(map(str, inputs))}: pictures are files ending in {endings}{beside}")
    if out.exists() and not out.is_dir() and any(job.target != out for job in jobs):
        raise ConfigError(f"{out} is a file: give a folder for the results")
    if samples > 1:
        jobs = [numbered(job, sample) for sample in range(samples) for job in jobs]
    jobs = placed(jobs, fits)
    refuse_clashes([(job.source, job.target) for job in jobs], overwrite=overwrite)
    return Plan(jobs, left_out)


def is_folder(given: Path) -> bool:
    """Raises DataError where there is neither a folder nor a file."""
    try:
        given.stat()
        return given.is_dir()
    except FileNotFoundError:
        raise DataError(f"{given} does not exist") from None
    except OSError as error:  # a name that is too long, a folder that may not be looked into, links in a ring
        raise DataError(f"{given} cannot be read: {error.strerror}") from None


def refuse_inside(out: Path, folder: Path) -> None:
    """Raises ConfigError where results would lie among the pictures of a folder, to be translated the next time."""
    same = folded if folds_case(folder) else Path
    if same(out.resolve()).is_relative_to(same(folder.resolve())):
        raise ConfigError(f"{out} lies in {folder}, which is to be translated: choose another --out, beside it")


def numbered(job: Job, sample: int) -> Job:
    name = images.stem(job.target)
    target = job.target.with_name(f"{name}-{sample + 1}{job.target.name.removeprefix(name)}")
    return replace(job, target=target, sample=sample)


def placed(jobs: list[Job], fits: Fits) -> list[Job]:
    """The jobs with names whose formats have room for the results; who has to take another name takes a free one."""
    taken = {job.target for job in jobs}
    done = []
    for job in jobs:
        suffix, why = wanted_suffix(job, fits)
        if suffix != job.target.suffix:
            names = [job.target.with_name(name + suffix) for name in (images.stem(job.target), job.target.name)]
            free = next((name for name in names if name not in taken), names[-1])
            taken.add(free)
            job = replace(job, target=free, notes=(f"written as {suffix if free == names[0] else free.name}: {why}",))
        done.append(job)
    return sorted(done, key=lambda job: (job.sample, job.source))


def wanted_suffix(job: Job, fits: Fits) -> tuple[str, str]:
    """The suffix of a job's result, and why it is not that of its target."""
    own = job.target.suffix
    if images.is_volume(job.target):
        return own, ""
    if own.lower() not in images.FORMATS and images.is_stack(job.source):
        return ".dcm", f"{own or 'no suffix'} names no format"
    format = images.FORMATS.get(own.lower())
    if format and fits(own, True):
        return own, ""
    try:
        header = images.header(job.source)
    except DataError:  # what is wrong with it is said when its turn comes
        return own, ""
    if format and fits(own, header.alpha):
        return own, ""
    first = ".png" if format else images.SUFFIX_OF[header.format]
    suffix = next((suffix for suffix in (first, ".png") if fits(suffix, header.alpha)), ".tif")
    if format is None:
        return suffix, f"{own or 'no suffix'} names no format"
    return suffix, f"{own} cannot hold " + ("its transparency" if fits(own, False) else "it unchanged")


def refuse_clashes(places: Sequence[tuple[Path, Path]], *, overwrite: bool = False) -> None:
    """Raises ConfigError where a result would replace a source, another result or, unless asked to, another file.

    places: sources and targets.
    """
    same = folded if any(map(folds_case, {target.parent for _, target in places})) else Path
    sources = {same(source.resolve()) for source, _ in places}
    taken: dict[Path, Path] = {}
    for source, target in places:
        if same(target.resolve()) in sources:
            raise ConfigError(f"{target} is one of the pictures to translate: choose another --out")
        key = same(target.absolute())
        if key in taken:
            raise ConfigError(f"{source} and {taken[key]} would both become {target}: translate them apart")
        taken[key] = source
    for key, source in taken.items():
        if above := next((folder for folder in key.parents if folder in taken), None):
            raise ConfigError(f"{taken[above]} would become {above}, which {source} needs as a folder: translate apart")
    there = [target for _, target in places if target.exists() or target.is_symlink()]
    if folder := next((target for target in there if target.is_dir()), None):
        raise ConfigError(f"{folder} is a folder, and a result would have its name: choose another --out")
    if there and not overwrite:
        more = f", and {len(there) - 1} more of the results" if len(there) > 1 else ""
        raise ConfigError(f"{there[0]} exists{more}: choose another --out, or replace what is there by --overwrite")


def folds_case(folder: Path) -> bool:
    """Whether a.png and A.png are one file there, as with macOS and Windows, which its folders' own names tell."""
    here = folder.absolute()
    while not here.exists():
        here = here.parent
    for place in (here, *here.parents):
        if not place.name:
            break
        turned = place.with_name(place.name.swapcase())
        if turned != place:
            return turned.exists() and turned.samefile(place)
    return sys.platform in ("darwin", "win32")


def folded(path: Path) -> Path:
    return Path(unicodedata.normalize("NFC", str(path)).casefold())
