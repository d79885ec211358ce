"""Discriminators that look at several sizes and also give what they see on the way, by which fakes can be compared.

Wang, Liu, Zhu, Tao, Kautz, Catanzaro: High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs,
CVPR 2018, §3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.blocks import initialise
from diptych.nn.norms import Norm, norm_layer

WIDEST = 512
"""Channels of a layer at most."""


class MultiScalePatchGAN(nn.Module):
    """PatchGANs for a picture at several sizes, each half the one before; maps are given from the full size on.

    A network halves `layers` times, with zeros around the picture, and has two convolutions of stride 1 after that.
    `networks` begin with that of the smallest size: so a training at twice the size, with one more of them, keeps those
    of the training before. features: whether it can give them.
    """

    def __init__(
        self,
        channels: int,
        *,
        scales: int = 2,
        layers: int = 3,
        width: int = 64,
        norm: Norm = "instance",
        features: bool = True,
    ) -> None:
        super().__init__()
        self.features = features
        c = [channels, *(min(width * 2**level, WIDEST) for level in range(layers + 1))]

        def conv(inputs: int, outputs: int, stride: int) -> nn.Conv2d:
            return nn.Conv2d(inputs, outputs, 4, stride=stride, padding=2)

        def stage(level: int) -> nn.Sequential:
            outputs, stride = c[level + 1], 2 if level < layers else 1
            norms = [norm_layer(norm, outputs)] if level else []
            return nn.Sequential(conv(c[level], outputs, stride), *norms, nn.LeakyReLU(0.2))

        self.networks = nn.ModuleList(
            nn.Sequential(*map(stage, range(layers + 1)), nn.Sequential(conv(c[-1], 1, 1))) for _ in range(scales)
        )
        initialise(self)

    def forward(self, x: Tensor, give: Literal["logits", "both"] = "logits") -> Any:
        """A map of logits for each size; or for each size a list of all maps of features, the logits the last of it."""
        seen = []
        for number, network in enumerate(reversed(self.networks)):
            x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False) if number else x
            maps = [x]
            for stage in network.children():
                maps.append(stage(maps[-1]))
            seen.append(maps[1:] if give == "both" else maps[-1])
        return seen


def feature_matching(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """How far features of fakes are from those of the real pictures, which stay as they are (eq. 4, weight aside).

    As in the published code: of N layers before the logits, mean absolute differences have the weight 4 / N; a mean
    over sizes.
    """
    differences = [
        4 / (len(ours) - 1) * (one - other.detach()).abs().mean(dtype=torch.float32)
        for ours, theirs in zip(fake, real, strict=True)
        for one, other in zip(ours[:-1], theirs[:-1], strict=True)
    ]
    return torch.stack(differences).sum() / len(fake)
