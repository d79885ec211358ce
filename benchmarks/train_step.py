"""One pix2pix training step at 256x256, per image: each way of training against the plain one, in one run.

Plain: float32, eager, batch 1, pictures laid out B C H W, Adam in many kernels, as the reference trains.
Run:  python benchmarks/train_step.py [--generator resnet_9blocks] [--compile] [--repeats 5]
"""

from __future__ import annotations

import argparse

import torch
from timing import machine, median, row
from torch.utils.flop_counter import FlopCounterMode

from diptych.methods import find
from diptych.speed import PLAIN, Speed
from diptych.training.trainer import Trainer

NORM = {"unet": {"norm": "batch", "dropout": True}, "resnet": {"norm": "instance", "dropout": False}}


def seconds(generator: str, batch: int, speed: Speed, repeats: int) -> float:
    """Median seconds of a step, per image."""
    torch.manual_seed(0)
    method = find("pix2pix")(generator=generator, **NORM[generator.partition("_")[0]])
    trainer = Trainer(method, images=10**6, speed=speed)
    pictures = torch.rand(batch, 3, 256, 256) * 2 - 1
    return median(lambda: trainer.step({"source": pictures, "target": pictures}), repeats=repeats) / batch


def operations(generator: str) -> int:
    """Floating-point operations of one image's step, forward and backward; all but the convolutions is left out."""
    with torch.device("meta"):
        method = find("pix2pix")(generator=generator, **NORM[generator.partition("_")[0]])
        pictures = torch.empty(1, 3, 256, 256)
    with FlopCounterMode(display=False) as counter:
        for step in method.steps(pictures, pictures):
            moving = [p for name in step.groups for net in method.groups()[name] for p in net.parameters()]
            step.loss.backward(inputs=moving)
    return counter.get_total_flops()


def convolution_rate(precision: torch.dtype) -> float:
    """TFLOP/s of the kernel that does most of the work, by itself."""
    layout = torch.channels_last
    pictures = torch.rand(8, 256, 64, 64).to(precision).contiguous(memory_format=layout)
    weights = torch.rand(256, 256, 3, 3).to(precision).contiguous(memory_format=layout)
    with torch.no_grad():
        seconds = median(lambda: torch.conv2d(pictures, weights, padding=1), repeats=7)
    return 2 * 8 * 64 * 64 * 256 * 256 * 9 / seconds / 1e12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default="unet_256")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    ways = {
        "channels_last": Speed(bf16=False, fused=False, keep_memory=False),
        "+ fused": Speed(bf16=False, keep_memory=False),
        "+ bf16": Speed(keep_memory=False),
        "+ keep_memory (the default)": Speed(),
    }
    if asked.compile:
        ways["+ compile"] = Speed(compile=True)
    print(machine())
    for precision in (torch.float32, torch.bfloat16):
        print(f"one 3x3 convolution of 256 channels reaches {convolution_rate(precision):.2f} TFLOP/s in {precision}")
    generator = asked.generator
    print(f"{generator}: {operations(generator) / 1e9:.0f} GFLOP in the convolutions of a step")
    plain = seconds(generator, 1, PLAIN, asked.repeats)
    print(row(f"{generator}, batch 1, plain", plain, plain), flush=True)
    for name, speed in ways.items():  # keep_memory comes last: a process cannot undo it
        for batch in asked.batches:
            found = seconds(generator, batch, speed, asked.repeats)
            print(row(f"{generator}, batch {batch}, {name}", found, plain), flush=True)


if __name__ == "__main__":
    main()
