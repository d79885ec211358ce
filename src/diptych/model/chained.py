"""Methods one after the other, as one: what holds the weights of a chain of models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from diptych.methods.method import Images, Method


class Chained(Method):
    """Trained methods in order. It learns nothing itself, and each translates with a translator of its own."""

    def __init__(self, parts: Sequence[Method]) -> None:
        super().__init__()
        self.keep = tuple(f"part{number}" for number in range(1, len(parts) + 1))
        self.stochastic = any(part.stochastic for part in parts)
        for name, part in zip(self.keep, parts, strict=True):
            self.add_module(name, part)

    @property
    def parts(self) -> list[Method]:
        children = dict(self.named_children())
        return [part for name in self.keep if isinstance(part := children[name], Method)]

    def steps(self, source: Images, target: Images) -> Any:
        raise NotImplementedError("a chain is not trained: its models are")

    def translate(self, x: Tensor) -> Tensor:
        raise NotImplementedError("between the models of a chain are their tasks: see model/chain.py")
