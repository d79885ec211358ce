"""Instance normalisation (Ulyanov et al. 2016): each channel of each picture by its own mean and variance.

torch's kernel knows only the layout `B C H W`; handed pictures in channels_last it copies them there and back, and in
training that costs more than the convolution beside it. A picture by itself is a batch of one, though, and the batch
norm kernel does know channels_last. Its sums are plainer, which bfloat16 does not notice and float32 would.

torch's kernel also takes a batch of one to lie as its gradient does: where one is in channels_last and the other is
not, the gradient that it gives is wrong, on the processor, in 2.13 at least. So gradients are laid out for it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from diptych.nn.ops import picture_by_picture


class LaidOut(torch.autograd.Function):
    """What it is given; the gradient is brought into the layout `B C H W`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0].contiguous()


def instance_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Normalise `B C H W` over H and W, then scale and shift by `weight` and `bias` of shape `C`."""
    if not picture_by_picture(x):
        return LaidOut.apply(F.instance_norm(x, weight=weight, bias=bias, eps=eps))
    return joined([F.batch_norm(one, None, None, weight, bias, training=True, eps=eps) for one in x.split(1)])


def adaptive_instance_norm(x: Tensor, scale: Tensor, shift: Tensor, eps: float = 1e-5) -> Tensor:
    """Normalise `B C H W` over H and W, then scale and shift each channel of each picture: `B C`."""
    if not picture_by_picture(x):
        channels = x.contiguous().view(1, -1, *x.shape[2:])
        weight, bias = scale.flatten(), shift.flatten()
        return LaidOut.apply(F.batch_norm(channels, None, None, weight, bias, training=True, eps=eps).view(x.shape))
    each = zip(x.split(1), scale, shift, strict=True)
    return joined([F.batch_norm(one, None, None, weight, bias, training=True, eps=eps) for one, weight, bias in each])


def joined(pictures: list[Tensor]) -> Tensor:
    return pictures[0] if len(pictures) == 1 else torch.cat(pictures)
