"""One pix2pix training step at 256x256, per image: each way of training against the plain one, in one run.

Plain: float32, eager, batch 1, pictures laid out B C H W, Adam in many kernels, as the reference trains.
Run:  python benchmarks/train_step.py [--generators unet_256 resnet_9blocks] [--compile] [--repeats 5]
"""

from __future__ import annotations

import argparse

import torch
from timing import machine, median, row

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generators", nargs="+", default=["unet_256", "resnet_9blocks"])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    ways = {
        "channels_last": Speed(bf16=False, fused=False),
        "channels_last fused": Speed(bf16=False),
        "channels_last fused bf16 (the default)": Speed(),
    }
    if asked.compile:
        ways["channels_last fused bf16 compile"] = Speed(compile=True)
    print(machine())
    for generator in asked.generators:
        plain = seconds(generator, 1, PLAIN, asked.repeats)
        print(row(f"{generator}, batch 1, plain", plain, plain), flush=True)
        for name, speed in ways.items():
            for batch in asked.batches:
                print(
                    row(f"{generator}, batch {batch}, {name}", seconds(generator, batch, speed, asked.repeats), plain),
                    flush=True,
                )


if __name__ == "__main__":
    main()
