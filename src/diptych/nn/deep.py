"""Deep features: what a trained network sees in pictures tells how far two of them are apart, or which is real.

Distances: Johnson, Alahi, Fei-Fei: Perceptual Losses for Real-Time Style Transfer and Super-Resolution, ECCV 2016; the
features of a pixel have unit length, as in Zhang et al.: The Unreasonable Effectiveness of Deep Features, CVPR 2018.
Discriminators: Sauer, Chitta, Mueller, Geiger: Projected GANs Converge Faster, NeurIPS 2021.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.efficientnet import EfficientNetLite0
from diptych.nn.perceptual import Perceptual
from diptych.nn.smooth import mirrored

Deep = Literal["efficientnet_lite0", "vgg19", "none"]
"""A network whose features are compared, or given to a discriminator."""

PRETRAINED = {"efficientnet": "efficientnet_lite0", "vgg": "vgg19"}
"""The parts of a method that are such networks, and the names of their weights."""

BY_WEIGHTS: dict[str, str | None] = {"efficientnet_lite0": "efficientnet_lite0", "vgg19": "vgg19", "none": None}
"""The networks, the quickest first, with the weights that each needs."""


class VGGFeatures(Perceptual):
    """VGG-19's relu1_2 to relu5_2, at 1/1 to 1/16 of the size, of pictures `B 3 H W` in [-1, 1]."""

    mean: Tensor
    deviation: Tensor
    taps: ClassVar[tuple[int, ...]] = (3, 8, 13, 22, 31)
    """The second ReLU of each block, by its place among the layers."""

    channels: ClassVar[tuple[int, ...]] = (64, 128, 256, 512, 512)

    def __init__(self) -> None:
        super().__init__((2, 2, 4, 4, 2))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.network.after(self.taps, ((x + 1) / 2 - self.mean) / self.deviation)


class DeepDiscriminator(nn.Module):
    """Judges pictures `B C H W` in [-1, 1] by what a trained network sees: a map of logits for each of three features.

    They are those at 1/4, 1/8 and 1/16 of the size, and each has a small network of `width` channels. What sees the
    pictures is never trained: the small networks alone have to learn what tells two kinds of them apart.
    """

    seen = slice(2, 5)

    def __init__(self, network: EfficientNetLite0 | VGGFeatures, *, width: int = 64) -> None:
        super().__init__()
        self.network = network
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, width, 1),
                nn.LeakyReLU(0.2),
                mirrored(width, width),
                nn.LeakyReLU(0.2),
                nn.Conv2d(width, 1, 1),
            )
            for inputs in network.channels[self.seen]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        features = self.network(in_colours(x))[self.seen]
        scaled = (one.shape[1] ** 0.5 * unit_length(one) for one in features)  # to a mean square of one
        return [head(one) for head, one in zip(self.heads, scaled, strict=True)]


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


SMALLEST = 32
"""Sides of the smallest pictures that all layers of these networks see."""


def in_colours(x: Tensor) -> Tensor:
    """Pictures of C channels as such of three: one is repeated, more are taken three at a time, `B*ceil(C/3) 3 H W`.

    What is missing to a multiple of three is the last channel again. Pictures under 32 pixels are enlarged.
    """
    channels, side = x.shape[1], min(x.shape[-2:])
    if side < SMALLEST:
        x = F.interpolate(x, scale_factor=float(-(-SMALLEST // side)))
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
