"""Generators: a picture in, a picture of the same size out, both `B C H W` in [-1, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.blocks import Conv2d, Dropout, initialise
from diptych.nn.norms import Norm, needs_bias, norm_layer
from diptych.nn.ops.blur import BlurDown, BlurUp
from diptych.nn.ops.join import join

Masks = Sequence[Tensor]

U_NETS = {size: f"unet_{size}" for size in (256, 128, 64, 32)}
"""Names of U-Nets by the size of the pictures that they halve to one pixel, the published one first."""


class Down(nn.Module):
    """Halve the size: leaky ReLU, 4x4 convolution of stride 2, norm."""

    def __init__(self, inputs: int, outputs: int, norm: Norm, *, bias: bool, first: bool = False) -> None:
        super().__init__()
        self.slope = None if first else 0.2
        self.conv = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
        self.norm = norm_layer(norm, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x if self.slope is None else F.leaky_relu(x, self.slope)))


class Up(nn.Module):
    """Double the size: ReLU, 4x4 transposed convolution of stride 2, norm, perhaps dropout."""

    def __init__(self, inputs: int, outputs: int, norm: Norm, *, bias: bool, dropout: bool = False) -> None:
        super().__init__()
        self.channels = outputs
        self.conv = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
        self.norm = norm_layer(norm, outputs)
        self.dropout = Dropout() if dropout else None

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.norm(self.conv(F.relu(x)))
        return x if self.dropout is None else self.dropout(x, mask)


class UNet(nn.Module):
    """The U-Net of pix2pix: `depth` halvings, as many doublings, skips between equal sizes (Isola et al. 2017, §6.1.1).

    Height and width must be multiples of `2**depth`. Dropout acts in the middle, where there are `8 * width` channels.
    """

    def __init__(
        self,
        source_channels: int,
        target_channels: int,
        *,
        depth: int = 8,
        width: int = 64,
        norm: Norm = "batch",
        dropout: bool = False,
    ) -> None:
        super().__init__()
        self.depth = depth
        bias = needs_bias(norm)  # the outermost down convolution too, though no norm follows it
        c = [min(width * 2**level, width * 8) for level in range(depth)]
        edges = {0, depth - 1}  # neither the outermost nor the innermost halving is normalised
        self.downs = nn.ModuleList(
            Down(c[i - 1] if i else source_channels, c[i], "none" if i in edges else norm, bias=bias, first=i == 0)
            for i in range(depth)
        )
        self.ups = nn.ModuleList(
            Up(c[i] * (1 if i == depth - 1 else 2), c[i - 1], norm, bias=bias, dropout=dropout and 3 < i < depth - 1)
            for i in reversed(range(1, depth))
        )
        self.ups.append(Up(c[0] * 2, target_channels, "none", bias=True))
        initialise(self)

    def forward(self, x: Tensor, masks: Masks = ()) -> Tensor:
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        x = skips.pop()
        remaining = iter(masks)
        for up in self.ups:
            x = up(x, next(remaining, None) if up.dropout else None)
            if skips:
                x = join(skips.pop(), x)
        return torch.tanh(x)

    def masks(self, height: int, width: int, generator: torch.Generator) -> Masks:
        """Dropout masks for one picture of this size, to be handed to `forward`."""
        levels = zip(reversed(range(self.depth)), self.ups, strict=True)
        sizes = [(up, (height >> level, width >> level)) for level, up in levels if isinstance(up, Up)]
        return [up.dropout.mask((1, up.channels, *size), generator) for up, size in sizes if up.dropout]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with mirrored borders, added to the input (He et al. 2016, without the last ReLU).

    bias: whether they have one; by default where the norm needs it.
    """

    def __init__(self, channels: int, norm: Norm, *, dropout: bool = False, bias: bool | None = None) -> None:
        super().__init__()
        self.channels, bias = channels, needs_bias(norm) if bias is None else bias
        self.conv1 = Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=bias)
        self.norm1 = norm_layer(norm, channels)
        self.dropout = Dropout() if dropout else None
        self.conv2 = Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=bias)
        self.norm2 = norm_layer(norm, channels)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        hidden = F.relu(self.norm1(self.conv1(x)))
        if self.dropout is not None:
            hidden = self.dropout(hidden, mask)
        hidden = self.conv2(hidden)  # in its own place: what it was made of is not needed any more
        return x + self.norm2(hidden)


