"""A method whose author has made a mistake: which one is an option."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.errors import ConfigError
from diptych.methods.method import Method, Step


class Faulty(Method):
    keep = ("g",)

    def __init__(
        self,
        *,
        source_channels: int = 3,
        target_channels: int = 3,
        fault: Literal["none", "value", "runtime", "shapes", "memory", "config", "item", "small", "deep"] = "none",
    ) -> None:
        super().__init__()
        self.g, self.fault = nn.Conv2d(source_channels, target_channels, 3, padding=1), fault

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.g]}

    def steps(self, source: Tensor, target: Tensor) -> Iterator[Step]:
        match self.fault:
            case "value":
                raise ValueError("the weights do not add up")  # the author's line
            case "runtime":
                raise RuntimeError("no progress was set")  # the author's line
            case "memory":
                raise RuntimeError("the memory bank is empty")  # the author's line
            case "config":
                raise ConfigError("beta must be below alpha")
            case "shapes":
                source @ torch.ones(7, 7, device=source.device)  # the author's line
            case "item":
                assert source.mean().item() < 1
            case "small":
                F.conv2d(source, torch.ones(3, 3, 80, 80, device=source.device))
            case "deep":
                F.instance_norm(F.avg_pool2d(source, 64))
        yield Step("G", l1=F.l1_loss(self.g(source), target))

    def translate(self, x: Tensor) -> Tensor:
        return self.g(x)
