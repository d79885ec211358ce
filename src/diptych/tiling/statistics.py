"""What looks at a whole picture: the tiles of a picture share its sums and extremes, as if they were one picture.

An instance norm that looks at each tile by itself gives every tile another tint (the field's known fault). Here,
whatever computes statistics of a whole picture asks for them: for each such operation, in the order in which a network
comes by them, there are the sums over all tiles.

Tiles can be translated together, in step: at each such operation they wait for one another and use the sums over all
of them. That is exact for these tiles, and takes the memory of all of them. What they found can be a table for any
number of further tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from diptych.tiling.sharing import Shared

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


@dataclass
class Largest:
    """The largest value of each channel."""

    values: Tensor

    def __add__(self, other: Largest) -> Largest:
        return Largest(torch.maximum(self.values, other.values))


Statistics = Moments | Largest


def seen(part: Tensor, groups: int) -> Moments:
    """The moments of `1 C h w`, by group of channels; a few rows at a time, which stay in the processor's cache."""
    others, count = [0, *range(2, part.dim())], part.numel() / part.shape[1]
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


def moments(shared: Shared, x: Tensor, groups: int) -> Moments:
    """Those of all the tiles."""
    found: Moments = shared.share(x, partial(seen, groups=groups))
    return found


def instance_norm(
    shared: Shared, x: Tensor, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None,
    use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    return normalised(shared, x, weight, bias, eps) if use_input_stats else NotImplemented


def batch_norm(
    shared: Shared, x: Tensor, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    return normalised(shared, x, weight, bias, eps) if training else NotImplemented


def normalised(shared: Shared, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    used = moments(shared, x, x.shape[1])
    mean, variance = used.mean.to(torch.float32), used.variance.to(torch.float32)
    return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)


def group_norm(
    shared: Shared, x: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    used = moments(shared, x, num_groups)
    each = x.shape[1] // num_groups
    mean, variance = (one.to(torch.float32).repeat_interleave(each) for one in (used.mean, used.variance))
    return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)


def groups_of(x: Tensor, dim: Any) -> int:
    """How many statistics of `1 C h w` there are over these dimensions: C, 1, or 0 where they are not of a picture."""
    every = range(x.dim())
    dims = set(every) if dim is None else {one % x.dim() for one in (dim if isinstance(dim, tuple | list) else [dim])}
    if x.dim() != 4 or not {2, 3} <= dims:
        return 0
    return 1 if 1 in dims else x.shape[1]


def shaped(found: Tensor, x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """Statistics as torch would return them."""
    kept = found.to(x.dtype).view(1, -1, 1, 1)
    if keepdim or dim is None:
        return kept if keepdim else kept.reshape(())
    gone = sorted((one % 4 for one in dim), reverse=True)
    for one in gone:
        kept = kept.squeeze(one)
    return kept


def mean(shared: Shared, x: Tensor, dim: Any = None, keepdim: bool = False, **options: Any) -> Any:
    if not (groups := groups_of(x, dim)):
        return NotImplemented
    return shaped(moments(shared, x, groups).mean, x, dim, keepdim)


def total(shared: Shared, x: Tensor, dim: Any = None, keepdim: bool = False, **options: Any) -> Any:
    if not (groups := groups_of(x, dim)):
        return NotImplemented
    return shaped(moments(shared, x, groups).total, x, dim, keepdim)


def var_mean(
    shared: Shared, x: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *,
    correction: float | None = None,
) -> Any:  # fmt: skip
    if isinstance(dim, bool) or not (groups := groups_of(x, dim)):
        return NotImplemented
    used = moments(shared, x, groups)
    lost = float(unbiased) if correction is None else correction
    spread = used.variance * used.count / max(1.0, used.count - lost)
    return shaped(spread, x, dim, keepdim), shaped(used.mean, x, dim, keepdim)


def variance(shared: Shared, x: Tensor, *args: Any, **options: Any) -> Any:
    found = var_mean(shared, x, *args, **options)
    return found if found is NotImplemented else found[0]


def deviation(shared: Shared, x: Tensor, *args: Any, **options: Any) -> Any:
    found = variance(shared, x, *args, **options)
    return found if found is NotImplemented else found.sqrt()


def amax(shared: Shared, x: Tensor, dim: Any = (), keepdim: bool = False, sign: int = 1) -> Any:
    dim = None if dim == () else dim
    if not (groups := groups_of(x, dim)):
        return NotImplemented
    found: Largest = shared.share(x, lambda part: Largest((sign * part).reshape(groups, -1).amax(1)))
    return shaped(sign * found.values, x, dim, keepdim)


def average_pool(shared: Shared, x: Tensor, output_size: Any) -> Any:
    return mean(shared, x, (2, 3), keepdim=True) if output_size in (1, (1, 1), [1, 1]) else NotImplemented


def max_pool(shared: Shared, x: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    if return_indices or output_size not in (1, (1, 1), [1, 1]):
        return NotImplemented
    return amax(shared, x, (2, 3), keepdim=True)


STATISTICS: dict[Any, Callable[..., Any]] = {
    F.instance_norm: instance_norm,
    F.batch_norm: batch_norm,
    F.group_norm: group_norm,
    F.adaptive_avg_pool2d: average_pool,
    F.adaptive_max_pool2d: max_pool,
    torch.var_mean: var_mean,
    **dict.fromkeys((torch.mean, torch.Tensor.mean), mean),
    **dict.fromkeys((torch.sum, torch.Tensor.sum), total),
    **dict.fromkeys((torch.var, torch.Tensor.var), variance),
    **dict.fromkeys((torch.std, torch.Tensor.std), deviation),
    **dict.fromkeys((torch.amax, torch.Tensor.amax), amax),
    **dict.fromkeys((torch.amin, torch.Tensor.amin), partial(amax, sign=-1)),
}
"""What looks at a whole picture, and what does it for a tile."""
