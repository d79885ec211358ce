"""What tiles see of their neighbours' parts, fetched from those whose own it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import product, starmap
from types import TracebackType

from torch import Tensor

from diptych.tiling.grid import Part, Span, Tile
from diptych.tiling.paging import Letters


class Borders:
    """Between two rounds each tile leaves for the others what they see of its own part of its features."""

    def __init__(self, tiles: Sequence[Tile]) -> None:
        self.seen_by: defaultdict[Tile, list[tuple[Tile, Part]]] = defaultdict(list)
        self.sees: defaultdict[Tile, list[tuple[Tile, Part]]] = defaultdict(list)
        rows, columns = near({tile.rows for tile in tiles}), near({tile.columns for tile in tiles})
        for owner in tiles:
            for viewer in starmap(Tile, product(rows[owner.rows], columns[owner.columns])):
                part = owner.part & viewer.shown
                if viewer != owner and part.pixels:
                    self.seen_by[owner].append((viewer, part))
                    self.sees[viewer].append((owner, part))
        self.letters = Letters()

    def __enter__(self) -> Borders:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.letters.close()

    def leave(self, tile: Tile, x: Tensor) -> None:
        """For each neighbour what it sees of features `x` of a tile."""
        for viewer, part in self.seen_by[tile]:
            self.letters.leave((tile, viewer), tile.cut(x, part))

    def fetch(self, tile: Tile, x: Tensor) -> None:
        """Put what neighbours left in the round before into features `x` of a tile."""
        for owner, part in self.sees[tile]:
            self.letters.fetch((owner, tile), tile.cut(x, part))

    def turn(self) -> None:
        """A round is over."""
        self.letters.turn()


def near(spans: Collection[Span]) -> dict[Span, list[Span]]:
    """Those that are shown some of each one's own part."""
    return {one: [other for other in spans if one.start < other.high and other.low < one.end] for one in spans}
