"""Small pieces that several networks share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.norms import AdaptiveInstanceNorm
from diptych.nn.ops.reflect_pad import reflect_pad

Activation = Literal["relu", "leaky_relu"]
Pad = Literal["reflect", "replicate", "zeros"]
"""What lies beyond the border of a picture: its mirror image, its last pixels, or nothing."""


class Conv2d(nn.Conv2d):
    """torch's, key for key, whose mirrored borders cost less."""

    def forward(self, x: Tensor) -> Tensor:
        if self.padding_mode != "reflect":
            return super().forward(x)
        return F.conv2d(reflect_pad(x, int(self.padding[0])), self.weight, self.bias, self.stride)


class Dropout(nn.Module):
    """Dropout that can also act at test time, with a mask it is handed (Srivastava et al. 2014).

    In training the mask is random. At test time it does nothing, unless `forward` receives a mask of 0 and 1/(1-p).
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return F.dropout(x, self.p, self.training) if mask is None else x * mask

    def mask(self, shape: Iterable[int], generator: torch.Generator) -> Tensor:
        """Draw a mask of `shape`, to be handed to `forward`."""
        return (torch.rand(tuple(shape), generator=generator) >= self.p).float() / (1 - self.p)


def initialise(network: nn.Module, std: float = 0.02) -> nn.Module:
    """Draw convolutions from N(0, std) and norm weights from N(1, std), biases zero (Radford et al. 2016)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, std)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, std)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return network


def initialise_he(network: nn.Module) -> nn.Module:
    """Draw weights so that convolutions before a ReLU keep the variance (He et al. 2015), biases zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def initialise_xavier(network: nn.Module, gain: float = 0.02) -> nn.Module:
    """Draw weights so that passes in both directions scale the variance by `gain` squared (Glorot and Bengio 2010).

    Norm weights are from N(1, gain), biases zero.
    """
    initialise(network, gain)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_normal_(module.weight, gain)
    return network


def activation_layer(kind: Activation) -> nn.Module:
    """The layer for `kind`."""
    return nn.ReLU() if kind == "relu" else nn.LeakyReLU(0.2)


def layer(
    inputs: int,
    outputs: int,
    size: int,
    *,
    stride: int = 1,
    conv: type[nn.Conv2d] = Conv2d,
    norm: nn.Module | None = None,
    activation: Activation = "relu",
    pad: Pad = "reflect",
) -> nn.Sequential:
    """A convolution with bias, perhaps a norm, an activation; height and width are divided by `stride`."""
    convolution = conv(inputs, outputs, size, stride=stride, padding=(size - stride + 1) // 2, padding_mode=pad)
    return nn.Sequential(convolution, norm or nn.Identity(), activation_layer(activation))


class AdaptiveResidual(nn.Module):
    """Two 3x3 convolutions, each with an instance norm that a style may shift and scale, added to the input.

    `forward` takes the style with the pictures, as `B 2 2 C`: for each norm the new means, then the new scales.
    Without one the norms are plain (Huang, Liu, Belongie, Kautz 2018, §5.1).
    """

    def __init__(self, channels: int, *, activation: Activation = "relu", pad: Pad = "reflect") -> None:
        super().__init__()
        self.conv1 = Conv2d(channels, channels, 3, padding=1, padding_mode=pad)
        self.norm1 = AdaptiveInstanceNorm()
        self.activation = activation_layer(activation)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, padding_mode=pad)
        self.norm2 = AdaptiveInstanceNorm()

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        first, second = (None, None) if style is None else style.unbind(1)
        hidden = self.activation(self.norm1(self.conv1(x), first))
        return x + self.norm2(self.conv2(hidden), second)
