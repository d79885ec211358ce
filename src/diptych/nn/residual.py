"""Residual encoders and decoders that keep no skip between them: a picture, its code, and a picture again.

Blocks are those of He et al. (2016, "Identity Mappings"), with group norm (Wu and He 2018) and SiLU (Elfwing et al.
2017). What runs beside the blocks is never normalised, so that a code can say how bright a picture is.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.ops.group_norm import adaptive_group_norm, groups_of


class GroupNorm(nn.GroupNorm):
    """Group normalisation in groups of 16 channels or more; each channel has a scale and a shift.

    conditioning: where it is not 0, scales and shifts follow so many numbers, which `forward` takes for each picture,
    `B conditioning` (FiLM: Perez et al. 2018).
    """

    def __init__(self, channels: int, conditioning: int = 0) -> None:
        super().__init__(groups_of(channels), channels, affine=not conditioning)
        self.read = nn.Linear(conditioning, 2 * channels) if conditioning else None

    def forward(self, x: Tensor, look: Tensor | None = None) -> Tensor:
        if self.read is None or look is None:
            return super().forward(x)
        scale, shift = self.read(look).float().chunk(2, dim=1)
        return adaptive_group_norm(x, self.num_groups, 1 + scale, shift, self.eps)


class Residual(nn.Module):
    """Norm, SiLU, 3x3 convolution, twice, added to the input; at first that is all there is.

    conditioning: its norms follow so many numbers, if any.
    """

    def __init__(self, inputs: int, outputs: int | None = None, *, conditioning: int = 0) -> None:
        super().__init__()
        outputs = outputs or inputs
        self.norm1 = GroupNorm(inputs, conditioning)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = GroupNorm(outputs, conditioning)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.beside = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, look: Tensor | None = None) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x, look)))
        return self.beside(x) + self.conv2(F.silu(self.norm2(hidden, look)))


def widths(width: int, downs: int) -> list[int]:
    """The channels at each size, from the picture's down: doubled at each halving, eight times `width` at most."""
    return [width * min(2**level, 8) for level in range(downs + 1)]


class ResidualEncoder(nn.Module):
    """A picture to a map of `outputs` channels: `downs` halvings, each with `blocks` residual blocks behind it.

    Height and width should be multiples of `2**downs`; others are rounded down. The first features, of the picture's
    half size, are `2 * width`.
    """

    def __init__(self, channels: int, outputs: int, *, width: int = 32, downs: int = 3, blocks: int = 1) -> None:
        super().__init__()
        c = [channels, *widths(width, downs)[1:]]
        self.downs = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(c[i], c[i + 1], 4, stride=2, padding=1), *(Residual(c[i + 1]) for _ in range(blocks))
                )
                for i in range(downs)
            )
        )
        self.head = nn.Conv2d(c[-1], outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.downs(x))


class ResidualDecoder(nn.Module):
    """A code of `inputs` channels to a picture in [-1, 1]: the way back of a `ResidualEncoder`."""

    def __init__(self, inputs: int, channels: int, *, width: int = 32, downs: int = 3, blocks: int = 1) -> None:
        super().__init__()
        c = widths(width, downs)
        self.stem = nn.Conv2d(inputs, c[-1], 3, padding=1)
        self.ups = nn.Sequential(
            *(
                nn.Sequential(*(Residual(c[i + 1]) for _ in range(blocks)), Up(c[i + 1], c[i]))
                for i in reversed(range(downs))
            )
        )
        self.norm = GroupNorm(width)
        self.head = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, code: Tensor) -> Tensor:
        return torch.tanh(self.head(F.silu(self.norm(self.ups(self.stem(code))))))


class Up(nn.Module):
    """Double height and width, each pixel four times, and a 3x3 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
