"""DiffAugment: all that a discriminator sees, real or fake, is changed at random, and gradients pass through that.

Zhao, Liu, Lin, Zhu, Han: Differentiable Augmentation for Data-Efficient GAN Training, NeurIPS 2020. The draws come from
torch's global random numbers, other ones for each picture of a batch; nothing waits for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Augmentation = Literal["colour", "translation", "cutout"]


def diffaugment(x: Tensor, kinds: Sequence[Augmentation], pictures: Sequence[int] = ()) -> Tensor:
    """Change a batch `B C H W` in [-1, 1] in each of these ways, in their order; the result may leave [-1, 1].

    pictures: how many channels belong to each picture where several lie one behind the other, as those of a pair do;
    by default all to one. They move and are cut together, and each has colours of its own.
    """
    for kind in kinds:
        match kind:
            case "colour":
                x = torch.cat([colour(picture) for picture in x.split(list(pictures) or x.shape[1], dim=1)], dim=1)
            case "translation":
                x = translation(x)
            case "cutout":
                x = cutout(x)
    return x


def colour(x: Tensor) -> Tensor:
    """Brightness by -0.5 to 0.5, then saturation times 0 to 2, then contrast times 0.5 to 1.5; on average nothing."""
    x = x + draw(x, -0.5, 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = grey + draw(x, 0.0, 2.0) * (x - grey)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + draw(x, 0.5, 1.5) * (x - mean)


def translation(x: Tensor, share: float = 1 / 8) -> Tensor:
    """Move by up to `share` of the height and of the width; what comes in from outside is 0."""
    for dim in (2, 3):
        size = x.shape[dim]
        reach = round(size * share)
        places = along(x, dim) - draw_whole(x, -reach, reach)
        inside = (places >= 0) & (places < size)
        x = x.gather(dim, places.clamp(0, size - 1).expand_as(x)) * inside
    return x


def cutout(x: Tensor, share: float = 1 / 2) -> Tensor:
    """Set to 0 a rectangle of `share` of the height and of the width, its middle anywhere in the picture."""
    return x * ~(covered(x, 2, share) & covered(x, 3, share))


def covered(x: Tensor, dim: int, share: float) -> Tensor:
    """Which places along `dim` lie in the rectangle."""
    size = x.shape[dim]
    length = round(size * share)
    first = draw_whole(x, 0, size - length % 2) - length // 2
    return (along(x, dim) >= first) & (along(x, dim) < first + length)


def along(x: Tensor, dim: int) -> Tensor:
    """0, 1, 2 ... along `dim` of a batch."""
    return torch.arange(x.shape[dim], device=x.device).view([-1 if d == dim else 1 for d in range(4)])


def draw(x: Tensor, low: float, high: float) -> Tensor:
    """A number between `low` and `high` for each picture."""
    return torch.rand(len(x), 1, 1, 1, device=x.device) * (high - low) + low


def draw_whole(x: Tensor, low: int, high: int) -> Tensor:
    """A whole number from `low` to `high`, both included, for each picture."""
    return torch.randint(low, high + 1, (len(x), 1, 1, 1), device=x.device)
