"""Pictures of any size in bounded memory: in tiles that overlap, blend, and share the whole picture's statistics."""

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

from diptych.tiling.grid import Span, spans, spread
from diptych.tiling.paging import Pages
from diptych.tiling.statistics import Alone, Core, Moments, Together

Window = Callable[[int, int, int, int], Any]
"""What a picture shows from top to bottom and from left to right."""
Mode = Literal["auto", "approximate", "exact", "off"]
MODES: tuple[Mode, ...] = ("auto", "approximate", "exact", "off")


@dataclass(frozen=True)
class Network:
    """What translates what a function shows, to `1 C h w`, and should not hold it; within: torch's state meanwhile."""

    translate: Callable[[Callable[[], Any]], Tensor]
    within: Callable[[], AbstractContextManager[object]] = nullcontext


@dataclass(frozen=True)
class Tiling:
    """How large pictures are translated.

    mode: auto, exact above `above_mp` million pixels and whole below; exact: with the statistics of all of the picture;
    approximate: with those of a sample of it; off: always whole.
    size, halo: of a tile in pixels, and how much more of the picture it is shown on each side. blend: half the width
    of the seam over which neighbours fade into each other.
    sample_size, sample_halo: of the tiles of a sample; sample_mp: how many million pixels they are shown in all.
    """

    mode: Mode = "auto"
    size: int = 768
    halo: int = 40
    blend: int = 16
    above_mp: float = 4.0
    sample_size: int = 64
    sample_halo: int = 32
    sample_mp: float = 2.0

    def applies(self, height: int, width: int) -> bool:
        """Whether a picture of that size is translated in tiles."""
        return self.mode in ("approximate", "exact") or (self.mode == "auto" and height * width > 1e6 * self.above_mp)


@dataclass(frozen=True)
class Tile:
    """One tile: its rows and its columns."""

    rows: Span
    columns: Span

    @property
    def core(self) -> Core:
        rows, columns = self.rows, self.columns
        inner = (rows.start - rows.low, rows.end - rows.low, columns.start - columns.low, columns.end - columns.low)
        return Core(rows.high - rows.low, columns.high - columns.low, *inner)

    @property
    def pixels(self) -> int:
        return (self.rows.high - self.rows.low) * (self.columns.high - self.columns.low)


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
    of the share that is done. Raises StorageError where there is no room for what lies between two layers.
    """
    work = Work(window, height, width, step, tiling)
    if tiling.mode == "approximate":
        table = work.sampled(reference or network, tiling.sample_mp)
        outputs, parts = work.alone(network, table), len(work.tiles)
    else:
        rounds = len(work.sampled(network, 0)) + 1
        outputs, parts = work.in_step(network, work.tiles, rounds), len(work.tiles) * rounds
    done = count(1)
    work.tick = lambda: progress(next(done) / parts)
    yield from work.rows(outputs)


class Work:
    """A picture that is being translated. tick: is called for each part of the work that is done."""

    def __init__(self, window: Window, height: int, width: int, step: int, tiling: Tiling) -> None:
        self.window, self.height, self.width, self.step, self.tiling = window, height, width, step, tiling
        self.row_spans, self.column_spans = self.cut(tiling.size, max(tiling.halo, tiling.blend))
        self.tiles = [Tile(rows, columns) for rows in self.row_spans for columns in self.column_spans]
        self.tick: Callable[[], object] = lambda: None

    def cut(self, size: int, halo: int) -> tuple[list[Span], list[Span]]:
        return spans(self.height, size, halo, self.step), spans(self.width, size, halo, self.step)

    def translate(self, network: Network, tile: Tile, shared: Alone | Together) -> Tensor:
        """What the network makes of what a tile is shown, `C h w`."""
        rows, columns = tile.rows, tile.columns
        with shared:
            return network.translate(lambda: self.window(rows.low, rows.high, columns.low, columns.high))[0]

    def alone(self, network: Network, table: Sequence[Moments]) -> Iterator[Tensor]:
        """The tiles one after another, with the statistics of a table."""
        for tile in self.tiles:
            with network.within():
                output = self.translate(network, tile, Alone(tile.core, table))
            self.tick()
            yield output

    def in_step(
        self, network: Network, tiles: Sequence[Tile], rounds: int = 1, table: list[Moments] | None = None
    ) -> Iterator[Tensor]:
        """The tiles, each with the statistics of all of them, which are added to `table`.

        In each round every tile goes on, one after another, up to the next operation that asks for statistics; in the
        last, to the end. Each goes the other way than the one before it, so that what was put away last is taken up
        first. rounds: how many there will be, for the last one to begin with the first tile.
        """
        states = [Together(tile.core) for tile in tiles]
        runs = [greenlet(partial(self.translate, network, *pair)) for pair in zip(tiles, states, strict=True)]
        used: tuple[Moments, ...] = ()
        forwards = rounds % 2 == 1
        with Pages() as pages:
            while not runs[-1].dead:
                seen = []
                for number in range(len(runs)) if forwards else reversed(range(len(runs))):
                    run = runs[number]
                    with network.within():
                        pages.give_back(number)
                        found = run.switch(*used)
                        if not run.dead:
                            pages.keep(number, states[number].held())
                    self.tick()
                    if run.dead:
                        yield found
                    else:
                        seen.append(found)
                pages.turn()
                forwards = not forwards
                if seen:
                    used = (reduce(add, seen),)
                    if table is not None:
                        table.extend(used)

    def sampled(self, network: Network, million_pixels: float) -> list[Moments]:
        """The statistics of small tiles that are spread evenly, one at least; of all, where these are all."""
        rows, columns = self.cut(self.tiling.sample_size, self.tiling.sample_halo)
        tiles = [Tile(row, column) for row in rows for column in columns]
        wanted = max(1, int(1e6 * million_pixels) // max(tile.pixels for tile in tiles))
        table: list[Moments] = []
        for _ in self.in_step(network, [tiles[number] for number in spread(len(tiles), wanted)], table=table):
            pass
        return table

    def rows(self, outputs: Iterable[Tensor]) -> Iterator[Tensor]:
        """The finished rows, one row of tiles after another; a seam is kept until its other half is there."""
        blend, seam, outputs = self.tiling.blend, torch.zeros(0), iter(outputs)
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
