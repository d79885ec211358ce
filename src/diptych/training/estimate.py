"""Memory that training will take, counted before it starts on tensors that hold nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from diptych.methods.method import Method, parameters
from diptych.nn.hollow import hollow
from diptych.runtime.speed import Speed
from diptych.training.stabilizers import Stabilizers

STATE_BYTES = 16
"""Per trained parameter: weight, gradient and Adam's two moments, in float32."""


def training_bytes(
    build: Callable[[], Method],
    batch: Mapping[str, Tensor],
    *,
    speed: Speed,
    stabilizers: Stabilizers | None = None,
) -> int:
    """Bytes for weights, gradients, optimiser state and the activations that a backward pass needs.

    build makes the method; batch has each of its inputs, as tensors that hold nothing. What the kernels use as scratch,
    the loader and the libraries themselves (about half a gigabyte) are not in it.
    """
    with hollow():
        method = build()
    with torch.device("meta"):
        count = sum(p.numel() for networks in method.groups().values() for p in parameters(networks))
        inputs = {name: x.to("meta") for name, x in batch.items()}
        stabilized = (stabilizers or Stabilizers()).apply(method)
        stabilized.begin(inputs, 0)
        saved = Saved()
        with torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda held: held.tensor):
            for step in method.steps(**inputs):
                step.terms |= stabilized.terms(step)
                del step  # its graph goes, as after a backward pass
    return count * STATE_BYTES + int(saved.peak * (0.55 if speed.bf16 else 1.0))  # norms still keep float32


class Saved:
    """Counts the bytes of activations that graphs hold, each storage once."""

    def __init__(self) -> None:
        self.alive = self.peak = 0
        self.holders: Counter[int] = Counter()

    def pack(self, tensor: Tensor) -> Held:
        return Held(tensor, self)


class Held:
    """A tensor in a graph; it is counted until the graph goes."""

    def __init__(self, tensor: Tensor, saved: Saved) -> None:
        self.tensor, self.saved = tensor, saved
        storage = tensor.untyped_storage()
        self.key, self.bytes = storage._cdata, 0 if isinstance(tensor, torch.nn.Parameter) else storage.nbytes()
        saved.holders[self.key] += 1
        if saved.holders[self.key] == 1:
            saved.alive += self.bytes
            saved.peak = max(saved.peak, saved.alive)

    def __del__(self) -> None:
        self.saved.holders[self.key] -= 1
        if not self.saved.holders[self.key]:
            self.saved.alive -= self.bytes
