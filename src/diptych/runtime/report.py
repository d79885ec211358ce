"""The machine in words: what it is, what was chosen for it and why, and how fast it is."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from diptych.runtime.device import choose_device, lacking
from diptych.runtime.memory import size
from diptych.runtime.precision import LIMITS, convolution_rates, explain
from diptych.runtime.threads import SPINS, usual

Facts = dict[str, str]

HEEDED = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "CUDA_VISIBLE_DEVICES", *LIMITS)
"""Variables of the environment that change what is chosen."""


def machine() -> Facts:
    """System, processor and memory."""
    facts = {"system": platform.platform(), "python": platform.python_version(), "torch": torch.__version__}
    return {**facts, "processor": processor(), "processors": processors(), "memory": memory()}


def processor() -> str:
    """The processor's name."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())


def processors() -> str:
    """How many there are, and how many of them this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{os.cpu_count()}, of which this process may use {usable}"


def memory() -> str:
    path = Path("/proc/meminfo")
    if not path.exists():
        return "not known on this system"
    found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in path.read_text().splitlines()}
    return f"{size(found['MemTotal'])}, {size(found['MemAvailable'])} of it free"


def devices() -> dict[str, torch.device]:
    """Every device there is, and its name in words."""
    found = {}
    for number in range(torch.cuda.device_count()):
        of = torch.cuda.get_device_properties(number)
        found[f"{of.name}, {size(of.total_memory)}, compute capability {of.major}.{of.minor}"] = f"cuda:{number}"
    if torch.backends.mps.is_available():
        found["Apple's graphics processor"] = "mps"
    return {name: torch.device(where) for name, where in {**found, "the processor": "cpu"}.items()}


def choices() -> Facts:
    """What training and translation use here by themselves, and why."""
    device = choose_device()
    left_off = [f"{name} ({why})" for name, why in lacking(device).items()]
    asked = {name: os.environ[name] for name in HEEDED if os.environ.get(name, SPINS) != SPINS}
    fixed = "as OMP_NUM_THREADS says" if "OMP_NUM_THREADS" in os.environ else "fewer where other programs are busy"
    return {
        "device": f"{device}, the first there is of cuda, mps and cpu",
        "training": explain("auto", device),
        "translation": "float32, and bfloat16 by --bf16",
        "left off": ", ".join(left_off) or "nothing",
        "threads": f"{usual()}, {fixed}",
        "set by the user": ", ".join(f"{name}={value}" for name, value in asked.items()) or "nothing",
    }


def speed(device: torch.device) -> str:
    """How fast a 3x3 convolution of 256 channels is: up to 5 seconds."""
    exact, rounded = convolution_rates(device, rounds=4, batch=4, side=64)
    return f"{exact:.3f} TFLOP/s in float32, {rounded:.3f} in bfloat16, {rounded / exact:.2f} times as fast"
