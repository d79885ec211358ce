"""Learning-rate schedules: the factor on the base rate as a pure function of how far training is.

`epoch` may be any real number; at whole numbers the factors are those of the published code.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from diptych.methods.method import Schedule

EPOCHS = 200
"""The published schedules last 200 epochs; here they stretch over whatever training was asked for."""


def linear(epoch: float, hold: float = 100, decay: float = 100) -> float:
    """One for `hold` epochs, then a straight line down over `decay` (pix2pix, CycleGAN, CUT)."""
    return 1 - max(0.0, epoch + 1 - hold) / (decay + 1)


def late_linear(epoch: float) -> float:
    """`linear` that begins after three quarters (FastCUT)."""
    return linear(epoch, hold=150, decay=50)


def halving(epoch: float) -> float:
    """Half as much after every tenth (UNIT, MUNIT)."""
    return step(epoch, every=EPOCHS / 10, gamma=0.5)


def inverse(epoch: float) -> float:
    """One over one and what grows steadily, to a ninth at the end (AdaIN)."""
    return 1 / (1 + 8 * epoch / EPOCHS)


def cosine(epoch: float, period: float = EPOCHS) -> float:
    """Half a cosine from one to zero (Loshchilov and Hutter 2017)."""
    return (1 + math.cos(math.pi * epoch / period)) / 2


def warm_cosine(epoch: float, warm: float = EPOCHS / 20) -> float:
    """`cosine` whose first twentieth is the way up to it from zero (Goyal et al. 2017)."""
    return cosine(epoch) * min(1.0, (epoch + 1) / warm)


def step(epoch: float, every: float = 50, gamma: float = 0.1) -> float:
    """Times `gamma` after `every` epochs, and again."""
    return gamma ** (epoch // every)


def constant(epoch: float) -> float:
    """Always one."""
    return 1.0


def factor(schedule: Schedule, progress: float) -> float:
    """The factor when `progress`, 0 to 1, of the training is done."""
    functions: dict[Schedule, Callable[[float], float]] = {
        "linear": linear, "late linear": late_linear, "halving": halving, "inverse": inverse,
        "cosine": cosine, "warm cosine": warm_cosine, "step": step, "constant": constant,
    }  # fmt: skip
    return functions[schedule](progress * (EPOCHS - 1))
