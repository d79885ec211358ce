"""Normalisation layers, and what each means for the convolution before it."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.ops.instance_norm import adaptive_instance_norm, instance_norm
from diptych.nn.ops.layer_norm import layer_norm

Norm = Literal["batch", "instance", "none"]
Statistics = Literal["batch", "running"]


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation whose test-time statistics are a choice (Ioffe and Szegedy 2015; Isola et al. 2017, §3.3).

    In training it is `nn.BatchNorm2d`, key for key. At test time `statistics="running"` uses the averages gathered in
    training; `statistics="batch"` uses the picture's own, as pix2pix does with its test batch of one. Each picture of
    a larger batch is then normalised by itself, so its translation does not depend on its neighbours.
    """

    statistics: Statistics = "running"

    def forward(self, x: Tensor) -> Tensor:
        if self.training or self.statistics == "running":
            return super().forward(x)
        return instance_norm(x, self.weight, self.bias, self.eps)


class InstanceNorm(nn.Module):
    """Instance normalisation without parameters or buffers, the same in training and in use."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return instance_norm(x)

    def extra_repr(self) -> str:
        return str(self.channels)


class ScaledInstanceNorm(nn.Module):
    """Instance normalisation with a learnt scale and shift of each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return instance_norm(x, self.weight, self.bias)


class AdaptiveInstanceNorm(nn.Module):
    """Instance normalisation that a style shifts and scales (Huang and Belongie 2017, eq. 8); it has no parameters.

    `forward` takes it with the pictures, as `B 2 C`: the new means, then the new scales. Without a style it is plain.
    """

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        if style is None:
            return instance_norm(x)
        mean, scale = style.unbind(1)
        return adaptive_instance_norm(x, scale, mean)


class LayerNorm(nn.Module):
    """Normalise each picture over all its channels and pixels, then scale and shift each channel (Ba et al. 2016).

    As in MUNIT the deviation is the unbiased one, epsilon is added to it and not to the variance, and scales begin
    anywhere between 0 and 1.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.rand(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x, self.weight, self.bias, self.eps)


class SpectralConv2d(nn.Conv2d):
    """A convolution whose weight is divided by its largest singular value, as MUNIT finds it (Miyato et al. 2018).

    Every pass, in training and in use, moves the singular vectors u and v by one step of the power method. A gradient
    sees the vectors of the latest pass, also when it is of an earlier one: they are put in place of those it has kept.
    """

    u: Tensor
    v: Tensor

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, size in zip("uv", self.weight.flatten(1).shape, strict=True):
            self.register_buffer(name, F.normalize(torch.randn(size), dim=0))

    def forward(self, x: Tensor) -> Tensor:
        matrix = self.weight.flatten(1)
        with torch.no_grad():
            self.v.data = F.normalize(matrix.t().mv(self.u), dim=0)
            self.u.data = F.normalize(matrix.mv(self.v), dim=0)
        return self._conv_forward(x, self.weight / self.u.dot(matrix.mv(self.v)), self.bias)


def norm_layer(kind: Norm, channels: int) -> nn.Module:
    """The layer for `kind`."""
    layers = {"batch": BatchNorm, "instance": InstanceNorm, "none": nn.Identity}
    return layers[kind](channels)


def needs_bias(kind: Norm) -> bool:
    """Whether a convolution before this norm carries a bias: batch norm brings its own.

    An instance norm removes the bias again; the reference networks carry it all the same, and so do their files.
    """
    return kind != "batch"


def use_statistics(network: nn.Module, statistics: Statistics) -> None:
    """Choose the test-time statistics of every batch norm in `network`."""
    for module in network.modules():
        if isinstance(module, BatchNorm):
            module.statistics = statistics
