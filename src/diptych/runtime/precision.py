"""Convolutions run in bfloat16 where the device has such arithmetic, and in float32 where it would only cost time.

A processor without it (neither AVX-512 BF16 nor AMX) takes 2.6 to 5.6 times as long. Its features decide; where they
do not tell (another system, or kernels that the environment limits), one convolution is timed both ways.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import torch

Bf16 = bool | Literal["auto"]

FEATURES = ("amx_bf16", "avx512_bf16")
"""Flags of x86 processors whose kernels for bfloat16 are the faster ones."""
LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
"""Variables that keep the kernels from using what the processor has."""
FASTER = 1.1
"""How many times the rate of float32 bfloat16 has to reach, to be worth its rounding."""


@dataclass(frozen=True)
class Precision:
    """Whether convolutions run in bfloat16, and why."""

    bf16: bool
    why: str

    @property
    def name(self) -> str:
        return words(self.bf16)


def words(bf16: bool) -> str:
    return "bfloat16" if bf16 else "float32"


def choose(asked: Bf16, device: torch.device) -> bool:
    """Whether bfloat16 is used: as asked, or the faster way."""
    return fastest(device).bf16 if asked == "auto" else asked


def explain(asked: Bf16, device: torch.device) -> str:
    """What is used on the device, and why, in words; and that it is the slower one, where that is asked for."""
    best = fastest(device)
    if asked in ("auto", best.bf16):
        return f"{best.name} ({best.why})"
    return f"{words(not best.bf16)} as asked, although {best.name} is faster here ({best.why})"


@cache
def fastest(device: torch.device) -> Precision:
    """The faster precision for convolutions on the device; it is found out once in a process."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        than = "at least" if major >= 8 else "below"
        return Precision(major >= 8, f"compute capability {major}.{minor}, {than} 8.0")
    limits = [name for name in LIMITS if os.environ.get(name)]
    if device.type == "cpu" and not limits and (flags := processor_flags()):
        found = [name for name in FEATURES if name in flags]
        return Precision(bool(found), f"the processor has {' and '.join(found) or 'no arithmetic for bfloat16'}")
    return timed(device)


def processor_flags() -> frozenset[str]:
    """The features of an x86 processor by Linux's names; none where they cannot be read so."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return next((frozenset(line.split()) for line in lines if line.startswith("flags")), frozenset())


def timed(device: torch.device) -> Precision:
    """What one convolution, timed both ways, tells: a fraction of a second."""
    try:
        exact, rounded = convolution_rates(device, rounds=4)
    except (RuntimeError, TypeError, NotImplementedError) as error:  # torch's, of a device that has no bfloat16
        return Precision(False, f"{device.type} cannot: {(str(error) or type(error).__name__).splitlines()[0]}")
    message = f"a convolution in it is {rounded / exact:.1f} times as fast as in float32"
    if rounded < exact:
        message = f"a convolution in bfloat16 takes {exact / rounded:.1f} times as long"
    return Precision(rounded > FASTER * exact, message)


@torch.no_grad()
def convolution_rates(
    device: torch.device, *, rounds: int, batch: int = 1, side: int = 32, channels: int = 256
) -> tuple[float, float]:
    """TFLOP/s of a 3x3 convolution in float32 and in bfloat16: each the best of some rounds, as others compute too.

    Raises torch's errors where the device has no such convolution.
    """
    pictures = torch.ones(batch, channels, side, side, device=device).contiguous(memory_format=torch.channels_last)
    weights = torch.ones(channels, channels, 3, 3, device=device).contiguous(memory_format=torch.channels_last)
    both = [(pictures.to(dtype), weights.to(dtype)) for dtype in (torch.float32, torch.bfloat16)]
    seconds = [float("inf")] * 2
    for number in range(rounds + 1):
        for which, given in enumerate(both):
            start = time.perf_counter()
            float(torch.conv2d(*given, padding=1)[0, 0, 0, 0])  # the host waits for the device
            if number:  # the first is for warming up
                seconds[which] = min(seconds[which], time.perf_counter() - start)
    operations = 2 * batch * side**2 * channels**2 * 9
    return operations / seconds[0] / 1e12, operations / seconds[1] / 1e12
