"""Layer normalisation of whole pictures (Ba et al. 2016), with epsilon added to the unbiased standard deviation.

torch's group norm of one group is the same but that its deviation is biased and its epsilon lies under the root. It
takes an eighth of the time where pictures lie in channels_last, and bfloat16 does not notice the difference.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Normalise each picture of `B C H W` over C, H and W, then scale and shift by `weight` and `bias` of shape `C`."""
    if x.dtype == torch.float32:
        variance, mean = torch.var_mean(x, dim=(1, 2, 3), keepdim=True)
        scale = weight.view(-1, 1, 1) / (variance.sqrt() + eps)
        return torch.addcmul(bias.view(-1, 1, 1) - mean * scale, x, scale)
    return F.group_norm(x, 1, weight, bias, eps**2)
