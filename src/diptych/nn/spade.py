"""SPADE: a label map is painted by a generator whose every norm is shifted and scaled, pixel by pixel, by the labels.

Park, Liu, Wang, Zhu: Semantic Image Synthesis with Spatially-Adaptive Normalization, CVPR 2019, §3 and appendix A.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.blocks import initialise_xavier
from diptych.nn.ops.instance_norm import instance_norm
from diptych.nn.ops.modulate import modulate
from diptych.nn.spectral import convolution, power_iteration

Upsampling = Literal["fewer", "normal", "more", "most"]
PlainNorm = Literal["batch", "instance"]

DOUBLED: dict[Upsampling, tuple[bool, ...]] = {
    "fewer": (False, False, False, True, True, True, True),
    "normal": (False, True, False, True, True, True, True),
    "more": (False, True, True, True, True, True, True),
    "most": (False, True, True, True, True, True, True, True),
}
"""Whether height and width double before each residual block."""
STARTING = 16
"""The first features have so many times the channels of the last ones."""


class BatchNorm(nn.Module):
    """Batch normalisation without scale and shift, by running statistics in use (Ioffe and Szegedy 2015).

    As the reference's it leaves `num_batches_tracked`, which nothing reads, alone.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x[:, 0].numel() == 1:  # nothing to compare it with, and no variance to remember
            return x - x
        return F.batch_norm(x, self.running_mean, self.running_var, training=self.training)


class InstanceNorm(nn.Module):
    """Instance normalisation; a single pixel becomes 0."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x if x[0, 0].numel() == 1 else instance_norm(x)


class SpatialNorm(nn.Module):
    """Normalise, then scale by 1 + gamma and shift by beta, maps that two convolutions read from the label map (eq. 1).

    `modulation` makes both: its first half of channels is gamma, the other beta.
    """

    def __init__(
        self, channels: int, classes: int, *, norm: PlainNorm = "batch", hidden: int = 128, kernel: int = 3
    ) -> None:
        super().__init__()
        self.norm = BatchNorm(channels) if norm == "batch" else InstanceNorm()
        self.shared = nn.Conv2d(classes, hidden, kernel, padding=kernel // 2)
        self.modulation = nn.Conv2d(hidden, 2 * channels, kernel, padding=kernel // 2)

    def forward(self, x: Tensor, one_hot: Tensor, slope: float = 1.0) -> Tensor:
        """slope: of the leaky ReLU that follows; 1 is none."""
        return modulate(self.norm(x), self.modulation(F.relu(self.shared(one_hot), inplace=True)), slope)

    def initialise(self) -> None:
        """Draw gamma's and beta's weights as those of two convolutions, which they are in the reference."""
        for half in self.modulation.weight.data.chunk(2):
            half.copy_(nn.init.xavier_normal_(torch.empty_like(half), 0.02))


class SpatialResidual(nn.Module):
    """Two 3x3 convolutions, each after a spatial norm and a leaky ReLU, added to the input (appendix A).

    Where the channels change, so does the shortcut: a spatial norm and a 1x1 convolution.
    """

    def __init__(
        self, inputs: int, outputs: int, classes: int, *, spectral: bool, norm: PlainNorm, hidden: int, kernel: int
    ) -> None:
        super().__init__()
        middle, conv = min(inputs, outputs), convolution(spectral=spectral)
        spatial_norm = partial(SpatialNorm, classes=classes, norm=norm, hidden=hidden, kernel=kernel)
        self.norm1, self.conv1 = spatial_norm(inputs), conv(inputs, middle, 3, padding=1)
        self.norm2, self.conv2 = spatial_norm(middle), conv(middle, outputs, 3, padding=1)
        learned = inputs != outputs
        self.norm_shortcut = spatial_norm(inputs) if learned else None
        self.conv_shortcut = conv(inputs, outputs, 1, bias=False) if learned else None

    def forward(self, x: Tensor, one_hot: Tensor) -> Tensor:
        y = self.conv1(self.norm1(x, one_hot, 0.2))
        y = self.conv2(self.norm2(y, one_hot, 0.2))
        if self.norm_shortcut is None or self.conv_shortcut is None:
            return x + y
        return self.conv_shortcut(self.norm_shortcut(x, one_hot)) + y


class SpatialGenerator(nn.Module):
    """Paints label maps: few pixels of many channels, doubled again and again between spatial residual blocks.

    classes: how many label maps have, each a channel of 0 and 1. channels: of the picture. width: of the last features
    (most: twice as many). upsampling: 4 (fewer), 5, 6 or 7 (most) doublings; height and width are multiples of
    `size_multiple`. code: how many numbers a code is that the first features are made of, `start` high and wide; with 0
    they are made of the label map.
    """

    def __init__(
        self,
        classes: int,
        channels: int,
        *,
        width: int = 64,
        upsampling: Upsampling = "normal",
        norm: PlainNorm = "batch",
        spectral: bool = True,
        hidden: int = 128,
        kernel: int = 3,
        code: int = 0,
        start: tuple[int, int] = (8, 8),
    ) -> None:
        super().__init__()
        self.doubled, self.first = DOUBLED[upsampling], (STARTING * width, *start)
        self.size_multiple = 2 ** sum(self.doubled)
        c = [STARTING * width >> level for level in (0, 0, 0, 0, 1, 2, 3, 4, 5)]
        self.start = nn.Linear(code, c[0] * start[0] * start[1]) if code else nn.Conv2d(classes, c[0], 3, padding=1)
        block = partial(SpatialResidual, classes=classes, spectral=spectral, norm=norm, hidden=hidden, kernel=kernel)
        self.blocks = nn.ModuleList(block(c[i], c[i + 1]) for i in range(len(self.doubled)))
        self.head = nn.Conv2d(c[len(self.blocks)], channels, 3, padding=1)
        initialise(self)

    def forward(self, one_hot: Tensor, code: Tensor | None = None) -> Tensor:
        height, width = (size // self.size_multiple for size in one_hot.shape[-2:])
        x = self.start(shrink(one_hot, height, width)) if code is None else self.begin(code, height, width)
        one_hot = one_hot.to(x.dtype)  # once for all convolutions
        for doubled, block in zip(self.doubled, self.blocks, strict=True):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest") if doubled else x
            x = block(x, shrink(one_hot, *x.shape[-2:]))
        return torch.tanh(self.head(F.leaky_relu(x, 0.2)))

    def begin(self, code: Tensor, height: int, width: int) -> Tensor:
        """The first features, from a code `B code`; of another size than those that were trained by interpolation."""
        x = self.start(code).unflatten(1, self.first)
        return F.interpolate(x, (height, width), mode="bilinear", align_corners=False)


def shrink(one_hot: Tensor, height: int, width: int) -> Tensor:
    """A label map of so many pixels: each is one of those there were."""
    return one_hot if (height, width) == one_hot.shape[-2:] else F.interpolate(one_hot, (height, width), mode="nearest")


def initialise(network: nn.Module) -> None:
    """Draw weights as the reference does, and give spectral norms their first singular vectors."""
    initialise_xavier(network)
    for module in network.modules():
        if isinstance(module, SpatialNorm):
            module.initialise()
    power_iteration([network])
