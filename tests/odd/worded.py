"""Controls that no built-in method has: words, and an example picture that is not called style."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from diptych.methods.method import Method, Step
from diptych.options.controls import Style


class Worded(Method):
    keep = ("g",)

    def __init__(self, *, source_channels: int = 3, target_channels: int = 3) -> None:
        super().__init__()
        self.g = nn.Conv2d(source_channels, target_channels, 3, padding=1)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.g]}

    def steps(self, source: Tensor, target: Tensor) -> Iterator[Step]:
        yield Step("G", l1=F.l1_loss(self.g(source), target))

    def translate(
        self,
        x: Tensor,
        *,
        caption: str = "day",
        note: str | None = None,
        mood: Literal["no", "yes"] = "no",
        look: Style = None,
    ) -> Tensor:
        """Translate `B C H W` in [-1, 1].

        caption: what it shows; night is dark. look: a picture whose brightness it takes.
        """
        light = -0.5 if caption == "night" else 0.0 if look is None else look.mean()
        return self.g(x).tanh() / 2 + light + (0.2 if note else 0.0)
