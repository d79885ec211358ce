"""Pictures of any size in bounded memory: in tiles that are together what the picture would be as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial, reduce
from itertools import count
from operator import add
from typing import Any, Literal

import torch
from greenlet import greenlet
from torch import Tensor

from diptych.errors import ConfigError
from diptych.tiling.borders import Borders
from diptych.tiling.grid import Span, Tile, spans, spread
from diptych.tiling.paging import Pages
from diptych.tiling.placed import Draws
from diptych.tiling.plan import Plan, planned
from diptych.tiling.sharing import Alone, Shared, Together
from diptych.tiling.statistics import Statistics
from diptych.tiling.survey import Survey

Window = Callable[[int, int, int, int], Any]
"""What a picture shows from top to bottom and from left to right."""
Mode = Literal["auto", "approximate", "exact", "off"]
MODES: tuple[Mode, ...] = ("auto", "approximate", "exact", "off")
FARTHEST = 192
"""Pixels that tiles are shown around their own at most, where they are translated by themselves."""


@dataclass(frozen=True)
class Network:
    """tensors: what a window shows, as the network's arguments by name, which nobody else should hold. translate: what
    it makes of them, `1 C h w`; it should not hold them either. within: torch's state meanwhile."""

    tensors: Callable[[Any], dict[str, Tensor]]
    translate: Callable[[dict[str, Tensor]], Tensor]
    within: Callable[[], AbstractContextManager[object]] = nullcontext


@dataclass(frozen=True)
class Tiling:
    """How large pictures are translated.

    mode: auto, exact above `above_mp` million pixels and whole below; exact: with the statistics of all of the picture
    and what neighbours know; approximate: with statistics of a sample, each tile by itself; off: always whole.
    size, halo: of a tile in pixels, and how much more of the picture it is shown on each side, at least. blend: half
    the width of the seam over which approximate neighbours fade into each other.
    sample_size, sample_halo: of the tiles of a sample; sample_mp: how many million pixels they are shown in all.
    """

    mode: Mode = "auto"
    size: int = 768
    halo: int = 32
    blend: int = 16
    above_mp: float = 4.0
    sample_size: int = 64
    sample_halo: int = 32
    sample_mp: float = 2.0

    def applies(self, height: int, width: int) -> bool:
        """Whether a picture of that size is translated in tiles."""
        return self.mode in ("approximate", "exact") or (self.mode == "auto" and height * width > 1e6 * self.above_mp)


