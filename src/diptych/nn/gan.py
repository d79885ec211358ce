"""Adversarial losses: what a discriminator's logits cost it, or the generator that wants to please it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Gan = Literal["vanilla", "lsgan", "hinge", "wgan-gp"]
Logits = Tensor | Sequence[Tensor]
"""One map, or those of a discriminator that looks at several sizes."""


def gan_loss(logits: Logits, real: bool, kind: Gan) -> Tensor:
    """How far `logits` are from calling every patch real (or fake): a mean over all of them, and a sum over sizes.

    vanilla: cross-entropy (Goodfellow et al. 2014) · lsgan: squares (Mao et al. 2017) · hinge: the discriminator's
    margin (Lim and Ye 2017) · wgan-gp: the critic's mean (Gulrajani et al. 2017).
    """
    if not isinstance(logits, Tensor):
        return reduce(add, (gan_loss(one, real, kind) for one in logits))
    sign = 1.0 if real else -1.0
    match kind:
        case "vanilla":
            return F.softplus(-sign * logits).mean()
        case "lsgan":
            return ((logits - float(real)) ** 2).mean()
        case "hinge":
            return F.relu(1.0 - sign * logits).mean()
        case "wgan-gp":
            return -sign * logits.mean()


def generator_loss(logits: Logits, kind: Gan) -> Tensor:
    """What the generator pays for the logits of its fakes: as if they were to be real; with hinge, minus their mean."""
    return gan_loss(logits, True, "wgan-gp" if kind == "hinge" else kind)


def discriminator_losses(
    discriminator: Callable[[Tensor], Sequence[Tensor]], real: Tensor, fake: Tensor, kind: Gan
) -> tuple[Tensor, Tensor]:
    """What a discriminator with several maps of logits pays for real pictures, and for fakes.

    It sees both in one pass, so none of its norms may look at more than one picture.
    """
    on_real, on_fake = zip(*(logits.chunk(2) for logits in discriminator(torch.cat([real, fake]))), strict=True)
    return gan_loss(on_real, True, kind), gan_loss(on_fake, False, kind)


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, alpha: Tensor | None = None
) -> Tensor:
    """Keep the critic's slope near one between real and fake pictures (Gulrajani et al. 2017, eq. 3, weight aside).

    `alpha` in [0, 1] of shape `B 1 1 1` mixes the two; by default it is drawn.
    """
    alpha = torch.rand(len(real), 1, 1, 1, device=real.device) if alpha is None else alpha
    mixed = (alpha * real + (1 - alpha) * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(mixed).sum(), mixed, create_graph=True)
    return ((slope.flatten(1) + 1e-16).norm(dim=1) - 1).square().mean()  # 1e-16: the norm has no gradient at zero


def slope_penalty(discriminator: Callable[[Tensor], Tensor | Sequence[Tensor]], real: Tensor) -> Tensor:
    """Keep the discriminator flat at real pictures: E|grad D(x)|^2 (R1; Mescheder et al. 2018, eq. 9, weight aside).

    Of P logits for a picture, D(x) is the sum over sqrt(P): were their patches disjoint, that would be the mean of each
    patch's own penalty, and so a weight means the same for any P. Of several maps of logits, each has its own penalty.
    """
    real = real.detach().requires_grad_()
    answers = discriminator(real)
    penalties = []
    for logits in [answers] if isinstance(answers, Tensor) else answers:
        answer = logits.float().sum() / logits[0].numel() ** 0.5
        (slope,) = torch.autograd.grad(answer, real, create_graph=True)
        penalties.append(slope.square().flatten(1).sum(1).mean())
    return torch.stack(penalties).sum()


def relativistic(one: Logits, other: Logits) -> Tensor:
    """How far the logits of `one` picture are from beating those of `other`, place by place: a mean over all places.

    Of several maps, the mean over them. The discriminator pays it for a real picture and its fake, the generator for
    the two the other way round (Jolicoeur-Martineau 2018; Huang et al. 2024, "The GAN is dead; long live the GAN!").
    """
    if not isinstance(one, Tensor):
        return torch.stack([relativistic(*maps) for maps in zip(one, other, strict=True)]).mean()
    assert isinstance(other, Tensor)
    return F.softplus(other.float() - one.float()).mean()


def detached(logits: Logits) -> Logits:
    """The same logits, through which no gradient passes."""
    return logits.detach() if isinstance(logits, Tensor) else [one.detach() for one in logits]


def roughness(discriminator: Callable[[Tensor], Tensor], x: Tensor, sigma: float, *, given: int = 0) -> Tensor:
    """How fast logits change around pictures: their squared change under noise of deviation `sigma`, per variance.

    The finite difference of R1 and R2 (Mescheder et al. 2018; Roth et al. 2017), place by place: no second derivative.
    The first `given` channels, a condition, get no noise. Only a quarter of the area is looked at, at a random place.
    """
    part = quarter(x)
    noise = F.pad(sigma * torch.randn_like(part[:, given:]), (0, 0, 0, 0, given, 0))
    there, near = discriminator(torch.cat([part, part + noise])).float().chunk(2)
    return ((near - there) / sigma).square().mean()


def quarter(x: Tensor) -> Tensor:
    """A part half as high and wide at a random place; sides are rounded up to multiples of 32 where there is room."""
    for side, chance in zip((-2, -1), torch.rand(2, device=x.device), strict=True):
        whole, kept = x.shape[side], min(x.shape[side], -(-x.shape[side] // 64) * 32)
        start = (chance * (whole - kept + 1)).long()  # stays where it is: the host waits for no device
        x = x.index_select(side, start + torch.arange(kept, device=x.device))
    return x
