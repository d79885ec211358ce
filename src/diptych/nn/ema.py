"""The average of weights over many steps, which translates better than any one step's (Yazıcı et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of a network's floating-point weights and buffers; counters are copied.

    decay: how much of the average stays at each image, or each step, whichever `update` counts; e.g. 0.999. Early on it
    is smaller, (1 + count) / (10 + count), so that the random start is soon forgotten.
    """

    def __init__(self, networks: dict[str, nn.Module], decay: float) -> None:
        self.decay, self.steps = decay, 0
        live = {f"{part}.{key}": x for part, net in networks.items() for key, x in net.state_dict().items()}
        self.averages = {name: tensor.detach().clone() for name, tensor in live.items()}
        self.moving = [(self.averages[name], tensor) for name, tensor in live.items() if tensor.is_floating_point()]
        self.copied = [(self.averages[name], tensor) for name, tensor in live.items() if not tensor.is_floating_point()]

    @torch.no_grad()
    def update(self, count: int = 1) -> None:
        """Move the average towards the present weights, after so many images, or one step."""
        self.steps += count
        rate = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps)) ** count
        averages, live = zip(*self.moving, strict=True)
        torch._foreach_lerp_(averages, live, rate)
        for average, tensor in self.copied:
            average.copy_(tensor)

    def state(self) -> dict[str, object]:
        return {"steps": self.steps, "averages": self.averages}

    def load(self, state: dict[str, object]) -> None:
        self.steps = int(state["steps"])  # type: ignore[call-overload]
        averages: dict[str, Tensor] = state["averages"]  # type: ignore[assignment]
        for name, tensor in averages.items():
            self.averages[name].copy_(tensor)
