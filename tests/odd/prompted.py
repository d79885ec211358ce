"""A paired method that is told in words what to make: the mean of learned vectors of their bytes steers its colours."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from diptych.methods.method import Count, Images, Method, Step, Texts
from diptych.options.controls import Prompt


class Prompted(Method):
    keep = ("g", "words")

    def __init__(self, *, source_channels: Count = 3, target_channels: Count = 3) -> None:
        super().__init__()
        self.g = nn.Conv2d(source_channels, target_channels, 3, padding=1)
        self.words = nn.Embedding(256, target_channels)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.g, self.words]}

    def steps(self, source: Images, target: Images, prompt: Texts) -> Iterator[Step]:
        yield Step("G", l1=F.l1_loss(self.translate(source, prompt=prompt), target))

    def translate(self, x: Tensor, *, prompt: Prompt = None) -> Tensor:
        made = self.g(x)
        if prompt is None:
            return made.tanh()
        there = (prompt > 0).to(x)[..., None]
        meant = (self.words(prompt) * there).sum(1) / there.sum(1).clamp(min=1)
        return (made + meant[..., None, None]).tanh()
