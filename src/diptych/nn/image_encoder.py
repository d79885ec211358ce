"""A picture becomes the distribution of a code for the look of it (Park, Liu, Wang, Zhu 2019, §3 and appendix A)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.gaussian import Gaussian
from diptych.nn.norms import InstanceNorm
from diptych.nn.spade import initialise
from diptych.nn.spectral import convolution

SIZE = 256
"""Pixels a side that pictures are brought to."""


class ImageEncoder(nn.Module):
    """Six halvings, and from all that is left the distribution of a code, `B code` in float32."""

    def __init__(self, channels: int, code: int = 256, *, width: int = 64, spectral: bool = True) -> None:
        super().__init__()
        c = [channels, width, 2 * width, 4 * width, 8 * width, 8 * width, 8 * width]
        conv = convolution(spectral=spectral)
        self.downs = nn.ModuleList(
            nn.Sequential(conv(c[i], c[i + 1], 3, stride=2, padding=1, bias=False), InstanceNorm(c[i + 1]))
            for i in range(6)
        )
        left = c[-1] * (SIZE // 2**6) ** 2
        self.mean, self.log_variance = nn.Linear(left, code), nn.Linear(left, code)
        initialise(self)

    def forward(self, x: Tensor) -> Gaussian:
        if x.shape[-2:] != (SIZE, SIZE):
            x = F.interpolate(x, (SIZE, SIZE), mode="bilinear", align_corners=False)
        for down in self.downs:
            x = F.leaky_relu(down(x), 0.2)
        x = x.flatten(1)
        return Gaussian(self.mean(x).float(), self.log_variance(x).float())
