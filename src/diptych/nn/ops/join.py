"""Concatenation along the channels whose gradients lie as the pictures do.

The gradient of `torch.cat` is a slice of a wider tensor; a batch norm that meets one falls back to a kernel ten times
slower than the one for pictures in channels_last.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Join(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.split = (a.shape[1], b.shape[1])
        return torch.cat([a, b], dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        (joined,) = gradients
        layout = (
            torch.channels_last if joined.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
        )
        return tuple(part.contiguous(memory_format=layout) for part in joined.split(ctx.split, dim=1))


def join(a: Tensor, b: Tensor) -> Tensor:
    """`torch.cat([a, b], dim=1)` of pictures `B C H W`."""
    return Join.apply(a, b)
