"""A folder of samples to start with, in the layouts that methods read: pairs of pictures, or two kinds unpaired."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from diptych.data.finding import LEGEND
from diptych.data.labels import write_legend
from diptych.data.samples.scene import CLASSES
from diptych.data.samples.street import Street, street
from diptych.errors import ConfigError, DataError, StorageError
from diptych.images.legend import Class, Legend

KINDS = ("street", "emoji", "paintings")
MOST = 1_000_000
SIDES: dict[str, Callable[[Street], np.ndarray]] = {
    "labels": lambda scene: scene.label_picture,
    "ids": lambda scene: scene.labels,
    "day": lambda scene: scene.day,
    "night": lambda scene: scene.night,
    "edges": lambda scene: scene.edges[..., 0],
    "instances": lambda scene: scene.instances,
}


def write_samples(
    kind: str,
    out: Path | str,
    *,
    count: int,
    size: int = 128,
    seed: int = 0,
    sides: Sequence[str] | None = None,
    unpaired: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write `count` scenes to OUT/{train,val,test}/{side}/0001.png, ... and return OUT.

    If `unpaired`, each training scene is drawn on one of its two sides only, in turn, so that no pair exists; test/ has
    both sides of other scenes, under one name: the truth by which translations are scored.

    `kind` is "street"; emoji are drawn by `write_emoji`, paintings by `write_paintings`. `sides` are two or more of:
    labels (in the colours of CLASSES), ids (the same as 8-bit class ids), day, night, edges, and instances (16 bit); by
    default labels and day, or if unpaired day and night. Two sides make a paired dataset; its domains are called like
    the sides and stand in the order of the alphabet, so that of ("labels", "day") a is day, b is labels, and
    labels-to-photo is direction "labels2day".

    Of ten scenes eight go to train, one to val and one to test; three are enough for one in each. If unpaired, nine go
    to train and one to test, and pictures are called after their scenes. Scene number n (0, 1, ...) is
    `street(1_000_000 * seed + n, size)`, so that a larger count adds scenes and changes none.
    `progress` is called with the number of scenes done and their count.

    Nothing appears in OUT before all is drawn. Raises ConfigError for an argument out of its range, DataError if OUT
    is a file or not empty, StorageError if it cannot be written to.
    """
    if sides is None:
        sides = ("day", "night") if unpaired else ("labels", "day")
    _check(kind, count, seed, sides, unpaired)
    with folder_made_whole(out) as work:
        plan = _unpaired(count, sides) if unpaired else _paired(count, sides)
        for number, pictures in enumerate(plan):
            _draw(work, street(MOST * seed + number, size), pictures)
            if progress is not None:
                progress(number + 1, count)
        if {"labels", "ids"} & set(sides):
            (work / LEGEND).write_text(write_legend(legend()), encoding="utf-8")
    return Path(out)


@contextmanager
def folder_made_whole(out: Path | str) -> Iterator[Path]:
    """A place inside OUT to draw in; all that is there in the end is then moved to OUT itself.

    Raises DataError if OUT is a file or not empty, StorageError if it cannot be written to.
    """
    out = Path(out)
    _check_empty(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out, prefix=".drawing-") as work:
            yield Path(work)
            for part in sorted(Path(work).iterdir()):
                os.replace(part, out / part.name)
    except OSError as error:
        raise StorageError(f"cannot write samples to {out}: {error.strerror or error}; choose another folder") from None


def legend() -> Legend:
    """What the ids and colours of the label maps mean."""
    return Legend(classes=tuple(Class(id=n, name=kind.name, colour=kind.rgb) for n, kind in enumerate(CLASSES)))


def _check(kind: str, count: int, seed: int, sides: Sequence[str], unpaired: bool) -> None:
    if kind != "street":
        raise ConfigError(f"there are no samples of kind {kind!r}; there are: {', '.join(KINDS)}")
    if not 1 <= count <= MOST:
        raise ConfigError(f"count is {count}: choose a number of scenes from 1 to {MOST}")
    if seed < 0:
        raise ConfigError(f"seed is {seed}: choose 0 or more")
    if unknown := [side for side in sides if side not in SIDES]:
        raise ConfigError(f"there is no side {unknown[0]!r}; there are: {', '.join(SIDES)}")
    if isinstance(sides, str) or len(sides) < 2 or len(set(sides)) < len(sides):
        raise ConfigError(f"sides are {sides!r}: choose two or more different ones of: {', '.join(SIDES)}")
    if unpaired and (len(sides) > 2 or count < 3):
        raise ConfigError(f"unpaired samples have two sides, and need three scenes or more; given: {sides!r}, {count}")


def _check_empty(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file: samples need a folder; choose another name")
    if out.is_dir() and any(out.iterdir()):
        raise DataError(f"{out} is not empty, and samples overwrite nothing: choose a new folder, or empty this one")


def _paired(count: int, sides: Sequence[str]) -> Iterator[dict[str, str]]:
    """Of each scene, its pictures: place in the folder without suffix -> side."""
    written = {"train": 0, "val": 0, "test": 0}
    for number in range(count):
        split = {1: "val", 2: "test"}.get(number % 10, "train")
        written[split] += 1
        yield {f"{split}/{side}/{written[split]:04}": side for side in sides}


def _unpaired(count: int, sides: Sequence[str]) -> Iterator[dict[str, str]]:
    """Likewise, with the two sides in turn but for the test."""
    turn = cycle(sides)
    for number in range(count):
        test = number % 10 == 2
        split, shown = ("test", sides) if test else ("train", (next(turn),))
        yield {f"{split}/{side}/{number + 1:04}": side for side in shown}


def _draw(folder: Path, scene: Street, pictures: Mapping[str, str]) -> None:
    for name, side in pictures.items():
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(SIDES[side](scene)).save(path)
