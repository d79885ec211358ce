"""What a task is: how source and target come about in training, and how a user's picture is prepared likewise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from numpy.random import Generator

from diptych.images import Picture

Sample = Mapping[str, Picture]
"""What was read for one pair, cropped and mirrored alike: source and target, and what belongs to them by its name."""

Sections = Mapping[str, Mapping[str, Any]]
"""Options by the section of a recipe."""


class Task(Protocol):
    """Says what a pair is. Any method that learns from pairs then learns any task.

    The arguments of its constructor are its options, keyword only, as those of a method.
    """

    alone: bool
    """Whether single photos are enough: the source and the target of a sample are then the same one."""

    scale: int
    """How many times longer the sides of a result are than those of the user's picture."""

    in_parts: bool
    """Whether a part of a user's picture is prepared and finished as the whole is, where a whole does not fit."""

    keeps: bool
    """Whether results hold pixels of the user's picture as they were, which a format with loss would change."""

    method: ClassVar[str]
    """The method that is recommended for it."""

    defaults: ClassVar[Sections]
    """What suits it: options by section that hold where nobody gives others, those of `method` for that method."""

    def __init__(self, **options: Any) -> None: ...

    def channels(self, source: int, target: int) -> tuple[int, int]:
        """Those of the pictures that `pair` makes, from those of the pictures in the data."""

    def pair(self, sample: Sample, rng: Generator) -> tuple[Picture, Picture]:
        """Source and target, of one size, for training and for evaluation; what is left to chance is drawn from `rng`.

        A training asks each time that the pair comes round, and an evaluation in the same way every time.
        """

    def rounds(self, image: Picture, **controls: Any) -> list[dict[str, Any]]:
        """The controls of the translations, one after the other, that make a user's result: one, as a rule."""

    def source(self, image: Picture, **controls: Any) -> Picture:
        """What the method is given, from a user's picture, or from a part of one that is translated in parts.

        Its keyword arguments are controls, as those of a method's `translate`.
        """

    def finish(self, output: Picture, source: Picture, image: Picture) -> Picture:
        """What the user gets: from the method's output, what it was given, and the user's own picture, or from the same
        rows of them."""
