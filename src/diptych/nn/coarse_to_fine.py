"""A generator from coarse to fine: one that learned at half the size, and around it one for what only full size shows.

Wang, Liu, Zhu, Tao, Kautz, Catanzaro: High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs,
CVPR 2018, §3.2. In all of its networks convolutions have a bias, whatever the norm after them.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.blocks import Conv2d, initialise
from diptych.nn.generators import ResidualBlock
from diptych.nn.norms import Norm, norm_layer


class GlobalGenerator(nn.Module):
    """`downs` halvings that double the channels, residual blocks, as many doublings: a picture in, a picture out.

    target_channels: of the picture in [-1, 1] that it makes; 0 where its last features are wanted, which have `width`
    channels. Height and width are multiples of `2**downs`, at least twice that.
    """

    def __init__(
        self,
        source_channels: int,
        target_channels: int,
        *,
        width: int = 64,
        downs: int = 4,
        blocks: int = 9,
        norm: Norm = "instance",
    ) -> None:
        super().__init__()

        def layer(conv: nn.Module, channels: int) -> nn.Sequential:
            return nn.Sequential(conv, norm_layer(norm, channels), nn.ReLU())

        def wide(inputs: int, outputs: int) -> nn.Conv2d:
            return Conv2d(inputs, outputs, 7, padding=3, padding_mode="reflect")

        def halve(c: int) -> nn.Sequential:
            return layer(nn.Conv2d(c, 2 * c, 3, stride=2, padding=1), 2 * c)

        def double(c: int) -> nn.Sequential:
            return layer(nn.ConvTranspose2d(c, c // 2, 3, stride=2, padding=1, output_padding=1), c // 2)

        c = [width * 2**level for level in range(downs + 1)]
        self.stem = layer(wide(source_channels, width), width)
        self.downs = nn.ModuleList(halve(inputs) for inputs in c[:-1])
        self.blocks = nn.ModuleList(ResidualBlock(c[-1], norm, bias=True) for _ in range(blocks))
        self.ups = nn.ModuleList(double(inputs) for inputs in reversed(c[1:]))
        self.head = wide(width, target_channels) if target_channels else None
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def encode(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for down in self.downs:
            x = down(x)
        return x

    def decode(self, x: Tensor) -> Tensor:
        for layer in (*self.blocks, *self.ups):
            x = layer(x)
        return x if self.head is None else torch.tanh(self.head(x))


class LocalEnhancer(GlobalGenerator):
    """One halving and one doubling; between them the last features of a generator at half the size are added.

    Those have twice as many channels as this one's first layer.
    """

    def __init__(self, source_channels: int, target_channels: int, *, blocks: int = 3, **options: Any) -> None:
        super().__init__(source_channels, target_channels, downs=1, blocks=blocks, **options)

    def forward(self, x: Tensor, coarse: Tensor) -> Tensor:  # type: ignore[override]
        return self.decode(self.encode(x) + coarse)


class CoarseToFine(nn.Module):
    """A global generator, and around it `enhancers` local ones, each at twice the size of the one before.

    width: channels of the global generator's first layer; each enhancer has half as many as the one before. Height and
    width are multiples of `2**(downs + enhancers)`, at least twice that. The parts are named by their place from the
    coarsest on, so that the weights of a generator with fewer enhancers have the same names in one with more.
    """

    def __init__(
        self,
        source_channels: int,
        target_channels: int,
        *,
        width: int = 64,
        downs: int = 4,
        blocks: int = 9,
        enhancers: int = 0,
        enhancer_blocks: int = 3,
        norm: Norm = "instance",
    ) -> None:
        super().__init__()
        makes = [0] * enhancers + [target_channels]  # the last of them alone makes a picture
        self.base = GlobalGenerator(source_channels, makes[0], width=width, downs=downs, blocks=blocks, norm=norm)
        self.enhancers = nn.ModuleList(
            LocalEnhancer(source_channels, makes[i], width=width // 2**i, blocks=enhancer_blocks, norm=norm)
            for i in range(1, enhancers + 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        sizes = [x]
        for _ in self.enhancers:
            sizes.append(F.avg_pool2d(sizes[-1], 3, stride=2, padding=1, count_include_pad=False))
        y = self.base(sizes.pop())
        for enhancer in self.enhancers:
            y = enhancer(sizes.pop(), y)
        return y
