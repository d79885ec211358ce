"""How far apart two pictures are as VGG-19 sees them, from edges to things (Johnson et al. 2016; Wang et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from diptych.nn.ops.l1 import l1
from diptych.nn.perceptual import VGG, constant

TAPS = {1: 1 / 32, 6: 1 / 16, 11: 1 / 8, 20: 1 / 4, 29: 1.0}
"""The first ReLU of each block, by its place among the layers, and its weight."""


class VGGDistance(nn.Module):
    """The mean absolute difference of VGG-19's relu1_1 to relu5_1, weighted and added up.

    As published the pictures are not normalised as those that VGG-19 was trained on. Its weights are constants that
    come from elsewhere by `fill`: nothing trains or saves them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(*list(VGG((2, 2, 4, 4, 4)).features)[: max(TAPS) + 1])
        constant(self.features)

    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the weights from those of torchvision's VGG-19. Raises KeyError for one that is missing."""
        for name, weight in self.features.named_buffers():
            weight.copy_(tensors[f"features.{name}"])

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """Of pictures `B C H W` in [-1, 1], of one channel or three, and sides of 16 pixels at least."""
        with torch.no_grad():
            aims = self.seen(real)
        pairs = zip(TAPS.values(), self.seen(fake), aims, strict=True)
        return torch.stack([weight * l1(one, aim) for weight, one, aim in pairs]).sum()

    def seen(self, x: Tensor) -> list[Tensor]:
        x, taps = x.expand(-1, 3, -1, -1), []
        for place, layer in enumerate(self.features):
            x = layer(x)
            if place in TAPS:
                taps.append(x)
        return taps
