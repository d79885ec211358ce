"""How much of the machine's arithmetic is used: convolutions are counted as they run, and the best of them is timed."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from diptych.runtime.precision import words

CONVOLUTIONS = {operation for operation in flop_registry if "conv" in str(operation)}
BATCH = 16
"""A larger one is no faster."""
SIDES = (64, 32, 16)
LONG = 0.08
"""Seconds that one convolution may take; with more the pictures are smaller."""


class Convolutions(TorchDispatchMode):
    """Counts the floating-point operations of all convolutions that run inside of it, forward and backward.

    Those of a gradient that is asked for within a step are among them. A multiplication and an addition are two.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, kind = kwargs or {}, function._overloadpacket
        if torch.is_inference_mode_enabled() and kind not in CONVOLUTIONS:  # where they come in larger pieces
            with self:
                result = function.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = function(*args, **kwargs)
        if kind in CONVOLUTIONS:
            self.operations += flop_registry[kind](*args, **kwargs, out_val=result)
        return result


@torch.no_grad()
def best_rate(device: torch.device, *, bf16: bool, batch: int, rounds: int = 4) -> float:
    """Operations a second of the best dense convolution, 3x3 with 256 channels, for so many pictures: half a second.

    It draws nothing at random. The best of some rounds, as others compute too.
    """
    dtype, layout = torch.bfloat16 if bf16 else torch.float32, torch.channels_last
    weights = torch.ones(256, 256, 3, 3, device=device, dtype=dtype).contiguous(memory_format=layout)

    def rate(side: int) -> float:
        pictures = torch.ones(min(batch, BATCH), 256, side, side, device=device, dtype=dtype)
        pictures, start = pictures.contiguous(memory_format=layout), time.perf_counter()
        float(torch.conv2d(pictures, weights, padding=1)[0, 0, 0, 0])  # the host waits for the device
        return operations(side) / (time.perf_counter() - start)

    def operations(side: int) -> int:
        return 2 * min(batch, BATCH) * side**2 * 256**2 * 9

    rate(SIDES[-1])  # for warming up
    rough = rate(SIDES[-1])
    side = next((side for side in SIDES if operations(side) < LONG * rough), SIDES[-1])
    return max(rough, *(rate(side) for _ in range(rounds)))


def share_in_words(operations: float, seconds: float, best: float, *, bf16: bool) -> str:
    """What part of the best convolution's rate so many operations in so many seconds are."""
    reached = operations / seconds
    return (
        f"{operations / 1e9:.3g} GFLOP of convolutions in {1e3 * seconds:.0f} ms, {reached / 1e12:.3g} TFLOP/s: "
        f"{reached / best:.0%} of the rate of the best dense convolution here ({best / 1e12:.3g} in {words(bf16)})"
    )
