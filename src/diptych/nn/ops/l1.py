"""The mean absolute difference of features in the precision and the layout that they have.

Under mixed precision torch's own takes both to float32, and its gradient comes back in the layout `B C H W`, in which
all that lies before is then computed.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class L1(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, aim: Tensor) -> Tensor:
        difference = x - aim
        ctx.save_for_backward(difference)
        return torch.linalg.vector_norm(difference, 1, dtype=torch.float32) / difference.numel()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (difference,) = ctx.saved_tensors
        return difference.sign().mul_(gradients[0] / difference.numel()), None


def l1(x: Tensor, aim: Tensor) -> Tensor:
    """The mean of `|x - aim|`; `aim` is a constant."""
    return F.l1_loss(x, aim.detach()) if x.dtype == torch.float32 else L1.apply(x, aim)
