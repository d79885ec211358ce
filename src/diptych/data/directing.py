"""Which domain is the source, and which is of label maps, by what is asked for or by what the names tell."""

from __future__ import annotations

from dataclasses import replace

from diptych.data import pairing
from diptych.data.agreeing import most
from diptych.data.folders import Folder
from diptych.errors import ConfigError


def directed(folder: Folder, direction: str, labels: str | None) -> Folder:
    """With its direction; where nothing tells it, with a remark on what was taken, and how to turn it."""
    if direction != "auto":
        return replace(folder, direction=direction)
    a, b, *_ = folder.names
    if a == b or len(folder.roots) == 2 or folder.kind == "domains":
        return folder
    source = pairing.source_by_name(folder.names)
    if labels in ("source", "target") and (side := _side_of_labels(folder)) is not None:
        source = side if labels == "source" else 1 - side
    if source is not None:
        return replace(folder, direction="b2a" if source else "a2b")
    halves = folder.kind == "side by side"
    order = "the left half to the right" if halves else f"{a} to {b}, in the order of the alphabet"
    message = f"nothing tells source from target, so it goes from {order}: --direction b2a (data.direction) turns it"
    if halves:
        message += "; whole photos, not to be cut into halves, need data.kind=photos and task.name=itself"
    return replace(folder, remarks=(message, *folder.remarks))


def _side_of_labels(folder: Folder) -> int | None:
    """Which side is of label maps, if its name tells, or its one channel beside the three of the other."""
    if (side := pairing.labels_by_name(folder.names)) is not None or folder.kind == "side by side":
        return side
    channels = [most([folder.headers[path].channels for path in folder.files(side)], 0) for side in (0, 1)]
    return channels.index(1) if sorted(channels) == [1, 3] else None


def side_of(folder: Folder, labels: str, direction: str, *, option: str = "data.labels") -> int:
    """Which domain (0: a, 1: b) `labels` names: source, target, or a domain. Raises ConfigError for none."""
    if labels in ("source", "target"):
        return int((labels == "target") != folder.reverses(direction))
    if labels in folder.names:
        return folder.names.index(labels)
    known = ", ".join(("source", "target", *folder.names))
    raise ConfigError(f"{option}={labels} is no side of {folder.place}: use one of {known}")
