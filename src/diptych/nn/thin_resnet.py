"""ResNet-50 with half the channels: a network that recognises things by residual blocks (He et al., CVPR 2016)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Bottleneck(nn.Module):
    """x + 1x1, 3x3, 1x1 (He et al. 2016, fig. 5); the first convolution of a stage goes down and widens the sum too."""

    def __init__(self, channels: int, middle: int, stride: int = 1) -> None:
        super().__init__()
        wide = 4 * middle
        self.proj_shortcut = nn.Conv2d(channels, wide, 1, stride) if stride > 1 or channels != wide else nn.Identity()
        self.branch2a = nn.Conv2d(channels, middle, 1, stride)
        self.branch2b = nn.Conv2d(middle, middle, 3, padding=1)
        self.branch2c = nn.Conv2d(middle, wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.branch2b(F.relu(self.branch2a(x))))
        return F.relu(self.proj_shortcut(x) + self.branch2c(inner))


class ThinResNet(nn.Module):
    """The convolutions of Yahoo's open_nsfw, its norms folded into them, under the names of its published layers.

    Takes colour pictures `B 3 H W` with channels and values as in its training, of 32 pixels a side at least. Gives
    the features after the first convolution and after each of the four stages: 64, 128, 256, 512 and 1024 channels at
    a half, a quarter ... and a 32nd of the size.
    """

    channels = (64, 128, 256, 512, 1024)
    blocks = (3, 4, 6, 3)

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 64, 7, 2, 3)
        self.stages = nn.ModuleList()
        channels = 64
        for stage, count in enumerate(self.blocks):
            middle = 32 * 2**stage
            strides = [1 if stage == 0 else 2, *[1] * (count - 1)]
            widths = [channels, *[4 * middle] * (count - 1)]
            blocks = [Bottleneck(width, middle, stride) for width, stride in zip(widths, strides, strict=True)]
            self.stages.append(nn.Sequential(*blocks))
            channels = 4 * middle

    def forward(self, x: Tensor) -> list[Tensor]:
        seen = [F.relu(self.first(x))]
        x = F.max_pool2d(seen[0], 3, 2, ceil_mode=True)
        for stage in self.stages:
            x = stage(x)
            seen.append(x)
        return seen
