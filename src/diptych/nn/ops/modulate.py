"""Scale and shift every pixel of every channel by a map of its own, and perhaps a leaky ReLU (Park et al. 2019, eq. 1).

Written out, autograd keeps four tensors as large as the pictures and joins the gradients of the two halves anew. Here
three are kept, and each half of the gradient is written where it belongs.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class Modulate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, maps: Tensor, slope: float) -> Tensor:
        gamma, beta = maps.chunk(2, dim=1)
        y = (x + beta).addcmul_(x, gamma)
        y = y if slope == 1 else F.leaky_relu_(y, slope)
        ctx.slope = slope
        ctx.save_for_backward(x, maps, y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,), (x, maps, y), slope = gradients, ctx.saved_tensors, ctx.slope
        if slope != 1:  # the sign of y is that of what went in
            gradient = torch.ops.aten.leaky_relu_backward(gradient, y, slope, True)
        of_maps = torch.empty_like(maps)
        of_gamma, of_beta = of_maps.chunk(2, dim=1)
        torch.mul(gradient, x, out=of_gamma)
        of_beta.copy_(gradient)
        return torch.addcmul(gradient, gradient, maps.chunk(2, dim=1)[0]), of_maps, None


def modulate(x: Tensor, maps: Tensor, slope: float = 1.0) -> Tensor:
    """`x * (1 + gamma) + beta`, below zero `slope` times as much; `maps`, `B 2C H W`, hold gamma and then beta."""
    if x.dtype == torch.float32:
        gamma, beta = maps.chunk(2, dim=1)
        return F.leaky_relu(torch.addcmul(x + beta, x, gamma), slope)
    return Modulate.apply(x, maps, slope)
