"""The encoder of BicycleGAN: a picture in, the distribution of its code out.

Zhu, Zhang, Pathak, Darrell, Efros, Wang, Shechtman: Toward Multimodal Image-to-Image Translation, NeurIPS 2017, §3.4.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.blocks import initialise_xavier
from diptych.nn.gaussian import Gaussian
from diptych.nn.norms import Norm, norm_layer


class MeanConv2d(nn.Conv2d):
    """A 3x3 convolution and the mean of each 2x2 of its results, in one.

    They are a 4x4 convolution of stride 2 whose kernel is the mean of four shifted 3x3 ones: less than half the work.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        kernel = F.avg_pool2d(self.weight, 2, stride=1, padding=1)
        return F.conv2d(x, kernel, self.bias, stride=2, padding=1)


class Halving(nn.Module):
    """A residual block that activates before it convolves and halves the size by means (He et al. 2016b)."""

    def __init__(self, inputs: int, outputs: int, norm: Norm) -> None:
        super().__init__()
        self.norm1 = norm_layer(norm, inputs)
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.norm2 = norm_layer(norm, inputs)
        self.conv2 = MeanConv2d(inputs, outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)
        self.bare = norm == "none"

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.leaky_relu(self.norm1(x), 0.2)
        if self.bare:  # theirs activates in place; with a norm that is the norm's result, without one it is x
            x = hidden
        hidden = F.leaky_relu(self.norm2(self.conv1(hidden)), 0.2)
        return self.conv2(hidden) + self.shortcut(F.avg_pool2d(x, 2))


class CodeEncoder(nn.Module):
    """A convolution and `blocks` residual blocks, each of which halves, and the mean over all pixels.

    `forward` gives the distribution of a picture's code, `B code_channels` in float32.
    The published one takes pictures of `2 ** (blocks + 4)` pixels a side alone; here any from `2 ** (blocks + 1)` on
    will do.
    """

    def __init__(
        self, channels: int, code_channels: int = 8, *, blocks: int = 4, width: int = 64, norm: Norm = "instance"
    ) -> None:
        super().__init__()
        c = [width * min(n + 1, 4) for n in range(blocks + 1)]
        self.stem = nn.Conv2d(channels, width, 4, stride=2, padding=1)
        self.blocks = nn.Sequential(*(Halving(c[n], c[n + 1], norm) for n in range(blocks)))
        self.mean, self.log_variance = nn.Linear(c[-1], code_channels), nn.Linear(c[-1], code_channels)
        initialise_xavier(self)

    def forward(self, x: Tensor) -> Gaussian:
        features = F.leaky_relu(self.blocks(self.stem(x)), 0.2).mean(dim=(2, 3))
        return Gaussian(self.mean(features).float(), self.log_variance(features).float())
