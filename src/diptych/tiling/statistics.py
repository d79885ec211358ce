"""The tiles of a picture share one mean and variance in every norm, as they would if they were one picture.

An instance norm that looks at each tile by itself gives every tile another tint (the field's known fault). Here,
whatever computes statistics of a whole picture asks for them: for each such operation, in the order in which a network
comes by them, there are the sums over all tiles. Networks know nothing of it: their operations are intercepted.

Some tiles can be translated together, in step: at each such operation they wait for one another and use the sums over
all of them (`Together`). That is exact for these tiles, and takes the memory of all of them. What they found can be a
table for any number of further tiles (`Alone`), which also say what they see: with their sums as the next table, and so
on, the first norm is exact after one pass, its successor after two, and all of them after as many passes as there are.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


@dataclass
class Moments:
    """Count, sum and sum of squares of what one operation looks at, by channel or group."""

    count: float
    total: Tensor
    squares: Tensor

    @property
    def mean(self) -> Tensor:
        return self.total / self.count

    @property
    def variance(self) -> Tensor:
        return (self.squares / self.count - self.mean.square()).clamp(min=0)

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.total + other.total, self.squares + other.squares)


@dataclass(frozen=True)
class Core:
    """The part of a tile that is its own, not seen by neighbours as well: of `height` rows from `top` to `bottom`."""

    height: int
    width: int
    top: int
    bottom: int
    left: int
    right: int

    def of(self, x: Tensor) -> Tensor:
        """The same part of features `1 C h w` of the tile; of another picture, such as a style, all of it."""
        height, width = x.shape[-2:]
        ratio = self.height // height
        if ratio & (ratio - 1) or (height * ratio, width * ratio) != (self.height, self.width):
            return x
        rows = slice(self.top * height // self.height, max(1, -(-self.bottom * height // self.height)))
        columns = slice(self.left * width // self.width, max(1, -(-self.right * width // self.width)))
        return x[..., rows, columns]


class Shared(TorchFunctionMode):
    """Runs a network on one tile `1 C h w`, and asks `share` for the statistics of each operation."""

    def __init__(self, core: Core) -> None:
        super().__init__()
        self.core, self.place = core, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if (own := OPERATIONS.get(func)) is not None:
            result = own(self, *args, **given)
            if result is not NotImplemented:
                return result
        return func(*args, **given)

    def moments(self, x: Tensor, groups: int) -> Moments:
        """What the operation that comes next is to use of `x`, by group of channels."""
        used = self.share(self.place, x, groups)
        self.place += 1
        return used

    def share(self, place: int, x: Tensor, groups: int) -> Moments:
        raise NotImplementedError

    def seen(self, x: Tensor, groups: int) -> Moments:
        """What this tile has to say."""
        part = self.core.of(x).float().reshape(groups, -1)
        variance, mean = (one.double() for one in torch.var_mean(part, dim=1, correction=0))
        count = float(part.shape[1])
        return Moments(count, count * mean, count * (variance + mean.square()))


class Alone(Shared):
    """A tile that uses a table, and adds what it sees to `found`, if that is wanted; without a table its own."""

    def __init__(self, core: Core, table: Sequence[Moments] | None, found: dict[int, Moments] | None = None) -> None:
        super().__init__(core)
        self.table, self.found = table, found

    def share(self, place: int, x: Tensor, groups: int) -> Moments:
        if self.table is not None and self.found is None:
            return self.table[place]
        own = self.seen(x, groups)
        if self.found is not None:
            self.found[place] = self.found[place] + own if place in self.found else own
        return own if self.table is None else self.table[place]


class Meeting:
    """Where tiles in step wait for one another; only one of them computes at a time."""

    def __init__(self, tiles: int) -> None:
        self.turn = threading.Lock()
        self.barrier = threading.Barrier(tiles)
        self.said: defaultdict[int, dict[int, Moments]] = defaultdict(dict)

    def moments(self, place: int) -> Moments:
        """The sums over all tiles, always in the same order."""
        return reduce(add, (said for _, said in sorted(self.said[place].items())))

    def table(self) -> list[Moments]:
        return [self.moments(place) for place in sorted(self.said)]


class Together(Shared):
    """One of several tiles in step."""

    def __init__(self, core: Core, meeting: Meeting, number: int) -> None:
        super().__init__(core)
        self.meeting, self.number = meeting, number

    def share(self, place: int, x: Tensor, groups: int) -> Moments:
        self.meeting.said[place][self.number] = self.seen(x, groups)
        self.meeting.turn.release()
        try:
            self.meeting.barrier.wait()
        finally:
            self.meeting.turn.acquire()
        return self.meeting.moments(place)


def instance_norm(
    shared: Shared, x: Tensor, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
    use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    return normalised(shared, x, weight, bias, eps)


def batch_norm(
    shared: Shared, x: Tensor, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    return normalised(shared, x, weight, bias, eps) if training else NotImplemented


def normalised(shared: Shared, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    used = shared.moments(x, x.shape[1])
    mean, variance = used.mean.to(torch.float32), used.variance.to(torch.float32)
    return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)


def group_norm(
    shared: Shared, x: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    used = shared.moments(x, num_groups)
    each = x.shape[1] // num_groups
    mean, variance = (one.to(torch.float32).repeat_interleave(each) for one in (used.mean, used.variance))
    return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)


def var_mean(shared: Shared, x: Tensor, dim: Any = None, *, keepdim: bool = False, **options: Any) -> Any:
    if tuple(dim or ()) != (1, 2, 3):
        return NotImplemented
    used = shared.moments(x, 1)
    unbiased = used.variance * used.count / max(1.0, used.count - 1)
    return unbiased.to(x.dtype).view(1, 1, 1, 1), used.mean.to(x.dtype).view(1, 1, 1, 1)


def mean(shared: Shared, x: Tensor, dim: Any = None, keepdim: bool = False, **options: Any) -> Any:
    if not isinstance(dim, tuple | list) or tuple(dim) != (2, 3):
        return NotImplemented
    found = shared.moments(x, x.shape[1]).mean.to(x.dtype)
    return found.view(1, -1, 1, 1) if keepdim else found.view(1, -1)


OPERATIONS: dict[Any, Callable[..., Any]] = {
    F.instance_norm: instance_norm,
    F.batch_norm: batch_norm,
    F.group_norm: group_norm,
    torch.var_mean: var_mean,
    torch.Tensor.mean: mean,
}
"""What looks at a whole picture, and what does it for a tile."""


def change(before: Sequence[Moments], after: Sequence[Moments]) -> float:
    """How far statistics moved between two passes: the largest difference of means, in deviations."""
    moved = [
        ((one.mean - other.mean).abs() / (other.variance + 1e-5).sqrt()).max()
        for one, other in zip(before, after, strict=True)
    ]
    return float(max(moved, default=torch.zeros(())))
