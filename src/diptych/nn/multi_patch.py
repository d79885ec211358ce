"""The discriminator of BicycleGAN: PatchGANs that look at a picture at several sizes.

Zhu, Zhang, Pathak, Darrell, Efros, Wang, Shechtman: Toward Multimodal Image-to-Image Translation, NeurIPS 2017, §3.4.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.blocks import initialise_xavier
from diptych.nn.discriminators import PatchGAN
from diptych.nn.norms import Norm


class MultiPatchGAN(nn.Module):
    """Judges a picture at several sizes, each half the one before, by a PatchGAN for each: a map of logits per size.

    Each has half the channels of the one before. Every convolution has a bias, whatever the norm.
    """

    def __init__(
        self, channels: int, *, scales: int = 2, layers: int = 3, width: int = 64, norm: Norm = "instance"
    ) -> None:
        super().__init__()
        widths = [max(1, round(width / 2**scale)) for scale in range(scales)]
        self.networks = nn.ModuleList(PatchGAN(channels, layers=layers, width=w, norm=norm, bias=True) for w in widths)
        initialise_xavier(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for scale, network in enumerate(self.networks):
            x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False) if scale else x
            maps.append(network(x))
        return maps
