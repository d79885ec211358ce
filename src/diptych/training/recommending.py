"""What a folder is good for: the tasks and methods that fit it, why, and the command that trains each."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np

from diptych import images, tasks
from diptych.data.audit.looking import FEW_IDS
from diptych.data.audit.report import TITLE
from diptych.data.folders import Folder
from diptych.data.recognising import recognise
from diptych.errors import DataError, DiptychError
from diptych.runtime.memory import size as words_of
from diptych.training.plan import Plan
from diptych.training.recipe import resolve

MINUTES = 10
"""Of the trainings that are recommended: what methods of ours are made for."""
SIZES = (256, 128, 64, 32)
"""Pixels a side to train on: the first that the pictures have."""
TURN = ["--direction b2a turns the direction of pairs"]
PLAIN = "pairs"
"""The task of pictures as they are, which need not be named."""
SAMPLE = 8
"""Pictures of a domain that are decoded, to tell label maps from others."""


@dataclass(frozen=True)
class Kind:
    """The pictures of one domain. size: the median, as width and height."""

    name: str
    count: int
    size: tuple[int, int]
    channels: int
    dtype: str
    label_maps: bool

    def words(self) -> str:
        maps, plural = ", label maps" * self.label_maps, "s" * (self.channels > 1)
        size = "{}x{}".format(*self.size)
        return f"{self.name}: {self.count} pictures, {size}, {self.channels} channel{plural}, {self.dtype}{maps}"


@dataclass(frozen=True)
class Choice:
    """One training. options: as in a recipe, by section and name. method: named where it is not the task's own."""

    task: str
    method: str
    why: str
    options: Mapping[str, Any]

    @property
    def usual(self) -> bool:
        """Whether the method is the one that the task recommends."""
        return self.task != PLAIN and self.method == tasks.find(self.task).method

    def command(self, folders: Mapping[str, str]) -> str:
        """What to type."""
        named = [] if self.usual else [self.method]
        named += [] if self.task == PLAIN else ["--task", self.task]
        given = [f"--{'data' if name == 'folder' else name} {shlex.quote(place)}" for name, place in folders.items()]
        set_to = [shlex.quote(f"{name}={value}") for name, value in self.options.items()]
        return " ".join(["diptych train", *named, *given, *set_to])


@dataclass(frozen=True)
class Advice:
    """What a folder holds, and the trainings that fit it, the first first. memory: estimated bytes for the first."""

    folders: Mapping[str, str]
    layout: str
    pairs: int
    kinds: tuple[Kind, ...]
    choices: tuple[Choice, ...]
    memory: int | None

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        commands = [{**asdict(one), "command": one.command(self.folders)} for one in self.choices]
        return {**asdict(self), "choices": commands, "minutes": MINUTES}

    def to_text(self) -> str:
        """The same in lines."""
        pairs = f", {self.pairs} of them" if self.pairs else ""
        lines = [f"{' and '.join(self.folders.values())}: {TITLE[self.layout]}{pairs}"]
        lines += [f"  {kind.words()}" for kind in self.kinds]
        needs = "" if self.memory is None else f", the first about {words_of(self.memory)} of memory"
        lines.append(f"Each takes {MINUTES} minutes here{needs}; more minutes make better pictures.")
        for choice in self.choices:
            title = choice.method if choice.task == PLAIN else choice.task
            lines += [f"{title}: {choice.why}", f"  {choice.command(self.folders)}"]
        return "\n".join([*lines, *TURN[: bool(self.pairs)], "Before training: diptych data check"])


def recommend(folder: str | None = None, *, a: str | None = None, b: str | None = None) -> Advice:
    """Look at a folder, or two. Raises DataError where it holds no pictures."""
    found = _recognised(folder, a, b)
    kinds = tuple(_kind(found, side) for side in range(len(dict.fromkeys(found.names))))
    folders = {name: str(place) for name, place in (("folder", folder), ("a", a), ("b", b)) if place is not None}
    usual = _usual(found)
    choices = tuple(
        Choice(one.task, one.method, one.why, {**one.options, **usual, "train.minutes": MINUTES})
        for one in _choices(found, kinds)
    )
    pairs = len(list(found.items())) if found.paired else 0
    return Advice(folders, found.kind, pairs, kinds, choices, _memory(folders, choices[0]))


