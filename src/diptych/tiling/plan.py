"""When tiles make their borders right: played on the operations of a network, without computing any of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil

from diptych.tiling.fields import Field

TRIES = 32


@dataclass(frozen=True)
class Made:
    """Features of a field that is known."""

    number: int
    field: Field


@dataclass(frozen=True)
class Joined:
    """Features that look as far as several others together."""

    number: int
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Looked:
    """Features that look farther than others, which had the field `before`. aligned: those can be made right."""

    number: int
    source: int
    before: Field
    after: Field
    aligned: bool


@dataclass(frozen=True)
class Waited:
    """All tiles wait for what they see together in some features."""

    source: int
    aligned: bool


Event = Made | Joined | Looked | Waited


@dataclass
class Play:
    """The fields of features by their number, if borders are made right where one looks farther than `halo`, and at
    the statistics `early`. late: after which statistics tiles had to wait for their borders alone; rounds: how often
    they wait in all; found: how far any features look."""

    halo: Fraction | None
    early: Collection[int] = ()
    fields: dict[int, Field] = field(default_factory=dict)
    late: set[int] = field(default_factory=set)
    shares: int = 0
    rounds: int = 0
    found: Fraction = Fraction(0)

    def on(self, events: Iterable[Event]) -> Play:
        for event in events:
            self.then(event)
        return self

    def then(self, event: Event) -> None:
        fields = self.fields
        if isinstance(event, Made):
            fields[event.number] = event.field
        elif isinstance(event, Joined):
            first, *others = (fields[source] for source in event.sources)
            for other in others:
                first |= other
            fields[event.number] = first
        elif isinstance(event, Waited):
            self.shares, self.rounds = self.shares + 1, self.rounds + 1
            if self.shares in self.early and event.aligned:
                self.refresh(event.source)
        else:
            after = self.looked(event)
            if self.halo is not None and after.halo > self.halo and event.aligned and fields[event.source].halo > 0:
                self.late.add(self.shares)
                self.rounds += 1
                self.refresh(event.source)
                after = self.looked(event)
            fields[event.number], self.found = after, max(self.found, after.halo)

    def looked(self, event: Looked) -> Field:
        now, before, after = self.fields[event.source], event.before, event.after
        return replace(after, low=after.low + now.low - before.low, high=after.high + now.high - before.high)

    def refresh(self, source: int) -> None:
        self.fields[source] = Field.fresh(self.fields[source].stride)


@dataclass(frozen=True)
class Plan:
    """halo: how far tiles are shown more than their own part. early: at which statistics, by their number, they make
    their borders right. rounds: how often they go on until they are done. sight: how far the whole network looks."""

    halo: int
    early: frozenset[int]
    rounds: int
    sight: int


def planned(events: Collection[Event], step: int, least: int) -> Plan:
    """The least halo that does, but no less than `least`, a multiple of `step`; with few rounds more than statistics.

    Where tiles would wait for their borders alone, they rather make them right at the statistics before.
    """

    def up(value: Fraction) -> int:
        return ceil(value / step) * step

    halo, early = up(max(Fraction(least), Play(Fraction(0)).on(events).found)), frozenset[int]()
    for _ in range(TRIES):
        played = Play(Fraction(halo), early).on(events)
        if played.found <= halo and played.late <= early:
            break
        halo, early = max(halo, up(played.found)), early | played.late
    return Plan(halo, early, played.rounds + 1, ceil(Play(None).on(events).found))
