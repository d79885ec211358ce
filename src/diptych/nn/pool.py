"""A history of generated pictures: discriminators see old fakes among the new ones, and do not forget what they knew.

Shrivastava, Pfister, Tuzel, Susskind, Wang, Webb: Learning from Simulated and Unsupervised Images through Adversarial
Training, CVPR 2017, §2.3; with the exchange of single pictures as in CycleGAN (Zhu et al. 2017, §4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Keeps up to `size` pictures, in a buffer that grows with them; 0 turns it off."""

    stored: Tensor

    def __init__(self, size: int = 50) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("stored", torch.empty(0))

    def forward(self, pictures: Tensor, draws: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Hand in fakes `B C H W`, get as many back: the same ones until the pool is full, then half of them older.

        Once the pool is full, each picture in turn is, with probability 1/2, exchanged for a random one of the pool.
        draws: for each picture, whether it is exchanged (bool, `B`) and for which (int64, `B`); by default random.
        Pictures of another size than those stored begin a new history.
        """
        if not self.size:
            return pictures
        pictures = pictures.detach().float()
        if self.stored.shape[1:] != pictures.shape[1:]:
            self.stored = pictures[:0]
        room = max(0, self.size - len(self.stored))
        first, rest = pictures[:room], pictures[room:]
        if len(first):
            self.stored = torch.cat([self.stored, first])
        swap, slot = self.draw(rest) if draws is None else (draw[room:] for draw in draws)
        returned = [self.exchange(*one) for one in zip(rest.split(1), swap.split(1), slot.split(1), strict=True)]
        return torch.cat([first, *returned])

    def draw(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        count, device = (len(pictures),), pictures.device
        return torch.rand(count, device=device) > 0.5, torch.randint(len(self.stored), count, device=device)

    def exchange(self, picture: Tensor, swap: Tensor, slot: Tensor) -> Tensor:
        """Put `picture` into the slot and return what was there, where `swap`; return `picture` otherwise.

        All on the device: nothing waits for the draw.
        """
        old, swap = self.stored.index_select(0, slot), swap[:, None, None, None]
        self.stored.index_copy_(0, slot, torch.where(swap, picture, old))
        return torch.where(swap, old, picture)

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """Take as many pictures as the saved history has."""
        if f"{prefix}stored" in state:
            self.stored = self.stored.new_empty(state[f"{prefix}stored"].shape)
        super()._load_from_state_dict(state, prefix, *args)
