"""A method's random numbers, taken out of it: a graph has none of its own, it is given them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

DRAWING = (torch.rand, torch.randn)


class Draws(TorchFunctionMode):
    """Keeps what is drawn from a generator of its own, in order, in `drawn`; or gives what is `given` in its place."""

    def __init__(self, given: Sequence[Tensor] | None = None) -> None:
        super().__init__()
        self.drawn: list[Tensor] = []
        self.given = None if given is None else iter(given)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func not in DRAWING or named.get("generator") is None:
            return func(*args, **named)
        if self.given is not None:
            return next(self.given)
        self.drawn.append(func(*args, **{**named, "device": "cpu"}))
        return self.drawn[-1]
