"""One training step at 256x256, per image: each way of training against the plain one, in one run.

Plain: float32, eager, batch 1, pictures laid out B C H W, Adam in many kernels, every picture through a network by
itself, as the references train.
Run:  python benchmarks/train_step.py [METHOD] [OPTION=VALUE ...] [--batches 1 8] [--brief] [--compile] [--repeats 5]
      python benchmarks/train_step.py pix2pix generator=resnet_9blocks norm=instance dropout=false
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from typing import Any

import torch
from timing import machine, median, pictures, row

from diptych.methods import find
from diptych.methods.method import Method
from diptych.options.recipes import assignments
from diptych.runtime.arithmetic import Convolutions, best_rate
from diptych.runtime.speed import PLAIN, Speed
from diptych.training.trainer import Trainer

Build = Callable[[], Method]
Pictures = Callable[[int], dict[str, torch.Tensor]]


def seconds(build: Build, pictures: Pictures, batch: int, speed: Speed, repeats: int, *, apart: bool = False) -> float:
    """Median seconds of a step, per image; `apart`: no two pictures share a pass where a method would let them."""
    torch.manual_seed(0)
    method = build()
    if apart and hasattr(method, "one_pass"):
        method.one_pass = False
    trainer = Trainer(method, images=10**6, speed=speed)
    some = pictures(batch)
    return median(lambda: trainer.step(some), repeats=repeats) / batch


def operations(build: Build, pictures: Pictures) -> float:
    """Floating-point operations of the convolutions in one image's step, forward and backward."""
    trainer = Trainer(build(), images=10**6, speed=PLAIN)
    with Convolutions() as convolutions:
        trainer.step(pictures(1))
    return convolutions.operations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", nargs="?", default="pix2pix")
    parser.add_argument("options", nargs="*")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--brief", action="store_true", help="only the plain path and the default")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    ways = {
        "channels_last": Speed(bf16=False, fused=False, keep_memory=False),
        "+ fused": Speed(bf16=False, keep_memory=False),
        "+ bf16": Speed(bf16=True, keep_memory=False),
        "+ keep_memory (the default)": Speed(bf16=True),
    }
    if asked.brief:
        ways = {"the default": Speed(bf16=True)}
    if asked.compile:
        ways["+ compile"] = Speed(bf16=True, compile=True)
    print(machine())
    method, options = find(asked.method), assignments(asked.options)
    build = functools.partial(method, **options)

    def some(batch: int) -> dict[str, Any]:
        return pictures(method, options, batch)

    name = " ".join([asked.method, *asked.options])
    each = operations(build, some)
    print(f"{name}: {each / 1e9:.0f} GFLOP in the convolutions of a step")
    plain = seconds(build, some, 1, PLAIN, asked.repeats, apart=True)
    print(row("batch 1, plain", plain, plain), flush=True)
    together = seconds(build, some, 1, PLAIN, asked.repeats)
    print(row("batch 1, plain, passes shared", together, plain), flush=True)
    for way, speed in ways.items():  # keep_memory comes last: a process cannot undo it
        for batch in asked.batches:
            found = seconds(build, some, batch, speed, asked.repeats)
            best = best_rate(torch.device("cpu"), bf16=speed.bf16 is True, batch=batch)
            share = f"   {each / found / best:.0%} of the best dense convolution's {best / 1e12:.2f} TFLOP/s"
            print(row(f"batch {batch}, {way}", found, plain) + share, flush=True)


if __name__ == "__main__":
    main()
