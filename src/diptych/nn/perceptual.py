"""Distances that look at pictures as a network trained to recognise things does.

Johnson, Alahi, Fei-Fei: Perceptual Losses for Real-Time Style Transfer and Super-Resolution, ECCV 2016.
Zhang, Isola, Efros, Shechtman, Wang: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.ops.instance_norm import instance_norm
from diptych.nn.ops.l1 import l1


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
        return self.between(self.features(a), self.features(b))

    def between(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """The distance by the features of two batches of pictures, of which one may be a single picture."""
        return sum(
            (weight * (unit(x) - unit(y)) ** 2).sum(dim=1).mean(dim=(1, 2))
            for weight, x, y in zip(self.weights, a, b, strict=True)
        )

    def features(self, x: Tensor) -> list[Tensor]:
        return self.network((x - self.shift) / self.scale)


def unit(x: Tensor) -> Tensor:
    """Scale the channels of every pixel to length one; where all are zero they stay so."""
    return x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)


class VGG(nn.Module):
    """The convolutions of VGG-16, under the names of torchvision's weights (Simonyan and Zisserman 2015).

    Takes colour pictures `B 3 H W`, normalised as in its training, and gives the features after the last ReLU
    (relu5_3), `B 512 H/16 W/16`. convolutions: how many there are in each block; `(2, 2, 4, 4, 4)` is VGG-19.
    """

    def __init__(self, convolutions: Sequence[int] = (2, 2, 3, 3, 3)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for block, count in enumerate(convolutions):
            outputs = 64 * 2 ** min(block, 3)
            layers += [nn.MaxPool2d(2)] if block else []
            for _ in range(count):
                layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.ReLU()]
                channels = outputs
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)

    def after(self, places: Container[int], x: Tensor) -> list[Tensor]:
        """What the layers at these places give."""
        seen = []
        for place, layer in enumerate(self.features):
            x = layer(x)
            if place in places:
                seen.append(x)
        return seen


class Perceptual(nn.Module):
    """Holds a VGG whose weights are constants that come from elsewhere by `fill`: nothing trains or saves them."""

    def __init__(self, convolutions: Sequence[int]) -> None:
        super().__init__()
        self.network = VGG(convolutions)
        hold_constant(self.network)

    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the weights from those of torchvision's VGG. Raises KeyError for one that is missing."""
        for name, weight in self.network.named_buffers():
            weight.copy_(tensors[name])


class DomainInvariant(Perceptual):
    """How differently two pictures show their things, whatever the style: squared distance of normalised features.

    The features are VGG-16's relu5_3; instance norm takes away what tells domains apart (Huang et al. 2018, §5.1).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__((2, 2, 3, 3, 3))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The mean over `B C H W` in [-1, 1], of one channel or three, and sides of 32 pixels at least."""
        a, b = (((x.expand(-1, 3, -1, -1) + 1) / 2 - self.mean) / self.deviation for x in (a, b))
        one, other = instance_norm(self.network(torch.cat([a, b]))).chunk(2)
        return F.mse_loss(one, other)


class VGGDistance(Perceptual):
    """The mean absolute difference of VGG-19's relu1_1 to relu5_1, weighted and added up (Wang et al. 2018).

    As published the pictures are not normalised as those that VGG-19 was trained on.
    """

    taps: ClassVar[Mapping[int, float]] = {1: 1 / 32, 6: 1 / 16, 11: 1 / 8, 20: 1 / 4, 29: 1.0}
    """The first ReLU of each block, by its place among the layers, and its weight."""

    def __init__(self) -> None:
        super().__init__((2, 2, 4, 4, 1))

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """Of pictures `B C H W` in [-1, 1], of one channel or three, and sides of 16 pixels at least."""
        with torch.no_grad():
            aims = self.seen(real)
        pairs = zip(self.taps.values(), self.seen(fake), aims, strict=True)
        return torch.stack([weight * l1(one, aim) for weight, one, aim in pairs]).sum()

    def seen(self, x: Tensor) -> list[Tensor]:
        return self.network.after(self.taps, x.expand(-1, 3, -1, -1))


def hold_constant(network: nn.Module, *, persistent: bool = False) -> None:
    """Make the weights of `network` constants: they move with it, but are no parameters, nor in its state dict unless
    they are `persistent`."""
    for module in network.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, weight.detach(), persistent=persistent)
