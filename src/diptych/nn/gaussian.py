"""Normal distributions of codes, what they cost in nats, and running means of codes.

Kingma and Welling: Auto-Encoding Variational Bayes, ICLR 2014; free bits are those of Kingma et al., Improved
Variational Inference with Inverse Autoregressive Flow, NeurIPS 2016, appendix C.8.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

BOUND = 10.0
"""Log variances approach this, and its negative, but never reach it: no exponential leaves all bounds."""


class Gaussian(NamedTuple):
    """Independent normal distributions, `B C` or `B C H W`, by their means and the logarithms of their variances."""

    mean: Tensor
    log_variance: Tensor

    @classmethod
    def of(cls, numbers: Tensor) -> Gaussian:
        """Those that the `2 C` channels of what an encoder gives stand for; in float32."""
        mean, log_variance = numbers.float().chunk(2, dim=1)
        return cls(mean, BOUND * torch.tanh(log_variance / BOUND))

    def at(self, noise: Tensor) -> Tensor:
        """The draw that standard normal `noise` makes of them."""
        return self.mean + (0.5 * self.log_variance).exp() * noise

    def divergence(self, other: Gaussian | None = None) -> Tensor:
        """The Kullback-Leibler divergence from `other`, by default the standard normal: each number's, in nats."""
        if other is None:
            return 0.5 * (self.mean.square() + self.log_variance.exp() - self.log_variance - 1)
        apart = (self.mean - other.mean).square() * (-other.log_variance).exp()
        wider = self.log_variance - other.log_variance
        return 0.5 * (apart + wider.exp() - wider - 1)


def nats(divergence: Tensor, free: float = 0.0) -> Tensor:
    """What codes of this divergence, `B C` or `B C H W`, cost at each place of the map: a mean over the pictures.

    That of each channel is averaged over the map of each picture; so much of it is free: below, it counts as `free`
    and nothing pulls at it. Then the channels are added.
    """
    each = divergence.flatten(2).mean(2) if divergence.dim() > 2 else divergence
    return each.clamp(min=free).sum(1).mean()


def warmed(weight: float, progress: float, share: float) -> float:
    """`weight` when `progress` of the training is done and it grows from nothing over the first `share` of it."""
    return weight * min(1.0, progress / share) if share else weight


def draw_normal(like: Tensor, count: int = 1) -> tuple[Tensor, ...]:
    """Standard normal draws, `count` for each picture of `like`, of its shape.

    They are made picture by picture, sixteen at a time as torch makes them, so that a batch in parts has the draws of
    the whole.
    """
    pictures, *shape = like.shape
    wanted = count * like[0].numel()
    drawn = torch.randn(pictures, wanted + -wanted % 16, device=like.device)[:, :wanted]
    return drawn.reshape(pictures, count, *shape).unbind(1)


def seeded_normal(seed: int, *shape: int) -> Tensor:
    """The standard normal draw that `seed` stands for, wherever the model runs."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class RunningMeans(nn.Module):
    """The mean of what was seen lately of several kinds, `channels` numbers each; older pictures fade by `decay`.

    A batch fades picture by picture, so that in parts it leaves what it leaves as a whole.
    """

    total: Tensor
    weight: Tensor

    def __init__(self, kinds: int, channels: int, decay: float = 0.999) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("total", torch.zeros(kinds, channels))
        self.register_buffer("weight", torch.zeros(kinds))

    @torch.no_grad()
    def see(self, kind: int, seen: Tensor) -> None:
        """Take `B C` of one kind into account."""
        ages = torch.arange(len(seen) - 1, -1, -1, device=seen.device)
        fading = self.decay**ages
        kept = self.decay ** len(seen)
        self.total[kind].mul_(kept).add_((fading[:, None] * seen.float()).sum(0))
        self.weight[kind].mul_(kept).add_(fading.sum())

    def mean(self, kind: int) -> Tensor:
        """`C`; zeros where nothing was seen."""
        return self.total[kind] / self.weight[kind].clamp(min=1e-12)
