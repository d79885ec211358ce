"""Normalisation layers, and what each means for the convolution before it."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from diptych.nn.ops.instance_norm import instance_norm

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
