"""A U-Net that many numbers steer: the source says what is where, and a code how it looks.

The shape is that of Ronneberger et al. (2015); the blocks are residual, and their norms follow the code (FiLM: Perez,
Strub, de Vries, Dumoulin, Courville 2018).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diptych.nn.blocks import initialise_he
from diptych.nn.ops.join import join
from diptych.nn.residual import GroupNorm, Residual, ResidualEncoder, Up, widths


class SourceEncoder(nn.Module):
    """The features of a picture at its own size and after each of `downs` halvings, as a list; the last `channels`."""

    def __init__(self, channels: int, *, width: int = 32, downs: int = 4, blocks: int = 1) -> None:
        super().__init__()
        c = [channels, *widths(width, downs)[1:]]
        self.channels = c[-1]
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        self.downs = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(c[i], c[i + 1], 4, stride=2, padding=1), *(Residual(c[i + 1]) for _ in range(blocks))
            )
            for i in range(downs)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        features = [self.stem(x)]
        for down in self.downs:
            features.append(x := down(x))
        return features


class FiLMDecoder(nn.Module):
    """The features of a `SourceEncoder` and a code for each picture, `B code`, to pictures in [-1, 1].

    The code is read by a small network of `hidden` channels, and every norm on the way up, from the smallest size to
    the last, takes its scales and shifts from what that says. classes: where they are not 0, each has a vector that is
    added to what the first layer reads, where the chance in the code does not drown it; for pictures whose class is
    not told, the mean of all of these.
    """

    def __init__(
        self, code: int, channels: int, *, width: int = 32, downs: int = 4, hidden: int = 128, classes: int = 0
    ) -> None:
        super().__init__()
        c = widths(width, downs)
        self.classes = nn.Embedding(classes, hidden) if classes else None
        self.first, self.second = nn.Linear(code, hidden), nn.Linear(hidden, hidden)
        for reader in (self.first, self.second):
            initialise_he(reader)
        self.middle = Residual(c[-1], conditioning=hidden)
        self.ups = nn.ModuleList(Up(c[i + 1], c[i]) for i in reversed(range(downs)))
        self.blocks = nn.ModuleList(Residual(2 * c[i], c[i], conditioning=hidden) for i in reversed(range(downs)))
        self.norm = GroupNorm(width, conditioning=hidden)
        self.head = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, features: list[Tensor], code: Tensor, label: Tensor | None = None) -> Tensor:
        look = self.first(code)
        if self.classes is not None:
            look = look + (self.classes.weight.mean(0) if label is None else self.classes(label))
        look = F.silu(self.second(F.silu(look)))
        *skips, x = features
        x = self.middle(x, look)
        for up, block in zip(self.ups, self.blocks, strict=True):
            x = block(join(skips.pop(), up(x)), look)
        return torch.tanh(self.head(F.silu(self.norm(x, look))))


class Summary(nn.Module):
    """A picture of any size to `outputs` numbers: a mean over the places of a `ResidualEncoder`."""

    def __init__(self, channels: int, outputs: int, *, width: int = 32, downs: int = 4) -> None:
        super().__init__()
        features = widths(width, downs)[-1]
        self.encoder = ResidualEncoder(channels, features, width=width, downs=downs)
        self.head = SummaryHead(features, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x))


class SummaryHead(nn.Module):
    """Features `B C H W` to `outputs` numbers for each picture: a mean over places, and two layers."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(channels, channels), nn.SiLU(), nn.Linear(channels, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(F.silu(x).mean(dim=(2, 3)))


class StandardNormal(nn.Module):
    """The standard normal distribution of `code` numbers, as a `SummaryHead` gives one: zeros."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x), 2 * self.code)
