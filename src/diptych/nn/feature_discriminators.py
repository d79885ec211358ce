"""Discriminators that also show what they see: a generator can learn from that, not from the verdict alone.

Wang, Liu, Zhu, Tao, Kautz, Catanzaro: High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs,
CVPR 2018, §3.2; with the norms of Park, Liu, Wang, Zhu 2019, appendix A.
"""

from __future__ import annotations

from typing import Literal, overload

import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.norms import InstanceNorm
from diptych.nn.spade import initialise
from diptych.nn.spectral import convolution

WIDEST = 512


class FeaturePatches(nn.Module):
    """Judges overlapping patches. `forward` gives the features after each of `layers` stages, and then the logits.

    All stages but the last halve height and width. All but the first have an instance norm and no bias.
    """

    def __init__(self, channels: int, *, layers: int = 4, width: int = 64, spectral: bool = True) -> None:
        super().__init__()
        c = [channels, *(min(width * 2**level, WIDEST) for level in range(layers))]
        conv = convolution(spectral=spectral)

        def normalised(level: int) -> nn.Sequential:
            stride = 1 if level == layers - 1 else 2
            convolved = conv(c[level], c[level + 1], 4, stride=stride, padding=2, bias=False)
            return nn.Sequential(convolved, InstanceNorm(c[level + 1]), nn.LeakyReLU(0.2))

        first = nn.Sequential(nn.Conv2d(channels, c[1], 4, stride=2, padding=2), nn.LeakyReLU(0.2))
        self.stages = nn.ModuleList([first, *(normalised(level) for level in range(1, layers))])
        self.head = nn.Conv2d(c[-1], 1, 4, padding=2)

    def forward(self, x: Tensor) -> list[Tensor]:
        seen = []
        for stage in self.stages:
            x = stage(x)
            seen.append(x)
        return [*seen, self.head(x)]


class MultiScaleFeatures(nn.Module):
    """Judges a picture at `scales` sizes, each half the one before, with a `FeaturePatches` for each.

    `forward` gives a map of logits per size; with `features`, for each size, all features and then the logits.
    """

    def __init__(
        self, channels: int, *, scales: int = 2, layers: int = 4, width: int = 64, spectral: bool = True
    ) -> None:
        super().__init__()
        self.layers = layers
        self.networks = nn.ModuleList(
            FeaturePatches(channels, layers=layers, width=width, spectral=spectral) for _ in range(scales)
        )
        initialise(self)

    @overload
    def __call__(self, x: Tensor) -> list[Tensor]: ...

    @overload
    def __call__(self, x: Tensor, *, features: Literal[True]) -> list[list[Tensor]]: ...

    def __call__(self, *args, **options):  # type: ignore[no-untyped-def]
        return super().__call__(*args, **options)

    def forward(self, x: Tensor, *, features: bool = False) -> list[Tensor] | list[list[Tensor]]:
        seen = []
        for scale, network in enumerate(self.networks):
            x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False) if scale else x
            seen.append(network(x))
        return seen if features else [maps[-1] for maps in seen]
