"""Peak resident memory of pix2pix training steps at 256x256, each way in a process of its own.

Run:  python benchmarks/memory.py [--generator unet_256] [--batch 16]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

import torch
from timing import NORM

from diptych.methods import find
from diptych.runtime.speed import Speed
from diptych.training.estimate import training_bytes
from diptych.training.trainer import Trainer

WAYS = {
    "the whole batch": (0, False),
    "micro-batches of 2": (2, False),
    "recomputed": (0, True),
    "micro-batches of 2, recomputed": (2, True),
}


def peak(generator: str, batch: int, micro_batch: int, recompute: bool) -> float:
    """Gigabytes that this process has held at most, after three steps."""
    method = find("pix2pix")(generator=generator, **NORM[generator.partition("_")[0]])
    trainer = Trainer(method, images=100, micro_batch=micro_batch, speed=Speed(recompute=recompute))
    pictures = torch.rand(batch, 3, 256, 256) * 2 - 1
    for _ in range(3):
        trainer.step({"source": pictures, "target": pictures})
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default="unet_256")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--way", choices=WAYS, help="measure this one, in this process")
    asked = parser.parse_args()
    if asked.way:
        print(peak(asked.generator, asked.batch, *WAYS[asked.way]))
        return
    pictures = dict.fromkeys(("source", "target"), torch.empty(asked.batch, 3, 256, 256, device="meta"))
    options = {"generator": asked.generator, **NORM[asked.generator.partition("_")[0]]}
    estimate = training_bytes(lambda: find("pix2pix")(**options), pictures, speed=Speed(bf16=True))
    print(f"{asked.generator}, batch {asked.batch}; estimate for all of it: {estimate / 1e9:.2f} GB and the libraries")
    for way in WAYS:
        command = [sys.executable, __file__, "--generator", asked.generator, "--batch", str(asked.batch), "--way", way]
        print(f"{way:34} {float(subprocess.check_output(command)):6.2f} GB", flush=True)


if __name__ == "__main__":
    main()
