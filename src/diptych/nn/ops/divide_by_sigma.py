"""A weight divided by u W v, its largest singular value where u and v are its singular vectors (Miyato et al. 2018).

Written out, the gradient goes nine times over a weight, here four times. All is summed along rows as they lie in
memory; across another layout that costs ten times as much.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class DivideBySigma(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
        divisor = sigma(weight, u, v)
        divided = weight / divisor
        ctx.save_for_backward(divided, divisor, u, v)
        return divided

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The derivative of u W v by W is the outer product of u and v."""
        (gradient,), (divided, divisor, u, v) = gradients, ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=layout(divided))
        along = (rows(gradient) * rows(divided)).sum() * u
        across = v.view(1, *divided.shape[1:])
        return torch.addcmul(gradient, along.view(-1, 1, 1, 1), across, value=-1).div_(divisor), None, None


def divide_by_sigma(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """`O I H W` divided by u W v, for u, `O`, and v, `I * H * W`; both are constants."""
    return DivideBySigma.apply(weight, u, v)


def sigma(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """u W v; no product of matrices, which mixed precision would round."""
    across = v.view(1, *weight.shape[1:]).contiguous(memory_format=layout(weight))
    return ((rows(weight) * rows(across)).sum(1, dtype=torch.float32) * u).sum()


def power_step(weight: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """u and v after a step of the power method; what mixed precision rounds in it, the next step mends."""
    matrix = rows(weight)
    across = F.normalize(matrix.t().mv(u).float(), dim=0)
    u = F.normalize(matrix.mv(across).float(), dim=0)
    if not weight.is_contiguous():
        across = across.view(*weight.shape[2:], -1).movedim(-1, 0).flatten()
    return u, across


def layout(x: Tensor) -> torch.memory_format:
    return torch.contiguous_format if x.is_contiguous() else torch.channels_last


def rows(x: Tensor) -> Tensor:
    """`O I H W` as a matrix of one row for each output, in the order of memory: no copy."""
    return (x if x.is_contiguous() else x.permute(0, 2, 3, 1)).flatten(1)
