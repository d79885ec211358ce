"""The device that computes, by name."""

from __future__ import annotations

import torch

from diptych.errors import ConfigError


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name`; `auto` is the first GPU, or else the processor. Raises ConfigError for one not here."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without it
        raise ConfigError(
            f"the device {name!r} cannot be used: {str(error).splitlines()[0]}; try auto or cpu"
        ) from None
