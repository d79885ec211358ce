"""The tiles of a picture share one mean and variance in every norm, as they would if they were one picture.

An instance norm that looks at each tile by itself gives every tile another tint (the field's known fault). Here,
whatever computes statistics of a whole picture asks for them: for each such operation, in the order in which a network
comes by them, there are the sums over all tiles. Networks know nothing of it: their operations are intercepted.

Tiles can be translated together, in step: at each such operation they wait for one another and use the sums over all
of them (`Together`). That is exact for these tiles, and takes the memory of all of them. What they found can be a table
for any number of further tiles (`Alone`).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from greenlet import getcurrent
from torch import Tensor, UntypedStorage
from torch.overrides import TorchFunctionMode

CACHED = 2**18
"""Values that are looked at together."""


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

    def has(self, x: Tensor) -> bool:
        """Whether these are features of the tile, at its size or halved some times."""
        height, width = x.shape[-2:]
        ratio = self.height // height
        return not ratio & (ratio - 1) and (height * ratio, width * ratio) == (self.height, self.width)

    def of(self, x: Tensor) -> Tensor:
        """The same part of features `1 C h w` of the tile; of another picture, such as a style, all of it."""
        if not self.has(x):
            return x
        height, width = x.shape[-2:]
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
        """What this tile has to say; a few rows at a time, which stay in the processor's cache meanwhile."""
        part = self.core.of(x)
        others, count = [0, *range(2, x.dim())], part.numel() / x.shape[1]
        height = max(1, CACHED * part.shape[2] // part.numel())
        near = part[:, :, :height].float().mean(others, keepdim=True)  # to the mean: squares beside it lose nothing
        total = squares = torch.zeros((), dtype=torch.float64)
        for rows in part.split(height, dim=2):
            beside = rows.float() - near
            total = total + beside.sum(others)
            squares = squares + beside.square_().sum(others)
        mean = near.flatten().double()
        by_channel = total + count * mean, squares + mean * (2 * total + count * mean)
        total, squares = (one.view(groups, -1).sum(1) for one in by_channel)
        return Moments(part.numel() / groups, total, squares)


class Alone(Shared):
    """A tile that uses a table."""

    def __init__(self, core: Core, table: Sequence[Moments]) -> None:
        super().__init__(core)
        self.table = table

    def share(self, place: int, x: Tensor, groups: int) -> Moments:
        return self.table[place]


class Together(Shared):
    """A tile in step with others: it tells the greenlet that runs it what it sees, and is told the sums over all."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.made: dict[int, weakref.ref[Tensor]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = super().__torch_function__(func, types, args, kwargs)
        outside = {
            x.untyped_storage().data_ptr()
            for x in args
            if isinstance(x, Tensor) and not ((ref := self.made.get(id(x))) and ref() is x)
        }  # weights, or a style as large as the tile: others need them too
        for x in result if isinstance(result, tuple | list) else [result]:
            new = isinstance(x, Tensor) and x.untyped_storage().data_ptr() not in outside
            if new and x.dim() in (3, 4) and self.core.has(x):
                self.made[id(x)] = weakref.ref(x)
        return result

    def share(self, place: int, x: Tensor, groups: int) -> Moments:
        return getcurrent().parent.switch(self.seen(x, groups))

    def held(self) -> Iterator[UntypedStorage]:
        """The memory of the features that will still be used."""
        alive = {number: x for number, ref in self.made.items() if (x := ref()) is not None}
        self.made = {number: self.made[number] for number in alive}
        storages = {storage.data_ptr(): storage for x in alive.values() if (storage := x.untyped_storage()).resizable()}
        yield from storages.values()


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
