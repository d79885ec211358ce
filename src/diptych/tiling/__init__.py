"""Pictures of any size in bounded memory: in tiles that overlap, blend, and share the whole picture's statistics."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from diptych.tiling.grid import Span, spans, spread
from diptych.tiling.statistics import Alone, Core, Meeting, Moments, Shared, Together, change

Window = Callable[[int, int, int, int], Any]
"""What a picture shows from top to bottom and from left to right."""
Network = Callable[[Any], Tensor]
"""What translates what a window shows, to `1 C h w`."""

STILL = 1e-3
"""Deviations by which the statistics of an exact translation may still move."""


@dataclass(frozen=True)
class Tiling:
    """How large pictures are translated.

    mode: auto, approximate above `above_mp` million pixels and whole below; approximate: with the statistics of a
    sample of the picture; exact: of all of it, in pass after pass until they do not move; off: always whole.
    size, halo: of a tile in pixels, and how much more of the picture it is shown on each side. blend: half the width
    of the seam over which neighbours fade into each other.
    sample_size, sample_halo: the same of the small tiles of a sample. in_step_mp: million pixels of them translated in
    step at a time, which bounds the memory; samples: how often, each time with others.
    """

    mode: Literal["auto", "approximate", "exact", "off"] = "auto"
    size: int = 512
    halo: int = 40
    blend: int = 16
    above_mp: float = 4.0
    sample_size: int = 256
    sample_halo: int = 32
    in_step_mp: float = 0.7
    samples: int = 4

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

    reference: the network to take statistics with, where another than `network` is better. progress: hears of the
    share that is done.
    """
    work = Work(window, network, height, width, step, tiling, progress)
    table = work.sampled(reference or network)
    if tiling.mode == "exact":
        table = work.settled(table)
    yield from work.rows(table)


class Work:
    """A picture that is being translated."""

    def __init__(
        self,
        window: Window,
        network: Network,
        height: int,
        width: int,
        step: int,
        tiling: Tiling,
        progress: Callable[[float], None],
    ) -> None:
        self.window, self.network, self.progress = window, network, progress
        self.height, self.width, self.step, self.tiling = height, width, step, tiling
        self.row_spans, self.column_spans = self.cut(tiling.size, max(tiling.halo, tiling.blend))
        self.tiles = [Tile(rows, columns) for rows in self.row_spans for columns in self.column_spans]

    def cut(self, size: int, halo: int) -> tuple[list[Span], list[Span]]:
        return spans(self.height, size, halo, self.step), spans(self.width, size, halo, self.step)

    def translate(self, tile: Tile, network: Network, shared: Shared) -> Tensor:
        """What the network makes of what a tile is shown, `C h w`."""
        rows, columns = tile.rows, tile.columns
        shown = self.window(rows.low, rows.high, columns.low, columns.high)
        with shared:
            return network(shown)[0]

    def sampled(self, network: Network) -> list[Moments]:
        """The statistics of some small tiles, as many in step as memory allows; of all, where these are all."""
        tiling = self.tiling
        rows, columns = self.cut(tiling.sample_size, tiling.sample_halo)
        tiles = [Tile(row, column) for row in rows for column in columns]
        together = max(1, int(1e6 * tiling.in_step_mp) // max(tile.pixels for tile in tiles))
        chosen = [tiles[number] for number in spread(len(tiles), together * tiling.samples)]
        count = -(-len(chosen) // together)
        tables = [self.in_step(chosen[number::count], network) for number in range(count)]
        return [sum(each[1:], start=each[0]) for each in zip(*tables, strict=True)]

    def in_step(self, tiles: list[Tile], network: Network) -> list[Moments]:
        """The statistics of these tiles, each of which uses those of all."""
        meeting = Meeting(len(tiles))

        def run(number: int) -> None:
            with meeting.turn:
                try:
                    self.translate(tiles[number], network, Together(tiles[number].core, meeting, number))
                except BaseException:
                    meeting.barrier.abort()
                    raise

        with ThreadPoolExecutor(len(tiles)) as threads:
            done = [threads.submit(run, number) for number in range(len(tiles))]
        faults = [fault for one in done if (fault := one.exception())]
        for fault in sorted(faults, key=lambda fault: isinstance(fault, threading.BrokenBarrierError)):
            raise fault
        return meeting.table()

    def settled(self, table: Sequence[Moments]) -> list[Moments]:
        """The statistics of all tiles, when they do not move any more: at the latest after a pass for each."""
        table = list(table)
        for turn in range(len(table)):
            found: dict[int, Moments] = {}
            for tile in self.tiles:
                self.translate(tile, self.network, Alone(tile.core, table, found))
            moved, table = change(table, [found[place] for place in sorted(found)]), [found[p] for p in sorted(found)]
            self.progress((turn + 1) / (len(table) + 1))
            if moved < STILL:
                break
        return table

    def rows(self, table: Sequence[Moments] | None) -> Iterator[Tensor]:
        """The finished rows, one row of tiles after another; a seam is kept until its other half is there."""
        blend, seam = self.tiling.blend, torch.zeros(0)
        for number, row in enumerate(self.row_spans):
            top, down = row.weights(blend, self.height)
            band = torch.zeros(0)
            for column in self.column_spans:
                tile = Tile(row, column)
                output = self.translate(tile, self.network, Alone(tile.core, table)).float().cpu()
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
            self.progress((number + 1) / len(self.row_spans))
