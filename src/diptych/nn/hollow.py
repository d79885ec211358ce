"""Networks without memory for their weights: the names and shapes of these alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


@contextmanager
def hollow() -> Iterator[None]:
    """Networks that are made within have no memory for their weights."""
    with torch.device("meta"), Undrawn():
        yield


class Undrawn(TorchFunctionMode):
    """Leaves first weights undrawn: without memory they have none, and drawing them imports a compiler (1.6 s)."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given, name = kwargs or {}, getattr(func, "__name__", "")
        if name == "randn":
            return torch.empty(*args, **given)
        if name in ("normal_", "uniform_", "normalize") or getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else given["tensor"]
        return func(*args, **given)
