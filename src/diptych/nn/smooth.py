"""Smooth networks: no norms, and sizes that change by averages and by linear interpolation alone.

Nothing in them differs between training and use, no statistic is shared between distant parts of a picture, and nothing
has the period of a grid: strides, transposed and sub-pixel convolutions leave one in what they make, and in the
gradients of a discriminator (Odena et al. 2016).
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.blocks import Conv2d
from diptych.nn.residual import widths


class Block(nn.Module):
    """Leaky ReLU and a 3x3 convolution, twice, added to the input, which at first is nearly all there is."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = mirrored(channels, channels)
        self.conv2 = mirrored(channels, channels)
        for weight in self.conv2.parameters():
            weight.detach().mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(leaky(self.conv1(leaky(x))))


EMBEDDED = 8
"""Channels that pictures of more, as are label maps, are made of before anything else: fewer to move about."""


class SmoothEncoder(nn.Module):
    """Pictures to features of `levels` sizes, the first half as large as they are: `B width 2^k ... H/2^k W/2^k`.

    The picture comes in as its 2x2 neighbours, four times as many channels at half the size; below, each size has an
    average of the one above, widened to twice as many channels, at most eight times `width`, and `blocks` blocks.
    Height and width are multiples of `2**(levels + 1)`, so that there are two values to mirror at the lowest size.
    """

    def __init__(self, channels: int, *, width: int, levels: int, blocks: int = 1) -> None:
        super().__init__()
        self.channels = widths(width, levels - 1)
        self.embed = nn.Conv2d(channels, EMBEDDED, 1) if channels > EMBEDDED else nn.Identity()
        self.stem = mirrored(4 * min(channels, EMBEDDED), width)
        self.widen = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(self.channels))
        self.levels = nn.ModuleList(stack(c, blocks) for c in self.channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = [self.levels[0](self.stem(F.pixel_unshuffle(self.embed(x), 2)))]
        for widen, level in zip(self.widen, list(self.levels)[1:], strict=True):
            features.append(level(widen(F.avg_pool2d(features[-1], 2))))
        return features


class SmoothUNet(nn.Module):
    """A picture to a picture of `outputs` channels, in no bounds; what each size knew going down is added going up.

    The last step up is to `detail` channels at full size, where the input itself is added, so that its edges stay
    sharp. added_to: how many of the input's first channels the result is added to: 0, all outputs, or 1 for all.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int = 32,
        levels: int = 5,
        blocks: int = 1,
        detail: int = 16,
        added_to: int = 0,
    ) -> None:
        super().__init__()
        self.added_to = added_to
        self.encoder = SmoothEncoder(inputs, width=width, levels=levels, blocks=blocks)
        c = self.encoder.channels
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(c))
        self.levels = nn.ModuleList(stack(channels, blocks) for channels in c[:-1])
        self.last = nn.Conv2d(width, detail, 1)
        self.beside = mirrored(inputs, detail)
        self.detail = mirrored(detail, detail)
        self.head = mirrored(detail, outputs)
        if added_to:
            for weight in self.head.parameters():
                weight.detach().mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encoder(x), x)

    def decode(self, features: list[Tensor], x: Tensor) -> Tensor:
        *rest, hidden = features
        for level in reversed(range(len(rest))):
            hidden = self.levels[level](rest[level] + doubled(self.narrow[level](hidden)))
        hidden = doubled(self.last(hidden)) + self.beside(x)
        made = self.head(leaky(hidden + self.detail(leaky(hidden))))
        return made + x[:, : self.added_to] if self.added_to else made


class SmoothSummary(nn.Module):
    """A picture to `outputs` numbers that say what it is like as a whole: its features, averaged over all places."""

    def __init__(self, channels: int, outputs: int, *, width: int = 24, levels: int = 4) -> None:
        super().__init__()
        self.encoder = SmoothEncoder(channels, width=width, levels=levels)
        self.head = nn.Linear(self.encoder.channels[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(leaky(self.encoder(x)[-1]).mean(dim=(2, 3)))


class SmoothDiscriminator(nn.Module):
    """Judges patches of pictures: a map of logits, for each `2**levels` pixels."""

    def __init__(self, channels: int, *, width: int = 24, levels: int = 3, blocks: int = 1) -> None:
        super().__init__()
        self.encoder = SmoothEncoder(channels, width=width, levels=levels, blocks=blocks)
        self.head = nn.Conv2d(self.encoder.channels[-1], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(leaky(self.encoder(x)[-1]))


def mirrored(inputs: int, outputs: int) -> Conv2d:
    """A 3x3 convolution; beyond the borders is their mirror image: with zeros there, they begin to glow."""
    return Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")


def stack(channels: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(Block(channels) for _ in range(blocks)))


def leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


def doubled(x: Tensor) -> Tensor:
    """Twice as high and wide, by linear interpolation."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
