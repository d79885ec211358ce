"""Distances in deep features: two pictures are near where a trained network sees the same.

Johnson, Alahi, Fei-Fei: Perceptual Losses for Real-Time Style Transfer and Super-Resolution, ECCV 2016; the features of
a pixel have unit length, as in Zhang et al.: The Unreasonable Effectiveness of Deep Features, CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor

from diptych.nn.perceptual import Perceptual

Deep = Literal["efficientnet_lite0", "vgg19", "none"]
"""A network whose features are compared."""


class VGGFeatures(Perceptual):
    """VGG-19's relu1_2 to relu5_2, at 1/1 to 1/16 of the size, of pictures `B 3 H W` in [-1, 1]."""

    mean: Tensor
    deviation: Tensor
    taps: ClassVar[tuple[int, ...]] = (3, 8, 13, 22, 31)
    """The second ReLU of each block, by its place among the layers."""

    def __init__(self) -> None:
        super().__init__((2, 2, 4, 4, 2))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.network.after(self.taps, ((x + 1) / 2 - self.mean) / self.deviation)


def deep_distance(network: Callable[[Tensor], list[Tensor]], fake: Tensor, real: Tensor) -> Tensor:
    """The squared distance of unit-length features of pictures `B C H W` in [-1, 1]: means of layers, added up.

    It moves `fake` alone. One channel is shown as grey; of more than three, three at a time.
    """
    with torch.no_grad():
        aims = network(in_colours(real))
    distances = [
        (unit_length(one) - unit_length(aim)).square().sum(dim=1).mean()
        for one, aim in zip(network(in_colours(fake)), aims, strict=True)
    ]
    return torch.stack(distances).sum()


def in_colours(x: Tensor) -> Tensor:
    """Pictures of C channels as such of three: one is repeated, more are taken three at a time, `B*ceil(C/3) 3 H W`.

    What is missing to a multiple of three is the last channel again.
    """
    channels = x.shape[1]
    if channels == 1:
        return x.expand(-1, 3, -1, -1)
    missing = -channels % 3
    filled = torch.cat([x, x[:, -1:].expand(-1, missing, -1, -1)], dim=1) if missing else x
    return filled.unflatten(1, (-1, 3)).flatten(0, 1)


def unit_length(x: Tensor) -> Tensor:
    """The channels of every pixel, scaled to length one; where all are near zero they stay so.

    A loss needs its gradient there, which that of `perceptual.unit`, made for scores, has not.
    """
    x = x.float()
    return x * (x.square().sum(dim=1, keepdim=True) + 1e-6).rsqrt()
