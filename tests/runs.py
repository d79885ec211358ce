"""Small trainings for tests: a recipe that takes a second, and the command in processes of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from diptych.training import run
from diptych.training.log import records

NETWORKS: dict[str, Any] = {"generator": "unet_32", "width": 4, "discriminator_width": 4, "discriminator_layers": 1}
TRAIN: dict[str, Any] = {
    "images": 12, "batch": 2, "ema": 0.9, "best": "l1",
    "tick_every": 2, "sample_every": 0, "validate_every": 4, "checkpoint_every": 6,
}  # fmt: skip


def recipe(pairs: Path, *, method: dict[str, Any] | None = None, **train: Any) -> dict[str, dict[str, Any]]:
    """A recipe for 64x64 pixels, with dropout, batch norm and an average of weights; `train` replaces its options."""
    return {
        "method": {"name": "pix2pix", **NETWORKS, "generator": "unet_64", **(method or {})},  # unet_32 has no dropout
        "data": {"folder": str(pairs), "size": 64, "val": 0.3},
        "train": TRAIN | train,
        "speed": {"bf16": False},
    }


def arguments(given: dict[str, dict[str, Any]], out: Path) -> list[str]:
    """The same recipe as the command line has it."""
    options = [f"{part}.{key}={value}" for part, some in given.items() for key, value in some.items() if key != "name"]
    return ["train", given["method"]["name"], *options, "--out", str(out)]


def train(given: dict[str, dict[str, Any]], out: Path, **options: Any) -> str:
    """Train here, in this process; returns what it said."""
    said = io.StringIO()
    run.train(given, out, console=Console(file=said, width=400), **options)
    return said.getvalue()


def start(*args: str, **environment: str) -> subprocess.Popen[str]:
    """Start `diptych ARGS` as a process of its own; what it says on standard error is kept."""
    command = [sys.executable, "-m", "diptych", *args]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | environment)


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str], *, seconds: float = 90) -> None:
    """Wait until `happened()`, which it must before `process` ends."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)


def images_seen(out: Path) -> int:
    """How far the run in `out` has come by its log."""
    with contextlib.suppress(OSError, KeyError):
        return max((record["images"] for record in records(out)), default=0)
    return 0


def outcome(out: Path) -> dict[str, bytes]:
    """The bytes of everything that a run ends with, and its log without the speeds."""
    names = ("weights.safetensors", "training.safetensors", "card.json")
    files = {f"{part}/{name}": (out / part / name).read_bytes() for part in ("model", "last") for name in names}
    lines = [{**record, "images_per_second": None} for record in records(out)]
    return {**files, "log.jsonl": json.dumps(lines).encode()}
