"""EfficientNet-Lite0: what a small network that knows a thousand kinds of things sees in a picture.

Tan and Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019. The Lite variant
(Google 2020) has no squeeze-and-excitation, and ReLU6 in place of swish, and so is quick on any processor.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.perceptual import hold_constant

STAGES = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5),
          (6, 320, 1, 1, 3))  # fmt: skip
"""Of each stage: how many times wider a block is inside, its channels, blocks, first stride, and size of kernels."""

EPSILON = 1e-3
"""What batch norms added to variances in its training."""


class Folded(nn.Conv2d):
    """A convolution with the batch norm behind it folded into its weights, and ReLU6 where there was one."""

    def __init__(self, inputs: int, outputs: int, size: int, *, stride: int = 1, groups: int = 1, relu: bool = True):
        super().__init__(inputs, outputs, size, stride=stride, padding=(size - stride + 1) // 2, groups=groups)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == (1, 1):
            x = F.conv2d(x, self.weight, self.bias, padding=self.padding, groups=self.groups)
        else:
            x = self.halved(x)
        return F.hardtanh_(x, 0.0, 6.0) if self.relu else x

    def halved(self, x: Tensor) -> Tensor:
        """With a stride of two, borders are padded as in its training: one pixel less before than behind."""
        before, behind = (self.kernel_size[0] - 2) // 2, (self.kernel_size[0] - 1) // 2
        x = F.pad(x, (before, behind, before, behind))
        if self.groups == 1 or not torch.is_grad_enabled():
            return F.conv2d(x, self.weight, self.bias, stride=2, groups=self.groups)
        # the gradient of a convolution of each channel by itself costs five times less without its stride
        return F.conv2d(x, self.weight, self.bias, groups=self.groups)[:, :, ::2, ::2]

    def fold(self, weight: Tensor, norm: Mapping[str, Tensor]) -> None:
        scale = norm["weight"] * (norm["running_var"] + EPSILON).rsqrt()
        self.weight.copy_(weight * scale.view(-1, 1, 1, 1))
        assert self.bias is not None
        self.bias.copy_(norm["bias"] - norm["running_mean"] * scale)


class InvertedResidual(nn.Module):
    """Wider by a 1x1 convolution, each channel by itself, narrow again; added to the input where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, *, expansion: int, stride: int, size: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = Folded(inputs, inner, 1) if expansion > 1 else None
        self.depthwise = Folded(inner, inner, size, stride=stride, groups=inner)
        self.project = Folded(inner, outputs, 1, relu=False)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.expand(x) if self.expand else x
        hidden = self.project(self.depthwise(hidden))
        return x + hidden if self.skip else hidden


class EfficientNetLite0(nn.Module):
    """The convolutions up to the `blocks`-th block, as constants that come from elsewhere by `fill`.

    Takes colour pictures `B 3 H W` in [-1, 1], as in its training but for a half of a grey level. Gives the features
    after the stem and after blocks 0, 2, 4 and 10, at 1/2, 1/2, 1/4, 1/8 and 1/16 of the size: 32, 16, 24, 40 and 112
    channels; and with all 16 blocks those of the last as well, at 1/32, 320 channels. kept: the weights are part of a
    model's, as it uses them.
    """

    taps = (0, 2, 4, 10, 15)

    def __init__(self, blocks: int = 16, *, kept: bool = False) -> None:
        super().__init__()
        self.channels = (32, 16, 24, 40, 112, 320)[: 1 + sum(tap < blocks for tap in self.taps)]
        self.stem = Folded(3, 32, 3, stride=2)
        made: list[InvertedResidual] = []
        inputs = 32
        for expansion, outputs, repeats, first, size in STAGES:
            for stride in (first, *[1] * (repeats - 1)):
                made.append(InvertedResidual(inputs, outputs, expansion=expansion, stride=stride, size=size))
                inputs = outputs
        self.blocks = nn.Sequential(*made[:blocks])
        hold_constant(self, persistent=kept)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem((127.5 * x + 0.5) / 128)  # it was trained on (level - 127) / 128
        taps = [x]
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.taps:
                taps.append(x)
        return taps

    @torch.no_grad()
    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the weights from the published ones, by their names there. Raises KeyError for one that is missing."""
        take(self.stem, tensors, "_conv_stem", "_bn0")
        for number, block in enumerate(self.blocks):
            here = f"_blocks.{number}."
            assert isinstance(block, InvertedResidual)
            if block.expand:
                take(block.expand, tensors, f"{here}_expand_conv", f"{here}_bn0")
            take(block.depthwise, tensors, f"{here}_depthwise_conv", f"{here}_bn1")
            take(block.project, tensors, f"{here}_project_conv", f"{here}_bn2")


def take(layer: Folded, tensors: Mapping[str, Tensor], convolution: str, norm: str) -> None:
    parts = ("weight", "bias", "running_mean", "running_var")
    layer.fold(tensors[f"{convolution}.weight"], {part: tensors[f"{norm}.{part}"] for part in parts})
