"""Instance normalisation (Ulyanov et al. 2016): each channel of each picture by its own mean and variance.

torch's kernel knows only the layout `B C H W`; handed pictures in channels_last it copies them there and back, and in
training that costs more than the convolution beside it. A picture by itself is a batch of one, though, and the batch
norm kernel does know channels_last. Its sums are plainer, which bfloat16 does not notice and float32 would.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def instance_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Normalise `B C H W` over H and W, then scale and shift by `weight` and `bias` of shape `C`."""
    if x.dtype == torch.float32 or x.is_contiguous():
        return F.instance_norm(x, weight=weight, bias=bias, eps=eps)
    pictures = [F.batch_norm(one, None, None, weight, bias, training=True, eps=eps) for one in x.split(1)]
    return pictures[0] if len(pictures) == 1 else torch.cat(pictures)
