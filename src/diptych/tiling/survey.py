"""What a network asks of tiles, found by running it once on a small one before the work begins."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from diptych.errors import ConfigError
from diptych.tiling.fields import CannotFollow, Field
from diptych.tiling.grid import Tile
from diptych.tiling.placed import Draws
from diptych.tiling.plan import Event, Joined, Looked, Made, Waited
from diptych.tiling.sharing import Look, Shared, tensors_of


class Survey(Shared):
    """Runs one tile with no neighbours, and refuses networks whose tiles would not be together what the whole is.

    step: tiles begin at its multiples. events: what happened, for `planned`.
    """

    def __init__(self, tile: Tile, step: int) -> None:
        super().__init__(tile, Draws(tile.shown.height, tile.shown.width), None)
        self.step = step
        self.numbers: dict[int, int] = {}
        self.events: list[Event] = []
        self.built: dict[int, weakref.ref[Tensor]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            made = super().__torch_function__(func, types, args, kwargs)
        except CannotFollow:
            raise refused(func) from None
        if all(self.is_built(x) for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)):
            self.built |= {id(x): weakref.ref(x) for x in tensors_of(made) if not self.knows(x)}
        return made

    def is_built(self, x: Tensor) -> bool:
        """Whether a tensor was made in the run of nothing that was there before, such as coordinates."""
        built = self.built.get(id(x))
        return built is not None and built() is x

    def learn(self, x: Tensor, field: Field, size: tuple[int, int] | None = None) -> None:
        super().learn(x, field, size)
        self.numbers[id(x)] = len(self.events)
        self.events.append(Made(len(self.events), field))

    def follow(self, result: Any, sources: Sequence[Tensor]) -> Any:
        numbers, begun = tuple(self.numbers[id(x)] for x in sources), len(self.events)
        made = super().follow(result, sources)
        self.events[begun:] = [Joined(number, numbers) for number in range(begun, len(self.events))]
        return made

    def looked(self, func: Any, rule: Callable[..., Field], args: Any, given: Any) -> Any:
        source, aligned, before = self.numbers[id(args[0])], self.aligned(args[0]), self.field(args[0])
        after, begun = rule(before, *args, **given), len(self.events)
        if self.step % after.stride.numerator:  # tiles would begin between two values
            raise CannotFollow
        made = super().looked(func, rule, args, given)
        numbers = range(begun, len(self.events))
        self.events[begun:] = [Looked(number, source, before, after, aligned) for number in numbers]
        return made

    def share(self, x: Tensor, look: Look) -> Any:
        self.events.append(Waited(self.numbers[id(x)], self.aligned(x)))
        return look(self.own(x))

    def pointwise(self, func: Any, args: Any, given: Any) -> Any:
        self.try_out(func, args, given)
        return super().pointwise(func, args, given)

    def try_out(self, func: Any, args: Any, given: Any) -> None:
        """Change what is at one place, and see what else changes. Raises CannotFollow where it is more than that."""
        features = list(self.features(args, given))
        sizes = {known.size for x in features if (known := self.knows(x))}
        others = [x for x in tree_leaves((args, given)) if isinstance(x, Tensor) and not self.knows(x)]
        if any(lies_on(x, feature, size) for x in others if self.is_built(x) for feature in features for size in sizes):
            raise CannotFollow
        plain, other = (self.outcome(func, args, given, disturbed) for disturbed in (False, True))
        for one, changed in zip(plain, other, strict=True):
            if one.shape != changed.shape or not any(own_place(differs(one, changed), size) for size in sizes):
                raise CannotFollow

    def outcome(self, func: Any, args: Any, given: Any, disturbed: bool) -> list[Tensor]:
        """What an operation makes of copies of its arguments; where it changes one and returns nothing, that one."""

        def copied(x: Any) -> Any:
            if not isinstance(x, Tensor):
                return x
            known = self.knows(x)
            return disturb(x, known.size) if disturbed and known else x.clone()

        copies, more = tree_map(copied, args), tree_map(copied, given)
        result = func(*copies, **more)
        return list(tensors_of(copies[0] if result is None else result))


def middle(size: tuple[int, int]) -> tuple[int, int]:
    """A place that is not on the diagonal, where there is one."""
    height, width = size
    return height // 2, max(0, (width - 1) // 2)


def sides_of(x: Tensor, size: tuple[int, int]) -> list[int]:
    """Which of its sides, each with the one after it, are of that size; the last first."""
    return [side for side in reversed(range(x.dim() - 1)) if tuple(x.shape[side : side + 2]) == size]


def disturb(x: Tensor, size: tuple[int, int]) -> Tensor:
    """A copy with something else at one place: of numbers noise, of ids another id that occurs."""
    made, (row, column) = x.clone(), middle(size)
    side = sides_of(x, size)[0]
    here = made.select(side, row).select(side, column)
    if x.is_floating_point():
        chance = torch.Generator().manual_seed(0)
        here += 100 * torch.randn(here.shape, generator=chance).to(here)
    elif x.dtype == torch.bool:
        here.logical_not_()
    else:
        others = x.unique()
        here.fill_(others[-1] if here.flatten()[0] == others[0] else others[0])
    return made


def differs(one: Tensor, other: Tensor) -> Tensor:
    return (one != other) & ~((one != one) & (other != other))  # NaN is as it was


def own_place(changed: Tensor, size: tuple[int, int]) -> bool:
    """Whether nothing has changed, or only what is at the place where something was."""
    if not changed.any():
        return True
    row, column = middle(size)
    for side in sides_of(changed, size):
        elsewhere = changed.clone()
        elsewhere.select(side, row).select(side, column).fill_(False)
        if not elsewhere.any():
            return True
    return False


def lies_on(x: Tensor, features: Tensor, size: tuple[int, int]) -> bool:
    """Whether a tensor differs from place to place of features that it is combined with."""
    for side in sides_of(features, size):
        for behind in (side - features.dim(), side - features.dim() + 1):
            if -behind <= x.dim() and x.shape[behind] == features.shape[behind] > 1 and varies(x, behind):
                return True
    return False


def varies(x: Tensor, side: int) -> bool:
    return bool(differs(x, x.narrow(side, 0, 1)).any())


def refused(func: Any) -> ConfigError:
    name = getattr(func, "__name__", str(func)).strip("_")
    return ConfigError(
        f"the model cannot translate pictures in tiles: its {name} looks at the whole picture, or at places of it in a "
        "way that tiles do not share; translate it as a whole, with --tiling off, or make the picture smaller"
    )
