"""Gives back what it is given: what differs in a result is the doing of what lies around the network."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from diptych.methods.method import Method, Step


class Same(Method):
    keep = ("one",)

    def __init__(self, *, source_channels: int = 3, target_channels: int = 3) -> None:
        super().__init__()
        self.one = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.one.weight)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"one": [self.one]}

    def steps(self, source: Tensor, target: Tensor) -> Iterator[Step]:
        yield Step("one", l1=(self.translate(source) - target).abs().mean())

    def translate(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(plane) for plane in x.split(1, dim=1)], dim=1)
