"""The device that computes, by name, and what of the usual it lacks."""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

from diptych.errors import ConfigError

FUSED = ("cpu", "cuda")
"""They have a kernel for a whole optimiser step, and are not asked: making an optimiser imports a compiler (1.6 s)."""


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name`; `auto` is the first of a CUDA GPU, Apple's MPS and the processor that there is.

    Raises ConfigError for one not here.
    """
    if name == "auto":
        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        return torch.device(next(name for name in there if there[name]))
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without it
        raise ConfigError(
            f"the device {name!r} cannot be used: {str(error).splitlines()[0]}; try auto or cpu"
        ) from None


@cache
def lacking(device: torch.device) -> dict[str, str]:
    """Those of the options of `Speed` that are of no use on the device, and why."""
    lacks = {}
    if device.type == "mps":
        lacks["channels_last"] = "its convolutions know only the layout B C H W"
    if device.type not in FUSED and not fuses(device):
        lacks["fused"] = "it has no such kernel"
    return lacks


def fuses(device: torch.device) -> bool:
    """Whether it has a kernel for a whole optimiser step."""
    weight = nn.Parameter(torch.zeros(1, device=device))
    weight.grad = torch.zeros_like(weight)
    try:
        torch.optim.Adam([weight], fused=True).step()
    except (RuntimeError, NotImplementedError):
        return False
    return True