class ResNet(nn.Module):
    """The generator of Johnson et al. (2016) as CycleGAN uses it: two halvings, residual blocks, two doublings.

    Height and width must be multiples of 4. Nine blocks are usual from 256 pixels on, six below. With `antialias` it
    changes size by blurring, not by the strides of convolutions (Zhang 2019).
    """

    def __init__(
        self,
        source_channels: int,
        target_channels: int,
        *,
        blocks: int = 9,
        width: int = 64,
        norm: Norm = "instance",
        dropout: bool = False,
        antialias: bool = False,
    ) -> None:
        super().__init__()
        bias = needs_bias(norm)

        def layer(conv: nn.Module, channels: int) -> nn.Sequential:
            return nn.Sequential(conv, norm_layer(norm, channels), nn.ReLU())

        def wide(inputs: int, outputs: int, *, bias: bool) -> nn.Conv2d:
            return Conv2d(inputs, outputs, 7, padding=3, padding_mode="reflect", bias=bias)

        def halve(inputs: int) -> nn.Sequential:
            outputs, stride = 2 * inputs, 1 if antialias else 2
            halving = layer(nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias), outputs)
            return halving.append(BlurDown()) if antialias else halving

        def double(inputs: int) -> nn.Sequential:
            outputs = inputs // 2
            if antialias:
                return layer(nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias), outputs).insert(0, BlurUp())
            doubling = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=bias)
            return layer(doubling, outputs)

        self.stem = layer(wide(source_channels, width, bias=bias), width)
        self.downs = nn.ModuleList(halve(c) for c in (width, 2 * width))
        self.blocks = nn.ModuleList(ResidualBlock(4 * width, norm, dropout=dropout) for _ in range(blocks))
        self.ups = nn.ModuleList(double(c) for c in (4 * width, 2 * width))
        self.head = wide(width, target_channels, bias=True)
        initialise(self)

    def forward(self, x: Tensor, masks: Masks = ()) -> Tensor:
        for layer in chain(self.stem, *self.downs):  # one by one: a Sequential keeps what it was given until its end
            x = layer(x)
        for block, mask in zip_longest(self.blocks, masks):
            x = block(x, mask)
        return self.decode(x)

    def decode(self, x: Tensor) -> Tensor:
        """The picture that the last block's result stands for."""
        for layer in chain(*self.ups):
            x = layer(x)
        return torch.tanh(self.head(x))

    def masks(self, height: int, width: int, generator: torch.Generator) -> Masks:
        """Dropout masks for one picture of this size, to be handed to `forward`."""
        blocks = [block for block in self.blocks if isinstance(block, ResidualBlock)]
        size = (height // 4, width // 4)
        return [block.dropout.mask((1, block.channels, *size), generator) for block in blocks if block.dropout]


class AttentiveResNet(ResNet):
    """A ResNet that makes a new picture and a mask in [0, 1] of where it goes: mask * new + (1 - mask) * x.

    The equation is that of Alami Mejjati et al. (2018); that one generator makes both, as in Tang et al. (2019).
    """

    def __init__(self, source_channels: int, target_channels: int, **options: Any) -> None:
        super().__init__(source_channels, target_channels + 1, **options)

    def forward(self, x: Tensor, masks: Masks = ()) -> Tensor:
        made = super().forward(x, masks)
        new, mask = made[:, :-1], (made[:, -1:] + 1) / 2  # (tanh(z) + 1) / 2 is a sigmoid, of 2z
        return mask * new + (1 - mask) * x

    def mask(self, x: Tensor) -> Tensor:
        """The mask as a picture in [-1, 1] with the channels of `x`."""
        return super().forward(x)[:, -1:].expand_as(x)


class FeatureResNet(ResNet):
    """A ResNet that also gives what its encoder makes of a picture, at the five places that CUT compares.

    They are the picture with mirrored borders, what the convolutions of both halvings make of it, and what the first
    and the fifth block do (Park et al. 2020).
    """

    def __init__(self, source_channels: int, target_channels: int, **options: Any) -> None:
        super().__init__(source_channels, target_channels, **options)
        self.last = min(5, len(self.blocks))

    @property
    def feature_channels(self) -> list[int]:
        """The channels of each feature."""
        convs = [layer[0] for layer in (self.stem, *self.downs)]
        blocks = [convs[-1].out_channels] * (2 if self.last > 1 else 1)
        return [convs[0].in_channels, *(conv.out_channels for conv in convs[1:]), *blocks]

    def forward(self, x: Tensor, masks: Masks = (), give: Literal["picture", "features", "both"] = "picture") -> Any:
        """The picture made of `x`; or its features, and nothing after them; or both, the features as constants."""
        if give == "picture":
            return super().forward(x, masks)
        features = [F.pad(x, (3, 3, 3, 3), mode="reflect")]
        x = self.stem(x)
        for down in self.downs:
            conv, *rest = down.children()
            features.append(x := conv(x))
            for layer in rest:
                x = layer(x)
        for number, block in enumerate(self.blocks, 1):
            x = block(x)
            if number in (1, self.last):
                features.append(x)
            if number == self.last and give == "features":
                return features
        return self.decode(x), [feature.detach() for feature in features]
