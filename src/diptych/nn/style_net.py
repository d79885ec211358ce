"""The generator of Johnson et al. (2016) for one style, with instance norms (Ulyanov et al. 2016).

Johnson, Alahi, Fei-Fei: Perceptual Losses for Real-Time Style Transfer and Super-Resolution, ECCV 2016; Ulyanov,
Vedaldi, Lempitsky: Instance Normalization: The Missing Ingredient for Fast Stylization, 2016; doubled by repeated
pixels and a convolution, against grid patterns (Odena et al. 2016).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.blocks import Conv2d
from diptych.nn.norms import ScaledInstanceNorm


def mirrored(inputs: int, outputs: int, size: int, *, stride: int = 1) -> Conv2d:
    """A convolution that sees the mirror image beyond the border."""
    return Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, padding_mode="reflect")


class Block(nn.Module):
    """Two 3x3 convolutions with norms, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = mirrored(channels, channels, 3), ScaledInstanceNorm(channels)
        self.conv2, self.norm2 = mirrored(channels, channels, 3), ScaledInstanceNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.norm1(self.conv1(x)))
        return x + self.norm2(self.conv2(hidden))


class StyleNet(nn.Module):
    """Two halvings, residual blocks, two doublings; what it gives is not bounded.

    Height and width must be multiples of 4. Inside, black is 0 and white 255, as in published weights.
    """

    def __init__(self, source_channels: int, target_channels: int, *, width: int = 32, blocks: int = 5) -> None:
        super().__init__()

        def layer(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
            return nn.Sequential(mirrored(inputs, outputs, size, stride=stride), ScaledInstanceNorm(outputs), nn.ReLU())

        self.stem = layer(source_channels, width, 9)
        self.downs = nn.Sequential(layer(width, 2 * width, 3, 2), layer(2 * width, 4 * width, 3, 2))
        self.blocks = nn.Sequential(*(Block(4 * width) for _ in range(blocks)))
        self.ups = nn.ModuleList((layer(4 * width, 2 * width, 3), layer(2 * width, width, 3)))
        self.head = mirrored(width, target_channels, 9)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.downs(self.stem(127.5 * (x + 1))))
        for up in self.ups:
            x = up(F.interpolate(x, scale_factor=2.0))
        return self.head(x) / 127.5 - 1
