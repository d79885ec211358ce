"""An encoder that a trained network lends, adaptive instance norm, and a decoder that is learnt.

Huang, Belongie: Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization, ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.efficientnet import EfficientNetLite0
from diptych.nn.ops.join import join
from diptych.nn.perceptual import hold_constant
from diptych.nn.smooth import mirrored
from diptych.nn.style import adain

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, on a scale from 0 to 1


class VGGEncoder(nn.Module):
    """VGG-19 up to relu4_1 with mirrored borders, as constants; in front a 1x1 convolution that normalises.

    Takes `B 3 H W` in [-1, 1]. Gives relu1_1, relu2_1, relu3_1 and relu4_1.
    """

    channels = (64, 128, 256, 512)
    size_multiple = 8

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 1)
        widths = (3, 64, 64, 128, 128, 256, 256, 256, 256, 512)
        self.layers = nn.ModuleList(mirrored(*both) for both in pairwise(widths))
        hold_constant(self, persistent=True)

    def forward(self, x: Tensor) -> list[Tensor]:
        x, taps = self.first((x + 1) / 2), []
        for number, layer in enumerate(self.layers):
            x = F.relu(layer(F.max_pool2d(x, 2) if number in (2, 4, 8) else x))
            if number in (0, 2, 4, 8):
                taps.append(x)
        return taps

    @torch.no_grad()
    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the weights from those of the published VGG-19. Raises KeyError for one that is missing."""
        self.first.weight.copy_(torch.diag(1 / torch.tensor(DEVIATION)).view(3, 3, 1, 1))
        assert self.first.bias is not None
        self.first.bias.copy_(-torch.tensor(MEAN) / torch.tensor(DEVIATION))
        for layer, place in zip(self.layers, (0, 2, 5, 7, 10, 12, 14, 16, 19), strict=True):
            for name, weight in layer.named_buffers():
                weight.copy_(tensors[f"features.{place}.{name}"])


class EfficientEncoder(nn.Module):
    """EfficientNet-Lite0's features at 1/4, 1/8 and 1/16 of the size, of `B 3 H W` in [-1, 1]."""

    channels = (24, 40, 112)
    size_multiple = 16

    def __init__(self) -> None:
        super().__init__()
        self.network = EfficientNetLite0(blocks=11, kept=True)

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.network(x)[2:]

    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        self.network.fill(tensors)


class VGGDecoder(nn.Module):
    """The published decoder: VGG's layers from relu4_1 on, turned round; doubled by repeated pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (512, 256, 256, 256, 256, 128, 128, 64, 64, channels)
        self.layers = nn.ModuleList(mirrored(*both) for both in pairwise(widths))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        x = features[-1]
        for number, layer in enumerate(self.layers):
            x = layer(x)
            x = F.relu(x) if number < len(self.layers) - 1 else x
            if number in (0, 4, 6):
                x = F.interpolate(x, scale_factor=2.0)
        return 2 * x - 1


class EfficientDecoder(nn.Module):
    """From the coarsest feature up, each finer one joined, then to full size. width: channels at full size."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        fine, middle, coarse = EfficientEncoder.channels
        self.coarse = nn.Sequential(nn.Conv2d(coarse, 8 * width, 1), nn.ReLU())
        self.middle = nn.Sequential(mirrored(8 * width + middle, 8 * width), nn.ReLU())
        self.fine = nn.Sequential(mirrored(8 * width + fine, 4 * width), nn.ReLU())
        self.medium = nn.Sequential(mirrored(4 * width, 2 * width), nn.ReLU())
        self.last = nn.Sequential(mirrored(2 * width, width), nn.ReLU(), mirrored(width, channels))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        fine, middle, coarse = features
        x = self.coarse(coarse)
        x = self.middle(join(F.interpolate(x, scale_factor=2.0), middle))
        x = self.fine(join(F.interpolate(x, scale_factor=2.0), fine))
        x = self.medium(F.interpolate(x, scale_factor=2.0))
        return self.last(F.interpolate(x, scale_factor=2.0))


class AdaINNet(nn.Module):
    """Encoder and decoder; between them features take the statistics of those of a style.

    encoder: efficientnet_lite0, all of whose features are decoded, or vgg19, the last of whose is, as published.
    """

    def __init__(self, encoder: str, channels: int, width: int) -> None:
        super().__init__()
        self.efficientnet = EfficientEncoder() if encoder == "efficientnet_lite0" else None
        self.vgg = VGGEncoder() if encoder == "vgg19" else None
        self.decoder = EfficientDecoder(channels, width) if self.efficientnet else VGGDecoder(channels)
        self.decoded = slice(None) if self.efficientnet else slice(-1, None)

    @property
    def encoder(self) -> EfficientEncoder | VGGEncoder:
        found = self.efficientnet or self.vgg
        assert found is not None
        return found

    def encode(self, x: Tensor) -> list[Tensor]:
        """The features of pictures of one channel or three."""
        return self.encoder(x.expand(-1, 3, -1, -1))

    def styled(self, seen: Sequence[Tensor], style: Sequence[Tensor]) -> list[Tensor]:
        """The features that are decoded, with the statistics of those of a style."""
        return [adain(one, other) for one, other in zip(seen[self.decoded], style[self.decoded], strict=True)]

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The picture that features stand for, not bounded."""
        return self.decoder(features)
