"""`diptych translate` on a folder, end to end, against the bare network at the same batch, in one run.

End to end is a process of its own: start, loading the model, decoding, translating, encoding. The files are JPEGs of
256x256; the start (imports and loading, told apart by a run over one picture) is reported by itself.
Run:  python benchmarks/translate_folder.py [--pictures 100] [--generator resnet_9blocks] [--batch 8]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from inference import translator
from timing import elapsed, machine, median

from diptych import images
from diptych.data.samples import street
from diptych.runtime.speed import Speed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--generator", default="resnet_9blocks")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--bf16", action="store_true")
    asked = parser.parse_args()
    print(machine())
    speed = Speed(bf16=asked.bf16)
    speed.start()  # as the command does
    run = translator(asked.generator, speed)
    batch = torch.rand(asked.batch, 3, 256, 256) * 2 - 1
    bare = asked.batch / median(lambda: run.batch(batch), repeats=5)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run.save(folder / "model")
        scenes = [street(seed, 256).day for seed in range(8)]
        for number in range(asked.pictures):
            images.write(folder / "in" / f"{number:04d}.jpg", scenes[number % len(scenes)])
        command = [sys.executable, "-m", "diptych", "translate", str(folder / "model")]
        options = ["--out", str(folder / "out"), "--batch", str(asked.batch), *(["--bf16"] if asked.bf16 else [])]
        start = elapsed(lambda: subprocess.run([*command, str(folder / "in" / "0000.jpg"), *options], check=True))
        whole = elapsed(lambda: subprocess.run([*command, str(folder / "in"), *options], check=True))
    steady, ends = (asked.pictures - 1) / (whole - start), asked.pictures / whole
    print(f"bare network, batch {asked.batch}: {bare:.2f} pictures/s")
    print(f"end to end: {ends:.2f} pictures/s with the start of {start:.1f} s: {ends / bare:.0%} of the bare network")
    print(f"after the start: {steady:.2f} pictures/s: {steady / bare:.0%} of the bare network")


if __name__ == "__main__":
    main()
