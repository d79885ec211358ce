"""Discriminators that look at a picture at several sizes, and what their features say of a fake.

Wang, Liu, Zhu, Tao, Kautz, Catanzaro: High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs,
CVPR 2018, §3.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.blocks import Pad, initialise, initialise_xavier, layer
from diptych.nn.discriminators import PatchGAN
from diptych.nn.norms import Norm, SpectralConv2d, norm_layer
from diptych.nn.ops.l1 import l1
from diptych.nn.spectral import convolution, power_iteration

WIDEST = 512
"""Channels of a layer of `FeaturePatchGAN` at most."""


class Pyramid(nn.Module):
    """Judges a picture at several sizes, each half the one before, with one of `networks` for each.

    `forward` gives what they say, such as a map of logits, from the full size on. The first of `networks` is that of
    the full size, or with `smallest_first` the last.
    """

    def __init__(self, networks: Iterable[nn.Module], *, smallest_first: bool = False) -> None:
        super().__init__()
        self.networks, self.smallest_first = nn.ModuleList(networks), smallest_first

    def forward(self, x: Tensor) -> list[Any]:
        maps = []
        for number, network in enumerate(reversed(self.networks) if self.smallest_first else self.networks):
            x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False) if number else x
            maps.append(network(x))
        return maps


class MultiScale(Pyramid):
    """UNIT's and MUNIT's: a network halves `layers` times, with mirrored borders, and then has a 1x1 convolution.

    The first convolution is not normalised, the others by `norm`, if at all. Sides have `2 ** (layers + scales - 1)`
    pixels at least (Huang et al. 2018, appendix B.2).
    """

    def __init__(
        self,
        channels: int,
        *,
        scales: int = 3,
        layers: int = 4,
        width: int = 64,
        norm: Literal["none", "instance", "spectral"] = "none",
        pad: Pad = "reflect",
    ) -> None:
        c = [channels, *(width * 2**level for level in range(layers))]

        def halving(level: int) -> nn.Sequential:
            outputs, normed = c[level + 1], level > 0
            conv = SpectralConv2d if norm == "spectral" and normed else nn.Conv2d
            normal = norm_layer("instance", outputs) if norm == "instance" and normed else None
            return layer(c[level], outputs, 4, stride=2, conv=conv, norm=normal, activation="leaky_relu", pad=pad)

        super().__init__(
            nn.Sequential(*(halving(level) for level in range(layers)), nn.Conv2d(c[-1], 1, 1)) for _ in range(scales)
        )
        initialise(self)


class MultiScalePatchGAN(Pyramid):
    """BicycleGAN's: each network is a PatchGAN of half as many channels as the one before (Zhu et al. 2017, §3.4).

    Every convolution has a bias, whatever the norm.
    """

    def __init__(
        self, channels: int, *, scales: int = 2, layers: int = 3, width: int = 64, norm: Norm = "instance"
    ) -> None:
        widths = [max(1, round(width / 2**scale)) for scale in range(scales)]
        super().__init__(PatchGAN(channels, layers=layers, width=w, norm=norm, bias=True) for w in widths)
        initialise_xavier(self)


class FeaturePatchGAN(nn.Sequential):
    """Judges overlapping patches. `forward` gives the features after each of `layers` layers, and then the logits.

    All layers but the last halve height and width, as one alone does. All but the first have a norm. The convolutions
    have zeros around the picture.
    bias, spectral: whether those before a norm have a bias, and are divided by their largest singular values.
    """

    def __init__(self, channels: int, *, layers: int, width: int, norm: Norm, bias: bool, spectral: bool) -> None:
        c = [channels, *(min(width * 2**level, WIDEST) for level in range(layers))]

        def normalised(level: int) -> nn.Sequential:
            stride = 1 if level == layers - 1 else 2
            conv = convolution(spectral=spectral)(c[level], c[level + 1], 4, stride=stride, padding=2, bias=bias)
            return nn.Sequential(conv, norm_layer(norm, c[level + 1]), nn.LeakyReLU(0.2))

        first = nn.Sequential(nn.Conv2d(channels, c[1], 4, stride=2, padding=2), nn.LeakyReLU(0.2))
        inner = [normalised(level) for level in range(1, layers)]
        super().__init__(first, *inner, nn.Sequential(nn.Conv2d(c[-1], 1, 4, padding=2)))

    def forward(self, x: Tensor) -> list[Tensor]:
        seen = []
        for stage in self:
            x = stage(x)
            seen.append(x)
        return seen


class MultiScaleFeatures(Pyramid):
    """pix2pixHD's and SPADE's: a generator can learn from what they see, not from the verdict alone.

    `forward` gives a map of logits for each size; with `features`, for each size all features and then the logits.

    smallest_first: a training at twice the size, with one network more, then keeps those of the training before.
    xavier: begin with weights by Glorot and Bengio, not from N(0, 0.02).
    features: whether anything learns from them. It changes nothing here, but names in pix2pixHD's files.
    """

    def __init__(
        self,
        channels: int,
        *,
        scales: int = 2,
        layers: int = 4,
        width: int = 64,
        norm: Norm = "instance",
        bias: bool = True,
        spectral: bool = False,
        smallest_first: bool = False,
        xavier: bool = False,
        features: bool = True,
    ) -> None:
        network = partial(FeaturePatchGAN, layers=layers, width=width, norm=norm, bias=bias, spectral=spectral)
        super().__init__((network(channels) for _ in range(scales)), smallest_first=smallest_first)
        self.features = features
        (initialise_xavier if xavier else initialise)(self)
        power_iteration([self])

    def forward(self, x: Tensor, *, features: bool = False) -> list[Any]:
        seen = super().forward(x)
        return seen if features else [maps[-1] for maps in seen]


def feature_matching(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """How far features of fakes are from those of the real pictures, which stay as they are (eq. 4).

    Mean absolute differences, added up over layers and averaged over sizes; the logits, last of each size, are none.
    """
    pairs = [pair for sizes in zip(fake, real, strict=True) for pair in list(zip(*sizes, strict=True))[:-1]]
    return torch.stack([l1(one, other) for one, other in pairs]).sum() / len(fake)
