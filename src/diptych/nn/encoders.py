"""Encoders: a picture in, a code out: a map of features that says what is where, or a few numbers for the look of it.

Huang, Liu, Belongie, Kautz: Multimodal Unsupervised Image-to-Image Translation, ECCV 2018, §5.1 and appendix B.2.
"""

from __future__ import annotations

from torch import Tensor, nn

from diptych.nn.blocks import Activation, AdaptiveResidual, Pad, initialise_he, layer
from diptych.nn.norms import InstanceNorm


class ContentEncoder(nn.Module):
    """What is where: `downs` halvings that double the channels, then residual blocks, all with instance norm.

    Height and width must be multiples of `2**downs`. The code has `channels` channels.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int = 64,
        downs: int = 2,
        blocks: int = 4,
        activation: Activation = "relu",
        pad: Pad = "reflect",
    ) -> None:
        super().__init__()

        def normalised(inputs: int, outputs: int, size: int, stride: int) -> nn.Sequential:
            norm = InstanceNorm(outputs)
            return layer(inputs, outputs, size, stride=stride, norm=norm, activation=activation, pad=pad)

        self.channels = width * 2**downs
        self.stem = normalised(channels, width, 7, 1)
        self.downs = nn.Sequential(*(normalised(c, 2 * c, 4, 2) for c in (width * 2**i for i in range(downs))))
        blocks_of = (AdaptiveResidual(self.channels, activation=activation, pad=pad) for _ in range(blocks))
        self.blocks = nn.Sequential(*blocks_of)
        initialise_he(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downs(self.stem(x)))


class StyleEncoder(nn.Module):
    """How it looks: four halvings, the mean over all pixels, and `outputs` numbers for each picture, `B outputs`.

    Nothing is normalised, which would remove what the mean colours are. Sides have 16 pixels at least.
    """

    def __init__(
        self,
        channels: int,
        outputs: int = 8,
        *,
        width: int = 64,
        activation: Activation = "relu",
        pad: Pad = "reflect",
    ) -> None:
        super().__init__()
        c = [width, 2 * width, 4 * width, 4 * width, 4 * width]
        self.stem = layer(channels, width, 7, activation=activation, pad=pad)
        self.downs = nn.Sequential(
            *(layer(c[i], c[i + 1], 4, stride=2, activation=activation, pad=pad) for i in range(4))
        )
        self.head = nn.Conv2d(c[-1], outputs, 1)
        initialise_he(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.downs(self.stem(x)).mean(dim=(2, 3), keepdim=True)).flatten(1)
