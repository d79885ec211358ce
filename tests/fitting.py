"""What the tests of methods that fit tiny pictures share."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from diptych.methods.method import Method
from diptych.runtime.speed import PLAIN
from diptych.training.trainer import Trainer

M = TypeVar("M", bound=Method)


def fit(method: M, batch: dict[str, Tensor], steps: int, **training: object) -> M:
    """The method after so many steps on one batch, for use."""
    images = steps * len(next(iter(batch.values())))
    trainer = Trainer(method, images=images, speed=PLAIN, **training)
    for _ in range(steps):
        trainer.step(batch)
    return method.eval().requires_grad_(False)


def scenes(count: int, size: int = 16) -> Tensor:
    """Pictures `B 3 H W` of a bright rectangle each, of its own place and colour, on a dark ground."""
    chance = torch.Generator().manual_seed(1)
    pictures = torch.full((count, 3, size, size), -0.8)
    for picture in pictures:
        top, left = (int(n) for n in torch.randint(0, size // 2, (2,), generator=chance))
        colour = torch.rand(3, 1, 1, generator=chance) * 2 - 1
        picture[:, top : top + size // 2, left : left + size // 2] = colour
    return pictures
