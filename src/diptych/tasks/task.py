"""What a task is: how source and target come about in training, and how a user's picture is prepared likewise."""

from __future__ import annotations

from typing import Protocol

from diptych.images import Picture


class Task(Protocol):
    """Says what a pair is. Any method that learns from pairs then learns any task."""

    alone: bool
    """Whether single photos are enough: `pair` is then given the same one twice."""

    def pair(self, a: Picture, b: Picture) -> tuple[Picture, Picture]:
        """Source and target for training, from the pictures that are read."""

    def source(self, image: Picture) -> Picture:
        """What the method is given, from a user's picture, or from a part of one that is translated in parts."""

    def finish(self, output: Picture, image: Picture) -> Picture:
        """What the user gets, from the method's output and the user's own picture, or from the same rows of both."""