def _recognised(folder: str | None, a: str | None, b: str | None) -> Folder:
    """Of more than two folders each is a domain."""
    try:
        return recognise(folder, a=a, b=b)
    except DataError as error:
        if folder is None:
            raise
        try:
            return recognise(folder, kind="domains")
        except DataError:
            raise error from None


def _kind(folder: Folder, side: int) -> Kind:
    files = folder.files(side)
    sizes = sorted(folder.size(path) for path in files)
    height, width = median_low(sizes)
    channels, dtype = folder.channels[side], folder.dtypes[side]
    return Kind(folder.names[side], len(files), (width, height), channels, dtype, _holds_labels(folder, side))


def _holds_labels(folder: Folder, side: int) -> bool:
    """Whether some pictures of one channel hold small numbers alone, and 255 for void."""
    files = folder.files(side)
    if folder.kind == "side by side" or folder.channels[side] != 1 or folder.dtypes[side] != "uint8":
        return False
    sample = files[:: max(1, len(files) // SAMPLE)][:SAMPLE]
    numbers = {int(n) for array in map(_decoded, sample) if array is not None for n in np.unique(array)}
    return 0 < max(numbers - {255}, default=0) < FEW_IDS


def _decoded(path: Path) -> Any:
    try:
        return images.read(path, indices=True).array
    except DataError:
        return None  # the check names it


def _choices(folder: Folder, kinds: tuple[Kind, ...]) -> Iterator[Choice]:
    if folder.kind == "photos":
        yield from _from_photos()
    elif folder.kind == "domains":
        for one in kinds[1:]:
            names = f"{kinds[0].name} and {one.name}"
            way = {"data.direction": f"{kinds[0].name}2{one.name}", "data.kind": "unpaired"}
            yield Choice(PLAIN, "unpaired", f"{names} without pairs, two of several domains", way)
    elif folder.kind == "unpaired":
        yield Choice(PLAIN, "unpaired", "two kinds of pictures without pairs, translated in one direction", {})
        yield Choice(PLAIN, "cyclegan", "the same in both directions; made for hours", {})
    else:
        yield from _from_pairs(kinds)


def _from_photos() -> Iterator[Choice]:
    """The tasks that make pairs of single photos."""
    photos = {"data.kind": "photos"}
    for name, what in tasks.summaries().items():
        if tasks.find(name).alone and name != "itself":
            yield Choice(name, tasks.find(name).method, what.rstrip("."), photos)
    yield Choice("itself", "autoencoder", "photos into few numbers and back", photos)


def _from_pairs(kinds: tuple[Kind, ...]) -> Iterator[Choice]:
    maps = [kind.name for kind in kinds if kind.label_maps]
    if len(kinds) == 2 and len(maps) == 1:
        (other,) = (kind.name for kind in kinds if kind.name != maps[0])
        for task, way in (("labels", f"{maps[0]}2{other}"), ("segment", f"{other}2{maps[0]}")):
            what = tasks.summaries()[task].rstrip(".")
            yield Choice(task, tasks.find(task).method, what, {"data.direction": way})
        return
    yield Choice(PLAIN, "paired", "pairs, with one answer to each picture", {})
    yield Choice(PLAIN, "multimodal", "pairs whose source leaves something open, as colours: one of many answers", {})


def _usual(folder: Folder) -> dict[str, Any]:
    """A size that the pictures have, where the default is not one."""
    least = min(min(folder.size(path)) for side in range(len(folder.names)) for path in folder.files(side))
    size = next((size for size in SIZES if size <= least), None)
    if size is None:
        return {"data.size": SIZES[-1], "data.enlarge": "true"}
    return {} if size == SIZES[0] else {"data.size": size}


def _memory(folders: Mapping[str, str], choice: Choice) -> int | None:
    """Bytes that the training is estimated to take; None where that is not known."""
    given: dict[str, Any] = {"method": {"name": choice.method}, "task": {"name": choice.task}, "data": dict(folders)}
    for name, value in choice.options.items():
        section, _, option = name.partition(".")
        given.setdefault(section, {})[option] = value
    try:
        return Plan(resolve(given)).memory()
    except DiptychError:
        return None
