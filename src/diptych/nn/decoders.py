"""Decoders: a code in, a picture in [-1, 1] out.

Huang, Liu, Belongie, Kautz: Multimodal Unsupervised Image-to-Image Translation, ECCV 2018, §5.1 and appendix B.2.
"""

from __future__ import annotations

from itertools import repeat

import torch
from torch import Tensor, nn

from diptych.nn.blocks import Activation, AdaptiveResidual, Conv2d, Pad, activation_layer, initialise_he, layer
from diptych.nn.norms import LayerNorm


class Decoder(nn.Module):
    """Residual blocks, then `ups` doublings that halve the channels: the way back of a `ContentEncoder`.

    channels: of the picture. width: of the last features; the code has `width * 2**ups` channels.
    style_channels: how many numbers a style is; `forward` takes one for each picture, `B style_channels`, and the
    norms of the residual blocks follow it. With 0 there is none, and they are plain. hidden: width of the small
    network that reads the style.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int = 64,
        ups: int = 2,
        blocks: int = 4,
        style_channels: int = 0,
        hidden: int = 256,
        activation: Activation = "relu",
        pad: Pad = "reflect",
    ) -> None:
        super().__init__()
        c = [width * 2**i for i in reversed(range(ups + 1))]
        self.style = StyleReader(style_channels, c[0], blocks, hidden, activation) if style_channels else None
        self.blocks = nn.ModuleList(AdaptiveResidual(c[0], activation=activation, pad=pad) for _ in range(blocks))
        self.ups = nn.ModuleList(
            layer(c[i], c[i + 1], 5, norm=LayerNorm(c[i + 1]), activation=activation, pad=pad) for i in range(ups)
        )
        self.head = Conv2d(width, channels, 7, padding=3, padding_mode=pad)
        initialise_he(self)

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        looks = repeat(None) if self.style is None else self.style(style).unbind(1)
        for block, look in zip(self.blocks, looks, strict=False):
            x = block(x, look)
        for up in self.ups:
            x = up(nn.functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return torch.tanh(self.head(x))


class StyleReader(nn.Module):
    """A style becomes the means and scales of the norms in `blocks` residual blocks: `B blocks 2 2 C`.

    `statistics` are means and variances that MUNIT's files have for these norms. Nothing reads or changes them.
    """

    statistics: Tensor

    def __init__(self, style_channels: int, channels: int, blocks: int, hidden: int, activation: Activation) -> None:
        super().__init__()
        self.register_buffer("statistics", torch.tensor([[0.0], [1.0]]).repeat(blocks, 2, 1, channels))
        self.layers = nn.Sequential(
            nn.Linear(style_channels, hidden),
            activation_layer(activation),
            nn.Linear(hidden, hidden),
            activation_layer(activation),
            nn.Linear(hidden, blocks * 2 * 2 * channels),
        )

    def forward(self, style: Tensor) -> Tensor:
        return self.layers(style).unflatten(1, self.statistics.shape)
