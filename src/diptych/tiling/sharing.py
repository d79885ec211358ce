"""A tile is translated as a part of its picture: what the network does is intercepted, and it knows nothing of it.

Three things make a tile differ from the same part of the whole, and each is put right where it arises. What looks at
all of a picture, such as a norm, is told what all tiles see together (`statistics`). What looks at neighbouring values
is wrong near a border of the tile: how far inwards is followed (`fields`), and before that reaches the tile's own part,
features are fetched from the tiles whose own they are (`borders`). What is drawn or resized for the size of a picture
is made for the whole, and the tile's part of it taken (`placed`).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from greenlet import getcurrent
from torch import Tensor, UntypedStorage
from torch.overrides import TorchFunctionMode

from diptych.tiling.borders import Borders
from diptych.tiling.fields import RULES, CannotFollow, Field
from diptych.tiling.grid import Tile
from diptych.tiling.placed import PLACED, Draws
from diptych.tiling.statistics import STATISTICS, Statistics

LIKE = {torch.Tensor.to, torch.Tensor.type_as}
"""What takes of its second argument nothing but the type."""
Look = Callable[[Tensor], Statistics]


@dataclass(frozen=True)
class Known:
    """Features of a tile: how far they look, and how high and wide they are."""

    features: weakref.ref[Tensor]
    field: Field
    size: tuple[int, int]


class Shared(TorchFunctionMode):
    """Runs a network on one tile `1 C h w`.

    draws: what was drawn for the whole picture. halo: how far features may look before they are made right again, or
    None where they never are. early: at which statistics, by their number, they are made right in any case.
    """

    def __init__(self, tile: Tile, draws: Draws, halo: int | None, early: Collection[int] = ()) -> None:
        super().__init__()
        self.tile, self.draws, self.halo, self.early = tile, draws, halo, early
        self.drawn = self.shares = 0
        self.known: dict[int, Known] = {}

    def begin(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the tile shows, which the network is given."""
        for x in tensors.values():
            self.learn(x, Field())
        return tensors

    def learn(self, x: Tensor, field: Field, size: tuple[int, int] | None = None) -> None:
        height, width = x.shape[-2:] if size is None else size
        self.known[id(x)] = Known(weakref.ref(x), field, (height, width))

    def knows(self, x: Any) -> Known | None:
        """What is known of `x`, if it is made of what the tile shows."""
        known = self.known.get(id(x))
        return known if known and known.features() is x else None

    def features(self, *given: Any) -> Iterator[Tensor]:
        """Those of the arguments of an operation that are made of what the tile shows."""
        for one in given:
            if isinstance(one, Tensor):
                if self.knows(one):
                    yield one
            elif isinstance(one, tuple | list):
                yield from self.features(*one)
            elif isinstance(one, dict):
                yield from self.features(*one.values())

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if not args and "input" in given:
            args = (given.pop("input"),)
        if (placed := PLACED.get(func)) and (made := placed(self, *args, **given)) is not NotImplemented:
            return made
        if not (features := list(self.features(args, given))):
            return func(*args, **given)
        first = args and self.knows(args[0])
        if first and (statistic := STATISTICS.get(func)):
            made = statistic(self, *args, **given)
            if made is not NotImplemented:
                return self.follow(made, features[:1])
        if first and (rule := RULES.get(func)):
            return self.looked(func, rule, args, given)
        made = self.pointwise(func, args, given)
        return self.follow(made, [x for x in args[:1] if self.knows(x)] if func in LIKE else features)

    def pointwise(self, func: Any, args: Any, given: Any) -> Any:
        """The result of what looks at each value's own place alone, as `Survey` has seen to."""
        return func(*args, **given)

    def follow(self, result: Any, sources: Sequence[Tensor]) -> Any:
        """Its result, which looks as far as its sources do. What has no places any more belongs to the picture."""
        known = [one for x in sources if (one := self.knows(x))]
        for x in tensors_of(result):
            size = next((one.size for one in known if has(x, one.size)), None)
            if size:
                field = known[0].field
                for one in known[1:]:
                    field |= one.field
                self.learn(x, field, size)
        return result

    def looked(self, func: Any, rule: Callable[..., Field], args: Any, given: Any) -> Any:
        """The result of what looks at neighbouring values, which are made right before if that would be too far."""
        x = args[0]
        after = rule(self.field(x), *args, **given)
        if self.halo is not None and after.halo > self.halo and self.aligned(x) and self.field(x).halo > 0:
            self.refresh(x)
            after = rule(self.field(x), *args, **given)
        assert self.halo is None or after.halo <= self.halo, "a tile is shown too little"
        result = func(*args, **given)
        for one in tensors_of(result):
            self.learn(one, after)
        return result

    def field(self, x: Tensor) -> Field:
        known = self.knows(x)
        assert known
        return known.field

    def stride(self, x: Tensor) -> int | None:
        """How many pixels a side each value of `x` stands for, if it has a value for every part of the tile."""
        return self.tile.stride(x.shape[-2:])

    def share(self, x: Tensor, look: Look) -> Any:
        """What all tiles see together, by what each sees in its own part of `x`."""
        self.shares += 1
        early = self.shares in self.early and self.aligned(x)  # where they wait for each other anyway
        return self.agree(look(self.own(x)), x if early else None)

    def refresh(self, x: Tensor) -> None:
        """Make features right everywhere, and not in the tile's own part alone."""
        self.agree(None, x)

    def aligned(self, x: Tensor) -> bool:
        """Whether features can be made right: they are the tile's, without borders, each with memory of its own."""
        return self.stride(x) is not None and 0 not in x.stride()

    def agree(self, seen: Statistics | None, stale: Tensor | None) -> Any:
        """What all tiles see together, and features made right, in place."""
        raise NotImplementedError

    def fresh(self, x: Tensor) -> None:
        """These features have been made right."""
        self.learn(x, Field.fresh(self.field(x).stride))

    def own(self, x: Tensor) -> Tensor:
        """The part of features that is the tile's own, not shown to neighbours as well."""
        if not self.stride(x):
            raise CannotFollow
        return self.tile.cut(x, self.tile.part)


