"""Operations that torch has, in forms that are faster where pictures lie in channels_last; the numbers are the same.

Some are so on a processor alone: a graphics card is faster with one kernel for a whole batch.
"""

from __future__ import annotations

import torch
from torch import Tensor


def on_processor(x: Tensor) -> bool:
    """Whether a processor computes; tensors without memory, which estimates are made on, stand for its own."""
    return x.device.type in ("cpu", "meta")


def picture_by_picture(x: Tensor) -> bool:
    """Whether norms of `B C H W` are faster one picture at a time, in a kernel that keeps the layout."""
    return on_processor(x) and x.dtype != torch.float32 and not x.is_contiguous()
