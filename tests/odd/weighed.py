"""Weighs the channels that it is given, each by a number of its own: a result tells which channel was where."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from diptych.methods.method import Method, Step


class Weighed(Method):
    keep = ("weights",)

    def __init__(self, *, source_channels: int = 3, target_channels: int = 1) -> None:
        super().__init__()
        self.weights = nn.Conv2d(source_channels, target_channels, 1, bias=False)
        weights = 2.0 ** -torch.arange(1, source_channels + 1)
        self.weights.weight.data[:] = (weights / weights.sum()).view(1, -1, 1, 1)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"weights": [self.weights]}

    def steps(self, source: Tensor, target: Tensor) -> Iterator[Step]:
        yield Step("weights", l1=(self.translate(source) - target).abs().mean())

    def translate(self, x: Tensor) -> Tensor:
        return self.weights(x)