def tensors_of(result: Any) -> Iterator[Tensor]:
    for x in result if isinstance(result, tuple | list) else [result]:
        if isinstance(x, Tensor):
            yield x


def has(x: Tensor, size: tuple[int, int]) -> bool:
    """Whether two successive sides of a tensor are of that size."""
    return size in zip(x.shape, x.shape[1:], strict=False)


class Alone(Shared):
    """A tile that takes its statistics from a table."""

    def __init__(self, tile: Tile, draws: Draws, table: Sequence[Statistics]) -> None:
        super().__init__(tile, draws, None)
        self.table = iter(table)

    def share(self, x: Tensor, look: Look) -> Any:
        return next(self.table)


class Together(Shared):
    """A tile in step with others: it tells the greenlet that runs it what it sees, and is told what all of them see.

    borders: where what they see of each other's features is left and fetched.
    """

    def __init__(self, tile: Tile, draws: Draws, halo: int | None, early: Collection[int], borders: Borders) -> None:
        super().__init__(tile, draws, halo, early)
        self.borders = borders
        self.made: dict[int, weakref.ref[Tensor]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = super().__torch_function__(func, types, args, kwargs)
        outside = {
            x.untyped_storage().data_ptr()
            for x in args
            if isinstance(x, Tensor) and not ((ref := self.made.get(id(x))) and ref() is x)
        }  # weights, or a style as large as the tile: others need them too
        for x in tensors_of(result):
            if x.dim() in (3, 4) and self.stride(x) and x.untyped_storage().data_ptr() not in outside:
                self.made[id(x)] = weakref.ref(x)
        return result

    def agree(self, seen: Statistics | None, stale: Tensor | None) -> Any:
        if stale is not None:
            self.borders.leave(self.tile, stale)
        used = getcurrent().parent.switch(seen)
        if stale is not None:
            self.borders.fetch(self.tile, stale)
            self.fresh(stale)
        return used

    def held(self) -> Iterator[UntypedStorage]:
        """The memory of the features that will still be used."""
        alive = {number: x for number, ref in self.made.items() if (x := ref()) is not None}
        self.made = {number: self.made[number] for number in alive}
        self.known = {number: known for number, known in self.known.items() if known.features() is not None}
        storages = {storage.data_ptr(): storage for x in alive.values() if (storage := x.untyped_storage()).resizable()}
        yield from storages.values()
