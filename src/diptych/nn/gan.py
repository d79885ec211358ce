"""Adversarial losses: what a discriminator's logits cost it, or the generator that wants to please it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Gan = Literal["vanilla", "lsgan", "hinge", "wgan-gp"]


def gan_loss(logits: Tensor, real: bool, kind: Gan) -> Tensor:
    """How far `logits` are from calling every patch real (or fake), as a mean over all of them.

    vanilla: cross-entropy (Goodfellow et al. 2014) · lsgan: squares (Mao et al. 2017) · hinge: the discriminator's
    margin (Lim and Ye 2017) · wgan-gp: the critic's mean (Gulrajani et al. 2017).
    """
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


def generator_loss(logits: Tensor, kind: Gan) -> Tensor:
    """What the generator pays for the logits of its fakes: as if they were to be real; with hinge, minus their mean."""
    return gan_loss(logits, True, "wgan-gp" if kind == "hinge" else kind)


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
