"""An audit of a folder of pictures: every file is decoded once, and what a user should know is said on one screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import NamedTuple, ParamSpec

from diptych import images
from diptych.data.audit.advice import Facts
from diptych.data.audit.findings import Examined, audited
from diptych.data.audit.report import Audit
from diptych.data.audit.seeing import Progress, Sight, see, without
from diptych.data.finding import Fault
from diptych.data.folders import Folder, groups_by
from diptych.data.labels import Survey, survey
from diptych.data.recognising import recognise
from diptych.errors import DataError
from diptych.storage import shards

__all__ = ["Audit", "Examination", "check", "examine"]
P = ParamSpec("P")


class Examination(NamedTuple):
    """An audit, the folder as it was found to be usable, and the files that the audit speaks of."""

    folder: Folder
    audit: Audit
    facts: Facts


def examine(
    root: Path | str | None = None,
    *,
    a: Path | str | None = None,
    b: Path | str | None = None,
    kind: str = "auto",
    direction: str = "auto",
    labels: str | None = None,
    legend: str | None = None,
    snap_colours: bool = False,
    maps: Mapping[str, str] | None = None,
    texts: bool = False,
    groups: str | None = None,
    limit_mp: float = images.LIMIT_MP,
    progress: Progress | None = None,
) -> Examination:
    """Recognise a folder, or two (`a` and `b`), decode all pictures in threads, and sum up what was found.

    `direction` (photo2label) chooses two of several domains; `progress(done, total)` is called after every picture or
    pair.
    labels: the side whose pictures are label maps; legend, snap_colours, maps, texts, groups: as for training. Pairs
    without their map or text, and those whose label map does not keep to the legend, are named and left out.
    Raises DataError when no picture can be used or the direction names no sides, ConfigError for an unknown kind, and
    for groups that are found in no name.
    """
    folder = recognise(
        root, a=a, b=b, kind=kind, direction=direction, labels=labels, maps=maps, texts=texts, limit_mp=limit_mp,
        complete=False,
    )  # fmt: skip
    for place in folder.roots.values():
        shards.verify(place)
    folder.reverses(folder.direction)  # refuses an unknown one, as training does
    grouped = None if groups is None else groups_by(groups, folder.items())
    sight = see(folder, limit_mp, progress)
    looked, wrong = _label_maps(folder, legend, snap_colours, limit_mp)
    folder = without(folder, (*sight.faults, *wrong))
    if not any(folder.items()):
        first = (*sight.faults, *wrong)[0]
        raise DataError(f"{folder.place}: none of its pictures can be used: {first.path.name} {first.what}")
    sight = _of(folder, sight)  # not partners of damaged ones
    return Examination(folder, *audited(Examined(folder, sight, looked, tuple(wrong), grouped)))


def _audit_of(examine: Callable[P, Examination]) -> Callable[P, Audit]:
    @wraps(examine)
    def audit(*args: P.args, **options: P.kwargs) -> Audit:
        return examine(*args, **options).audit

    return audit


check = _audit_of(examine)
"""`examine`, of which it gives the audit alone."""


def _label_maps(folder: Folder, legend: str | None, snap: bool, limit_mp: float) -> tuple[Survey | None, list[Fault]]:
    """What the label maps hold, and which of them do not keep to their legend."""
    if folder.labels is None:
        return None, []
    wrong: list[Fault] = []
    return survey(folder, folder.labels, legend, limit_mp=limit_mp, snap=snap, wrong=wrong), wrong


def _of(folder: Folder, sight: Sight) -> Sight:
    """What was seen of the files and pairs that are left."""
    used, items = set(folder.all_files()), set(folder.items())
    return replace(
        sight,
        files={path: found for path, found in sight.files.items() if path in used},
        agreements={item: found for item, found in sight.agreements.items() if item in items},
    )
