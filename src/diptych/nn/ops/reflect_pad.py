"""Padding with the mirror image of the border, in the precision and the layout that pictures have.

Under mixed precision torch's own takes pictures to float32 and the convolution behind it takes them back; around the
convolutions of a ResNet generator that is a tenth of the time.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from diptych.nn.ops import on_processor


class ReflectPad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, pad: int) -> Tensor:
        ctx.pad = pad
        batch, channels, height, width = x.shape
        shape = (batch, channels, height + 2 * pad, width + 2 * pad)
        y = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        y[..., pad:-pad, pad:-pad] = x
        for border, inner in mirrored(pad):
            y[..., pad:-pad, border] = y[..., pad:-pad, inner]
        for border, inner in mirrored(pad):
            y[..., border, :] = y[..., inner, :]
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Each border's gradient is added to that of the pixels it was a copy of."""
        pad, gradient = ctx.pad, gradients[0].clone()
        for border, inner in mirrored(pad):
            gradient[..., inner, :] += gradient[..., border, :]
        for border, inner in mirrored(pad):
            gradient[..., pad:-pad, inner] += gradient[..., pad:-pad, border]
        return gradient[..., pad:-pad, pad:-pad], None


def mirrored(pad: int) -> list[tuple[int, int]]:
    """Of a padded row: each place in the border, and the place inside that it is the mirror image of."""
    return [(k, 2 * pad - k) for k in range(pad)] + [(-1 - k, -1 - 2 * pad + k) for k in range(pad)]


def copied(x: Tensor) -> bool:
    """Whether copies of rows and columns are faster than torch's own kernel."""
    last = x.is_contiguous(memory_format=torch.channels_last)
    return on_processor(x) and x.dtype != torch.float32 and last


def reflect_pad(x: Tensor, pad: int) -> Tensor:
    """`B C H W` with `pad` more pixels on each side, mirrored without the outermost; `pad` is below H and W."""
    if not copied(x) or pad >= min(x.shape[-2:]):  # which torch refuses in words
        return F.pad(x, (pad, pad, pad, pad), mode="reflect")
    if has_torch_function_unary(x):  # for those who intercept torch's operations, this is one
        return handle_torch_function(reflect_pad, (x,), x, pad)
    return ReflectPad.apply(x, pad)
