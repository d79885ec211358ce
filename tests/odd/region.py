"""A paired method that needs to be told a region, by a name of its own for masks."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from diptych.methods.method import Images, Instances, Masks, Method, Step
from diptych.options.controls import Mask


class Region(Method):
    keep = ("g",)

    def __init__(self, *, source_channels: int = 3, target_channels: int = 3) -> None:
        super().__init__()
        self.g = nn.Conv2d(source_channels, target_channels, 3, padding=1)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.g]}

    def steps(self, source: Images, target: Images, region: Masks, things: Instances | None = None) -> Iterator[Step]:
        assert things is None or things.shape == region.shape
        yield Step("G", l1=F.l1_loss(self.translate(source, region=region), target))

    def translate(self, x: Tensor, *, region: Mask = None) -> Tensor:
        made = self.g(x).tanh()
        return made if region is None else region * made
