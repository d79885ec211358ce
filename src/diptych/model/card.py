"""The card of a translator: what it was made from, for what, and how well it does; for programs and for people."""

from __future__ import annotations

import shlex
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from diptych import __version__
from diptych.errors import printable
from diptych.images.legend import Legend

SCHEMA_VERSION = 3
NOT_STATED = "not stated"

WORDS = {
    "author": "who made the model, and how to reach them",
    "licence": "on which terms the model may be used",
    "data_origin": "where the training pictures come from, and on which terms",
    "intended_use": "what it is for, and for whom",
    "excluded_use": "what it must not be used for",
    "limits": "where it fails, and on whose pictures it was not tried",
}
"""What only a person can say of a model, and what each is about."""


class Side(BaseModel):
    """The pictures on one side: their domain's name, channels, type and range of values.

    legend: of label maps what their numbers mean; their channels are the planes that the networks are given.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    channels: int = Field(gt=0)
    dtype: Literal["uint8", "uint16", "float32"] = "uint8"
    low: float = 0.0
    high: float = 255.0
    legend: Legend | None = None


class Card(BaseModel):
    """What a translator folder says of itself in `card.json`."""

    model_config = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    made_with: str = f"diptych {__version__}"
    method: str
    options: dict[str, Any]
    source: Side
    target: Side
    ways: list[Literal["a", "b"]] = ["b"]  # the domains it translates to; a: the source, b: the target
    task: str = "pairs"
    images_seen: int = 0
    stored: str = ""  # what was done to the weights to store them, and what that changes
    data: dict[str, Any] = {}
    scores: dict[str, Any] = {}
    author: str = NOT_STATED
    licence: str = NOT_STATED
    data_origin: str = NOT_STATED
    intended_use: str = NOT_STATED
    excluded_use: str = NOT_STATED
    limits: str = NOT_STATED

    def words(self) -> dict[str, str]:
        """What a person has stated."""
        return {name: said for name in WORDS if (said := getattr(self, name)) != NOT_STATED}

    def to_markdown(self) -> str:
        """The model card for people (Mitchell et al. 2019)."""
        options = "\n".join(printable(f"- `{name}`: {value}") for name, value in self.options.items())
        scores = score_table(self.scores) if self.scores else "Not measured."
        seen = f"Trained on {self.images_seen} images." if self.images_seen else "Its training is not recorded."
        stored = f" Weights stored {printable(self.stored)}." if self.stored else ""
        data = "\n".join(printable(f"- {name}: {value}") for name, value in self.data.items())
        return f"""# {self.title()}

Turns {self.directions()}. {seen} {printable(self.made_with)}.{stored}

## Use

    diptych translate THIS_FOLDER picture.png{self.choice()}

- Intended use: {printable(self.intended_use)}
- Excluded use: {printable(self.excluded_use)}
- Licence: {printable(self.licence)}
- Author: {printable(self.author)}

## Limits

- {printable(self.limits)}
- What it produces is made up by a machine from what it saw in training: it is no record of anything real.

## Training data

{data or "- not recorded"}
- Origin: {printable(self.data_origin)}

## Scores

{scores}

## Options

{options}
"""

    def title(self) -> str:
        arrow = {"b": "to", "a": "from"}.get("".join(self.ways), "and")
        return printable(f"{self.source.name} {arrow} {self.target.name}, by {self.method}")

    def directions(self) -> str:
        """What becomes what, in words."""
        source, target = describe(self.source), describe(self.target)
        words = {"b": f"{source} into {target}", "a": f"{target} into {source}"}
        return ", and ".join(words[way] for way in sorted(self.ways, reverse=True))

    def choice(self) -> str:
        """The option that says which way, where there are two."""
        return f" --to {shlex.quote(printable(self.target.name))}" if len(self.ways) > 1 else ""


def describe(side: Side) -> str:
    if side.legend:
        return f"*{printable(side.name)}* label maps ({len(side.legend.known)} classes)"
    channels = "one channel" if side.channels == 1 else f"{side.channels} channels"
    return f"*{printable(side.name)}* pictures ({channels}, {side.dtype}, values {side.low:g} to {side.high:g})"


def score_table(scores: dict[str, Any]) -> str:
    rows = []
    for name, score in scores.items():
        value, low, high, count = (figure(score, part) for part in ("value", "low", "high", "count"))
        rows.append(f"| {printable(name)} | {value} | {low} to {high} | {count} |")
    return "\n".join(["| metric | value | 95 % interval | pictures |", "|---|---|---|---|", *rows])


def figure(score: Any, part: str) -> str:
    """A number of a score, if it is one: a stranger may have written the card."""
    value = score.get(part) if isinstance(score, dict) else None
    return f"{value:.4f}" if isinstance(value, float) else str(value) if isinstance(value, int) else "?"
