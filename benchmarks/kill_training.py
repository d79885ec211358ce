"""Kill -9 a training at random moments and start it again until it is done: it must end as one left alone, bit for bit.

    python benchmarks/kill_training.py --runs 20

Each run is the command line itself, on sample pictures, with dropout, batch norm, an average of weights, two
optimisers, a falling learning rate and validation; it is killed 1 to 4 times, as chance has it. Fixed threads.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from diptych.data.samples import write_samples

OPTIONS = [
    "data.size=64", "method.generator=unet_64", "method.width=8", "method.discriminator_width=8",
    "train.batch=2", "train.ema=0.99", "train.best=l1", "train.tick_every=4", "train.sample_every=100",
    "train.validate_every=40", "train.checkpoint_every=10",
]  # fmt: skip
RESULTS = [f"{part}/{name}.safetensors" for part in ("last", "model") for name in ("weights", "training")]


def start(pairs: Path, out: Path, images: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "diptych", "train", "pix2pix", "--data", str(pairs), "--out", str(out)]
    options = [*OPTIONS, f"train.images={images}"]
    quiet, threads = subprocess.DEVNULL, os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, *options], stdout=quiet, stderr=quiet, env=threads)


def result(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in RESULTS]


def kill_until_done(pairs: Path, out: Path, images: int, seconds: float, moments: random.Random) -> int:
    """Train with up to 4 kills, at moments drawn over the length of a whole run; returns how many there were."""
    kills = 0
    while True:
        training = start(pairs, out, images)
        try:
            code = training.wait(moments.uniform(0, seconds) if kills < 4 else None)
        except subprocess.TimeoutExpired:
            training.kill()
            training.wait()
            kills += 1
            continue
        assert code == 0, f"training failed with {code}"
        if kills:
            return kills
        shutil.rmtree(out)  # it was faster than the kill: once more


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    moments, equal, kills = random.Random(args.seed), 0, 0
    with tempfile.TemporaryDirectory() as name:
        pairs = Path(name) / "pairs"
        write_samples("street", pairs, count=12, size=64)
        begin = time.perf_counter()
        assert start(pairs, Path(name) / "undisturbed", args.images).wait() == 0
        seconds = time.perf_counter() - begin
        expected = result(Path(name) / "undisturbed")
        for number in range(args.runs):
            out = Path(name) / str(number)
            kills += kill_until_done(pairs, out, args.images, seconds, moments)
            equal += result(out) == expected
            print(f"{equal} of {number + 1} bit-equal after {kills} kills", flush=True)
    print(f"a run left alone took {seconds:.1f} s")
    print(f"{equal} of {args.runs} bit-equal")


if __name__ == "__main__":
    main()
