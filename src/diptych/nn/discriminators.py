"""Discriminators: a picture in, a map of logits out, one for each patch."""

from __future__ import annotations

from torch import Tensor, nn

from diptych.nn.blocks import initialise
from diptych.nn.norms import Norm, needs_bias, norm_layer
from diptych.nn.ops.blur import BlurDown


class PatchGAN(nn.Module):
    """Judges overlapping patches: `layers=3` sees 70x70 pixels at once (Isola et al. 2017, §3.2.2).

    `layers - 1` further halvings follow the first, then two convolutions of stride 1. 256x256 pixels give 30x30 logits.
    With `antialias` it halves by blurring, not by the strides of convolutions (Zhang 2019); with `bias` all
    convolutions have one, not only those that the norm leaves it to.
    """

    def __init__(
        self,
        channels: int,
        *,
        layers: int = 3,
        width: int = 64,
        norm: Norm = "batch",
        antialias: bool = False,
        bias: bool = False,
    ) -> None:
        super().__init__()
        inner = bias or needs_bias(norm)
        c = [width * min(2**level, 8) for level in range(layers + 1)]

        def conv(inputs: int, outputs: int, stride: int, *, bias: bool = True) -> nn.Conv2d:
            return nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1, bias=bias)

        stride, blur = (1, [BlurDown()]) if antialias else (2, [])
        stages: list[nn.Module] = [conv(channels, c[0], stride), nn.LeakyReLU(0.2), *blur]
        for level in range(1, layers):
            stages += [conv(c[level - 1], c[level], stride, bias=inner), norm_layer(norm, c[level])]
            stages += [nn.LeakyReLU(0.2), *blur]
        stages += [conv(c[-2], c[-1], 1, bias=inner), norm_layer(norm, c[-1]), nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*stages, conv(c[-1], 1, 1))
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class PixelGAN(nn.Module):
    """Judges every pixel by itself, with 1x1 convolutions: it sees colour alone (Isola et al. 2017, §6.1.2)."""

    def __init__(self, channels: int, *, width: int = 64, norm: Norm = "batch") -> None:
        super().__init__()
        bias = needs_bias(norm)
        self.model = nn.Sequential(
            nn.Conv2d(channels, width, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 1, bias=bias),
            norm_layer(norm, 2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 1, bias=bias),
        )
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)
