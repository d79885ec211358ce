"""What is wanted of a picture that is only to be looked at, and what is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from diptych.images.legend import Legend

Form = Literal["png", "jpeg", "npy"]
SMALLEST, USUAL, LARGEST = 16, 1024, 4096
"""Pixels of a view's longer side that may be asked for, and those of one whose side is not said."""


@dataclass(frozen=True)
class Order:
    """What is wanted of a picture. side: pixels of the longer side at most. form: npy has the values themselves.

    legend: of a label map, which is then shown in the colours of its classes.
    """

    side: int = USUAL
    form: Form = "png"
    legend: Legend | None = None

    def packed(self) -> dict[str, Any]:
        """The order as JSON has it."""
        legend = self.legend.model_dump(mode="json") if self.legend else None
        return {"side": self.side, "form": self.form, "legend": legend}

    @classmethod
    def opened(cls, message: Mapping[str, Any]) -> Order:
        """The order in that JSON."""
        legend = Legend.model_validate(message["legend"]) if message["legend"] else None
        return cls(message["side"], message["form"], legend)


@dataclass(frozen=True)
class View:
    """A view's file, and what it is a view of: width, height, channels and dtype of the picture itself."""

    data: bytes
    form: Form
    facts: Mapping[str, Any]
