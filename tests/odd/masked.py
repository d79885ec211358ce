"""A paired method that is told where to change something: outside of the mask the source stays as it is."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.methods.method import Method, Step
from diptych.options.controls import Mask


class Masked(Method):
    keep = ("g",)

    def __init__(self, *, source_channels: int = 3, target_channels: int = 3) -> None:
        super().__init__()
        self.g = nn.Conv2d(source_channels + 1, target_channels, 3, padding=1)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.g]}

    def steps(self, source: Tensor, target: Tensor, mask: Mask = None) -> Iterator[Step]:
        yield Step("G", l1=F.l1_loss(self.translate(source, mask=mask), target))

    def translate(self, x: Tensor, *, mask: Mask = None) -> Tensor:
        where = torch.ones_like(x[:, :1]) if mask is None else mask.to(x)
        made = self.g(torch.cat([x, where], dim=1)).tanh()
        return where * made + (1 - where) * x