def in_tiles(
    window: Window,
    network: Network,
    height: int,
    width: int,
    *,
    step: int,
    tiling: Tiling,
    reference: Network | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Iterator[Tensor]:
    """Translate a picture whose sides are multiples of `step`; its rows `C h W`, from top to bottom, as they are done.

    reference: the network to take a sample's statistics with, where another than `network` is better. progress: hears
    of the share that is done. Raises ConfigError, before the work begins, for a network that looks at the whole of a
    picture in a way that tiles do not share, StorageError where there is no room for what lies between two layers.
    """
    work = Work(window, height, width, step, tiling)
    plan = work.plan(network)
    if tiling.mode == "approximate":
        work.cut(tiling.size, max(tiling.halo, tiling.blend, min(plan.sight, FARTHEST)), tiling.blend)
        table = work.sampled(reference or network, tiling.sample_mp)
        outputs, parts = work.alone(network, table), len(work.tiles)
    else:
        work.cut(max(tiling.size, 2 * plan.halo), plan.halo, 0)
        outputs, parts = work.in_step(network, work.tiles, plan), len(work.tiles) * plan.rounds
    done = count(1)
    work.tick = lambda: progress(next(done) / parts)
    yield from work.rows(outputs)


class Work:
    """A picture that is being translated. tick: is called for each part of the work that is done."""

    def __init__(self, window: Window, height: int, width: int, step: int, tiling: Tiling) -> None:
        self.window, self.height, self.width, self.step, self.tiling = window, height, width, step, tiling
        self.draws = Draws(height, width)
        self.tick: Callable[[], object] = lambda: None
        self.row_spans: list[Span] = []
        self.column_spans: list[Span] = []
        self.tiles: list[Tile] = []
        self.blend = 0

    def cut(self, size: int, halo: int, blend: int) -> None:
        """Decide on the tiles."""
        self.row_spans, self.column_spans = self.spans(size, halo)
        self.tiles, self.blend = tiles_of(self.row_spans, self.column_spans), blend

    def spans(self, size: int, halo: int) -> tuple[list[Span], list[Span]]:
        return spans(self.height, size, halo, self.step), spans(self.width, size, halo, self.step)

    def plan(self, network: Network) -> Plan:
        """What the network asks of tiles, by a small one from the picture's corner. Raises ConfigError."""
        height, width = (
            min(size, max(least, blocks * self.step) // self.step * self.step)
            for size, least, blocks in ((self.height, 64, 2), (self.width, 96, 3))
        )
        tile = Tile(Span(0, height, 0, height), Span(0, width, 0, width))
        survey = Survey(tile, self.step)
        with network.within():
            self.translate(network, tile, survey)
        return planned(survey.events, self.step, self.tiling.halo)

    def translate(self, network: Network, tile: Tile, shared: Shared) -> Tensor:
        """What the network makes of what a tile is shown, `C h w`."""
        rows, columns = tile.rows, tile.columns
        with shared:
            made = network.translate(
                shared.begin(network.tensors(self.window(rows.low, rows.high, columns.low, columns.high)))
            )
        if not shared.knows(made):
            raise ConfigError(
                "the model cannot translate pictures in tiles: how what it makes depends on what it is shown cannot be "
                "followed; translate it as a whole, with --tiling off, or make the picture smaller"
            )
        return made[0]

    def alone(self, network: Network, table: Sequence[Statistics]) -> Iterator[Tensor]:
        """The tiles one after another, with the statistics of a table."""
        for tile in self.tiles:
            with network.within():
                output = self.translate(network, tile, Alone(tile, self.draws, table))
            self.tick()
            yield output

    def in_step(
        self,
        network: Network,
        tiles: Sequence[Tile],
        plan: Plan | None = None,
        table: list[Statistics] | None = None,
    ) -> Iterator[Tensor]:
        """The tiles, each with the statistics of all of them, which are added to `table`.

        In each round every tile goes on, one after another, up to the next operation that asks for statistics or for
        what its neighbours see; in the last, to the end. Each goes the other way than the one before it, so that what
        was put away last is taken up first. plan: of tiles that cover the picture; without, they are a sample,
        and see nothing of each other.
        """
        halo, early, rounds = (plan.halo, plan.early, plan.rounds) if plan else (None, (), 1)
        used: Statistics | None = None
        forwards = rounds % 2 == 1  # for the last one to begin with the first tile
        with Pages() as pages, Borders(tiles if plan else ()) as borders:
            states = [Together(tile, self.draws, halo, early, borders) for tile in tiles]
            runs = [greenlet(partial(self.translate, network, *pair)) for pair in zip(tiles, states, strict=True)]
            while not runs[-1].dead:
                seen = []
                for number in range(len(runs)) if forwards else reversed(range(len(runs))):
                    run = runs[number]
                    with network.within():
                        pages.give_back(number)
                        found = run.switch() if run.gr_frame is None else run.switch(used)
                        if not run.dead:
                            pages.keep(number, states[number].held())
                    self.tick()
                    if run.dead:
                        yield found
                    else:
                        seen.append(found)
                pages.turn()
                borders.turn()
                forwards = not forwards
                used = reduce(add, seen) if seen and seen[0] is not None else None
                if table is not None and used is not None:
                    table.append(used)

    def sampled(self, network: Network, million_pixels: float) -> list[Statistics]:
        """The statistics of small tiles that are spread evenly, one at least; of all, where these are all."""
        tiles = tiles_of(*self.spans(self.tiling.sample_size, self.tiling.sample_halo))
        wanted = max(1, int(1e6 * million_pixels) // max(tile.shown.pixels for tile in tiles))
        table: list[Statistics] = []
        for _ in self.in_step(network, [tiles[number] for number in spread(len(tiles), wanted)], table=table):
            pass
        return table

    def rows(self, outputs: Iterable[Tensor]) -> Iterator[Tensor]:
        """The finished rows, one row of tiles after another; a seam is kept until its other half is there."""
        blend, seam, outputs = self.blend, torch.zeros(0), iter(outputs)
        for row in self.row_spans:
            top, down = row.weights(blend, self.height)
            band = torch.zeros(0)
            for column in self.column_spans:
                output = next(outputs).float().cpu()
                left, across = column.weights(blend, self.width)
                part = output[:, top - row.low :, left - column.low :][:, : len(down), : len(across)]
                if not len(band):
                    band = torch.zeros(len(part), len(down), self.width)
                band[:, :, left : left + len(across)] += part * down[:, None] * across
            if seam.numel():
                band[:, : seam.shape[1]] += seam
            ready = row.end - blend - top if row.end < self.height else self.height - top
            yield band[:, :ready]
            seam = band[:, ready:].clone()


def tiles_of(rows: Sequence[Span], columns: Sequence[Span]) -> list[Tile]:
    return [Tile(row, column) for row in rows for column in columns]
