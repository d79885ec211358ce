"""The card of a translator: what it was made from, for what, and how well it does; for programs and for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from diptych import __version__, tasks
from diptych.errors import ConfigError, printable
from diptych.images.legend import Legend
from diptych.kinds import Images, Labels, of_domain

K = TypeVar("K")
SCHEMA_VERSION = 4
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


class Domain(BaseModel):
    """Pictures of one kind: what they are called, their channels, and the type and range of their values.

    unit: of the values, where they have one, as HU. chosen: the range was chosen, and what lies beyond was cut off in
    training too. legend: of label maps what their numbers mean; their channels are one-hot. neighbours: its pictures
    are slices of volumes, each with the channels of so many slices on either side, in order.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    channels: int = Field(gt=0)
    dtype: Literal["uint8", "uint16", "int16", "float32"] = "uint8"
    low: float = 0.0
    high: float = 255.0
    unit: str = ""
    chosen: bool = False
    legend: Legend | None = None
    neighbours: int = Field(default=0, ge=0)

    @property
    def slice_channels(self) -> int:
        """The channels of one slice."""
        return self.channels // (2 * self.neighbours + 1)

    @property
    def reach(self) -> str:
        """The range in words."""
        return f"{self.low:g} to {self.high:g}{' ' * bool(self.unit)}{printable(self.unit)}"

    @property
    def kind(self) -> Images | Labels:
        """How its images become what networks are given, and back."""
        return of_domain(self.channels, self.dtype, self.low, self.high, self.legend)


class Card(BaseModel):
    """What a translator folder says of itself in `card.json`."""

    model_config = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    made_with: str = f"diptych {__version__}"
    method: str
    options: dict[str, Any]
    domains: list[Domain] = Field(min_length=1)  # in the order in which the method learns from them
    directions: list[tuple[str, str]] = Field(min_length=1)  # from and to, by name; the usual one first
    task: str = "pairs"
    task_options: dict[str, Any] = {}
    parts: list[Card] = []  # of a chain, its models in order
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

    @model_validator(mode="before")
    @classmethod
    def by_name(cls, given: Any) -> Any:
        """Domains by name where two ends are given, `source` and `target` and perhaps `ways`, as up to schema 3."""
        if not isinstance(given, dict) or not {"source", "target"} <= given.keys():
            return given
        rest = {name: value for name, value in given.items() if name not in ("source", "target", "ways")}
        both = {letter: Domain.model_validate(given[end]) for letter, end in (("a", "source"), ("b", "target"))}
        known = {"b": ("a", "b"), "a": ("b", "a")}
        ways = [known[way] for way in sorted(given.get("ways", ["b"]), reverse=True)]
        return {**rest, **between(both, ways)}

    @model_validator(mode="after")
    def check(self) -> Card:
        names = [domain.name for domain in self.domains]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two domains are called {twice[0]}")
        if unknown := [end for direction in self.directions for end in direction if end not in names]:
            raise ValueError(f"a direction names the domain {unknown[0]}, and there are {', '.join(names)}")
        return self

    @property
    def scale(self) -> int:
        """How many times longer the sides of a result are than those of a user's picture."""
        if self.parts:
            return prod(part.scale for part in self.parts)
        return tasks.make(self.task, self.task_options).scale

    @property
    def targets(self) -> list[str]:
        """The domains that it translates to, the usual one first."""
        return list(dict.fromkeys(target for _, target in self.directions))

    def ends(self, to: str | None = None, *, of: str | None = None) -> tuple[Domain, Domain]:
        """The domains that it translates from and to, on the way to the one of this name; else on the usual way.

        of: where several domains lead there, from which. Raises ConfigError, which names those there are, for a domain
        that cannot be translated to.
        """
        wanted = self.targets[0] if to is None else to
        leading = [direction for direction in self.directions if direction[1] == wanted]
        found = next((one for one in leading if one[0] == of), leading[0] if leading else None)
        if found is None:
            known = " or ".join(f"to={name}" for name in self.targets)
            why = "" if len(self.targets) > 1 else f" (it works one way only: to {self.targets[0]})"
            raise ConfigError(f"the model does not translate to {to!r}{why}: use {known}")
        by_name = {domain.name: domain for domain in self.domains}
        return by_name[found[0]], by_name[found[1]]

    @property
    def source(self) -> Domain:
        """What it usually translates from."""
        return self.ends()[0]

    @property
    def target(self) -> Domain:
        """What it usually translates to."""
        return self.ends()[1]

    def words(self) -> dict[str, str]:
        """What a person has stated."""
        return {name: stated for name, stated in self if name in WORDS and stated != NOT_STATED}

    def to_markdown(self) -> str:
        """The model card for people (Mitchell et al. 2019)."""
        options = "\n".join(printable(f"- `{name}`: {value}") for name, value in self.options.items())
        scores = score_table(self.scores) if self.scores else "Not measured."
        seen = f"Trained on {self.images_seen} images." if self.images_seen else "Its training is not recorded."
        stored = f" Weights stored {printable(self.stored)}." if self.stored else ""
        data = "\n".join(printable(f"- {name}: {value}") for name, value in self.data.items())
        return f"""# {self.title()}

Turns {self.turns()}. {seen} {printable(self.made_with)}.{stored}

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
        together = listed([domain.name for domain in self.domains])
        name = together if len(self.directions) > 1 else " to ".join(self.directions[0])
        task = f" ({self.task})" if self.task not in ("pairs", "labels", "segment", "itself") else ""
        return printable(f"{name}{task}, by {self.method}")

    def turns(self) -> str:
        """What becomes of what, in words."""
        known = {domain.name: describe(domain) for domain in self.domains}
        if len(known) > 2:
            return f"{listed(list(known.values()))} into one another"
        return ", and ".join(f"{known[source]} into {known[target]}" for source, target in self.directions)

    def choice(self) -> str:
        """The option that says which way, where there are several."""
        return f" --to {shlex.quote(printable(self.targets[0]))}" if len(self.directions) > 1 else ""


def between(domains: Mapping[K, Domain], ways: Iterable[tuple[K, K]]) -> dict[str, Any]:
    """`domains` and `directions` of a card, from the domains by what a method calls them, and from its ways between
    these. Of one name there is one domain; where another is otherwise, it gets a name of its own."""
    named: dict[str, Domain] = {}
    known: dict[K, str] = {}
    for own, domain in domains.items():
        if named.get(domain.name, domain) != domain:
            domain = domain.model_copy(update={"name": f"{domain.name} ({own})"})
        named[domain.name], known[own] = domain, domain.name
    return {"domains": list(named.values()), "directions": [(known[a], known[b]) for a, b in ways]}


def listed(words: Sequence[str]) -> str:
    """As a sentence has them: "day, dusk and night"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def describe(domain: Domain) -> str:
    if domain.legend:
        return f"*{printable(domain.name)}* label maps ({len(domain.legend.known)} classes)"
    channels = "one channel" if domain.channels == 1 else f"{domain.channels} channels"
    if domain.neighbours:
        channels += f": a slice of a volume and {domain.neighbours} on either side"
    return f"*{printable(domain.name)}* pictures ({channels}, {domain.dtype}, values {domain.reach})"


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
