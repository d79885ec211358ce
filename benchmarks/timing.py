"""Medians of wall-clock times, and the table they are printed in."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from diptych.methods.method import Method, inputs, label_inputs
from diptych.testing import channels_of, one_hot

NORM = {"unet": {"norm": "batch", "dropout": True}, "resnet": {"norm": "instance", "dropout": False}}
"""The published options of pix2pix with each family of generators."""


def median(function: Callable[[], object], *, repeats: int = 5, warm: int = 2) -> float:
    """The median seconds of a call, after `warm` calls that are not counted."""
    for _ in range(warm):
        function()
    return statistics.median(elapsed(function) for _ in range(repeats))


def elapsed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def pictures(method: type[Method], options: dict[str, object], batch: int, side: int = 256) -> dict[str, Tensor]:
    """Random pictures, or label maps, for every input of a method with these options."""
    found = {}
    for name in inputs(method):
        channels = int(str(options.get(f"{name}_channels", channels_of(method, name))))
        noise = torch.rand(batch, channels, side, side) * 2 - 1
        found[name] = one_hot(noise) if name in label_inputs(method) else noise
    return found


def machine() -> str:
    """Processor, threads and versions, as a line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    bf16 = "AMX" if "amx_bf16" in flags else "AVX-512" if "avx512_bf16" in flags else "none"
    return f"{name}, {torch.get_num_threads()} threads, bf16 arithmetic: {bf16}, torch {torch.__version__}"


def row(name: str, seconds: float, plain: float) -> str:
    """A line of the table: milliseconds, and how many times faster than the plain path."""
    return f"{name:56} {seconds * 1e3:9.1f} ms   {plain / seconds:5.2f}x"
