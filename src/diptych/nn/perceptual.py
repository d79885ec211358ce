"""Distances that look at pictures as a network trained to recognise things does.

Zhang, Isola, Efros, Shechtman, Wang: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Fire(nn.Module):
    """Squeeze by 1x1, expand by 1x1 and 3x3 side by side (Iandola et al. 2016, §3.1)."""

    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], dim=1)


class SqueezeNet(nn.Module):
    """The convolutions of SqueezeNet 1.1, under the names of its published weights (`features.3.squeeze.weight`).

    Takes colour pictures `B 3 H W`, normalised as in its training, of at least 17 pixels a side. Gives the features
    after the layers `taps`: seven scales of 64, 128, 256, 384, 384, 512 and 512 channels.
    """

    taps = (1, 4, 7, 9, 10, 11, 12)
    channels = (64, 128, 256, 384, 384, 512, 512)

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, stride=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Fire(64, 16, 64),
            Fire(128, 16, 64),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Fire(128, 32, 128),
            Fire(256, 32, 128),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            Fire(512, 64, 256),
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        taps = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                taps.append(x)
        return taps


class LPIPS(nn.Module):
    """Learned perceptual distance v0.1: weighted squared differences of unit-length features (Zhang et al., eq. 1).

    `weights[k]` holds how much each channel of the k-th tap counts; all of them are at least zero, so the distance is
    zero for equal pictures and grows with every difference. It has a gradient, and so serves as a loss as well.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.network = SqueezeNet()
        self.weights = nn.ParameterList(torch.ones(1, channels, 1, 1) for channels in SqueezeNet.channels)
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1), persistent=False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The distance of each picture in `a` to its partner in `b`, both `B 3 H W` in [-1, 1]: shape `(B,)`."""
        return sum(
            (weight * (_unit(x) - _unit(y)) ** 2).sum(dim=1).mean(dim=(1, 2))
            for weight, x, y in zip(self.weights, self.features(a), self.features(b), strict=True)
        )

    def features(self, x: Tensor) -> list[Tensor]:
        return self.network((x - self.shift) / self.scale)


def _unit(x: Tensor) -> Tensor:
    """Scale the channels of every pixel to length one; where all are zero they stay so."""
    return x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
