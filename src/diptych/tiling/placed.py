"""What is drawn or resized for the size of a picture: made for the whole, and each tile takes its part."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from diptych.tiling.fields import CannotFollow, Field
from diptych.tiling.paging import bytes_of, roomy, write

if TYPE_CHECKING:
    from diptych.tiling.sharing import Shared

AT_ONCE = 2**24
"""Values that are drawn at once; torch makes normal ones sixteen at a time."""


class Draws:
    """What a network draws, one after another, for a picture of that size; in temporary files without names."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.made: list[tuple[Tensor, Tensor]] = []

    def get(self, number: int, draw: Any, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """The draw of that number, whose generator goes on as if it had just been made. Raises StorageError."""
        if number == len(self.made):
            with roomy(), tempfile.TemporaryFile(buffering=0) as file:  # written, as a full disk kills who maps it
                left = prod(shape)
                while left:
                    some = AT_ONCE if left >= 2 * AT_ONCE else left
                    values = draw(some, generator=generator)
                    write(file, bytes_of(values.untyped_storage()))
                    left -= some
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            self.made.append((torch.frombuffer(mapped, dtype=torch.float32).view(shape), generator.get_state()))
        values, state = self.made[number]
        generator.set_state(state)
        return values


def drawn(draw: Any, shared: Shared, *size: Any, generator: Generator | None = None, **options: Any) -> Any:
    shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    stride = shared.tile.stride(shape[-2:]) if len(shape) > 2 else None
    if generator is None or options or not stride:
        return NotImplemented
    whole = (*shape[:-2], shared.draws.height // stride, shared.draws.width // stride)
    values = shared.draws.get(shared.drawn, draw, whole, generator)
    shared.drawn += 1
    made = shared.tile.shown.of(values, stride).clone()
    shared.learn(made, Field.fresh(Fraction(stride)))
    return made


def resized(
    shared: Shared, x: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: Any = None, antialias: bool = False,
) -> Any:  # fmt: skip
    """A picture of its own, such as a style, resized to that of the tile: each side by a matrix, as this is linear."""
    stride = shared.tile.stride(tuple(size)) if isinstance(size, tuple | list) else None
    if not stride or shared.knows(x):
        return NotImplemented
    if mode not in ("nearest", "bilinear", "bicubic"):
        raise CannotFollow
    shown = shared.tile.shown

    def matrix(old: int, new: int, low: int, high: int) -> Tensor:
        same = torch.eye(old, device=x.device)[None, None]
        made = F.interpolate(same, (new, old), mode=mode, align_corners=align_corners, antialias=antialias)
        return made[0, 0, low // stride : high // stride]

    rows = matrix(x.shape[-2], shared.draws.height // stride, shown.top, shown.bottom)
    columns = matrix(x.shape[-1], shared.draws.width // stride, shown.left, shown.right)
    made = (rows @ x.float() @ columns.mT).to(x.dtype)
    shared.learn(made, Field.fresh(Fraction(stride)))
    return made


PLACED: dict[Any, Callable[..., Any]] = {
    torch.rand: partial(drawn, torch.rand),
    torch.randn: partial(drawn, torch.randn),
    F.interpolate: resized,
}
"""What makes something for the size of a picture, and what does it for a tile."""
