"""The U-Net that says what each pixel is, and losses for classes of pixels.

Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015.
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.blocks import initialise_he
from diptych.nn.norms import BatchNorm, InstanceNorm
from diptych.nn.ops.join import join
from diptych.nn.residual import GroupNorm

PixelNorm = Literal["group", "batch", "instance"]


def pixel_norm(kind: PixelNorm, channels: int) -> nn.Module:
    """The layer for `kind`; each takes the place of the convolution's bias but instance."""
    return {"group": GroupNorm, "batch": BatchNorm, "instance": InstanceNorm}[kind](channels)


class Double(nn.Sequential):
    """Two 3x3 convolutions, each with a norm and a ReLU."""

    def __init__(self, inputs: int, outputs: int, norm: PixelNorm) -> None:
        bias = norm == "instance"
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias),
            pixel_norm(norm, outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=bias),
            pixel_norm(norm, outputs),
            nn.ReLU(),
        )


class PixelUNet(nn.Module):
    """A picture to `classes` logits for each pixel: `depth` halvings that double the channels, and the way back.

    As published, but that borders are padded, so that the size stays, and that there are norms. Height and width are
    multiples of `2**depth`.
    """

    def __init__(
        self, channels: int, classes: int, *, width: int = 32, depth: int = 4, norm: PixelNorm = "group"
    ) -> None:
        super().__init__()
        c = [width * 2**level for level in range(depth + 1)]
        self.downs = nn.ModuleList(Double(c[i - 1] if i else channels, c[i], norm) for i in range(depth + 1))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(c[i + 1], c[i], 2, stride=2) for i in reversed(range(depth)))
        self.blocks = nn.ModuleList(Double(2 * c[i], c[i], norm) for i in reversed(range(depth)))
        self.head = nn.Conv2d(width, classes, 1)
        initialise_he(self)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for down in self.downs:
            x = down(F.max_pool2d(x, 2) if skips else x)
            skips.append(x)
        x = skips.pop()
        for up, block in zip(self.ups, self.blocks, strict=True):
            x = block(join(skips.pop(), up(x)))
        return self.head(x)


def cross_entropy(logits: Tensor, shares: Tensor, balance: float = 0.0) -> Tensor:
    """How unlikely the right classes are: a mean over the known pixels of each picture, then over the pictures.

    logits, shares: `B K H W`, of float32; `shares` is 1 for the right class and 0 for others, or for all where it is
    not known. balance: a pixel's weight is as many times smaller as its class has pixels in the picture, to this power.
    """
    log_likelihood = (shares * F.log_softmax(logits, dim=1)).sum((2, 3))
    pixels = shares.sum((2, 3))
    weights = pixels.clamp(min=1).pow(-balance)
    return -((weights * log_likelihood).sum(1) / (weights * pixels).sum(1).clamp(min=1e-6)).mean()


def dice(logits: Tensor, shares: Tensor) -> Tensor:
    """One less the overlap of what is found and what is there (Milletari et al. 2016): 0 where all is right.

    For each class that is in the picture, over its known pixels; a mean over the classes, then over the pictures.
    """
    likelihood = logits.softmax(dim=1) * shares.sum(1, keepdim=True)
    both, pixels = (likelihood * shares).sum((2, 3)), shares.sum((2, 3))
    lacking = 1 - 2 * both / (likelihood.sum((2, 3)) + pixels).clamp(min=1e-6)
    present = (pixels > 0).to(lacking.dtype)
    return ((present * lacking).sum(1) / present.sum(1).clamp(min=1)).mean()
