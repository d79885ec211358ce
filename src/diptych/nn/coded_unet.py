"""The U-Net of BicycleGAN: a picture and a code in, one of the pictures that the first may stand for out.

Zhu, Zhang, Pathak, Darrell, Efros, Wang, Shechtman: Toward Multimodal Image-to-Image Translation, NeurIPS 2017, §3.4.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.blocks import Activation, Conv2d, Dropout, activation_layer, initialise_xavier
from diptych.nn.norms import Norm, norm_layer
from diptych.nn.ops.blur import BlurUp
from diptych.nn.ops.join import join

Where = Literal["all", "input"]
Upsampling = Literal["basic", "bilinear"]


class Down(nn.Module):
    """Halve the size: leaky ReLU, 4x4 convolution of stride 2, norm. With `code` it sees a code beside the features."""

    def __init__(self, inputs: int, outputs: int, norm: Norm, *, code: int, first: bool = False) -> None:
        super().__init__()
        self.slope = None if first else 0.2
        self.conv = nn.Conv2d(inputs + code, outputs, 4, stride=2, padding=1)
        self.norm = norm_layer(norm, outputs)
        self.coded = code > 0

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        if self.slope is not None:
            x, code = F.leaky_relu(x, self.slope), F.leaky_relu(code, self.slope)
        return self.norm(self.conv(beside(x, code) if self.coded else x))


def beside(x: Tensor, code: Tensor) -> Tensor:
    """`code`, `B K`, at every pixel of `x`, behind its channels: `B C+K H W`, laid out as `x` is.

    An expanded code has no layout of its own; joined as it is, it would bring pictures in channels_last to `B C H W`.
    That a convolution makes but nine different pixels of it, border included, saves nothing: to cut the weights apart
    costs as much as its few channels.
    """
    layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    planes = code.to(x.dtype)[..., None, None].expand(-1, -1, *x.shape[2:])
    return join(x, planes.contiguous(memory_format=layout))


class Up(nn.Module):
    """Double the size: activation, a transposed convolution or interpolation and a convolution, norm, dropout."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        norm: Norm,
        *,
        upsampling: Upsampling,
        activation: Activation,
        dropout: bool = False,
    ) -> None:
        super().__init__()
        self.activation = activation_layer(activation)
        self.grow: nn.Module
        self.conv: nn.Module
        if upsampling == "basic":
            self.grow, self.conv = nn.Identity(), nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
        else:
            self.grow, self.conv = BlurUp(), Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
        self.norm = norm_layer(norm, outputs)
        self.dropout = Dropout() if dropout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.norm(self.conv(self.grow(self.activation(x)))))


class CodedUNet(nn.Module):
    """A U-Net that sees a code, `B code_channels`, at every pixel: of its `input` alone, or of `all` levels down.

    It has the levels, channels and dropout of pix2pix's; but every convolution has a bias, whatever the norm, and the
    skip comes behind what comes up. Height and width must be multiples of `2**depth`.

    upsampling: transposed convolutions, or linear interpolation and 3x3 convolutions with mirrored borders.
    activation: on the way up; on the way down it is a leaky ReLU.
    """

    def __init__(
        self,
        source_channels: int,
        target_channels: int,
        code_channels: int = 8,
        *,
        where: Where = "all",
        depth: int = 8,
        width: int = 64,
        norm: Norm = "instance",
        dropout: bool = False,
        upsampling: Upsampling = "basic",
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        self.source_channels, self.code_channels, self.where = source_channels, code_channels, where
        # With the code at the input theirs activates in place, so a skip holds what comes after its leaky ReLU. A ReLU
        # on the way up makes the same of both.
        self.leaky_skips = where == "input" and activation == "leaky_relu"
        c = [min(width * 2**level, width * 8) for level in range(depth)]
        edges = {0, depth - 1}  # neither the outermost nor the innermost halving is normalised
        self.downs = nn.ModuleList(
            Down(
                c[i - 1] if i else source_channels,
                c[i],
                "none" if i in edges else norm,
                code=code_channels if where == "all" or i == 0 else 0,
                first=i == 0,
            )
            for i in range(depth)
        )

        def up(inputs: int, outputs: int, norm: Norm, *, dropout: bool = False) -> Up:
            return Up(inputs, outputs, norm, upsampling=upsampling, activation=activation, dropout=dropout)

        self.ups = nn.ModuleList(
            up(c[i] * (1 if i == depth - 1 else 2), c[i - 1], norm, dropout=dropout and 3 < i < depth - 1)
            for i in reversed(range(1, depth))
        )
        self.ups.append(up(c[0] * 2, target_channels, "none"))
        initialise_xavier(self)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        skips = []
        for down in self.downs:
            x = down(x, code)
            skips.append(x)
        x = skips.pop()
        for up in self.ups:
            x = up(x)
            if skips:
                skip = skips.pop()
                x = join(x, F.leaky_relu(skip, 0.2) if self.leaky_skips else skip)
        return torch.tanh(x)
