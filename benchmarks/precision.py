"""The precision that is chosen by itself against those that are asked for, on this machine and on one with AVX2 alone.

    python benchmarks/precision.py [--rounds 2] [--images 160]

Trains recipes/published/street.yaml by the command line: `speed.bf16=auto` and the faster of true and false by turns,
so that a slow minute of the machine is one for both. The lesser machine is emulated by keeping the kernels to AVX2.
Needs two quiet cores and 4 minutes; says 1 where a ratio is below what is asked for.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import machine

from diptych.data.samples import write_samples
from diptych.training.log import records

STREET = Path(__file__).parents[1] / "recipes" / "published" / "street.yaml"
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
MACHINES = {"this machine": ({}, "true", 0.95), "AVX2 alone": (AVX2, "false", 0.9)}
"""By name: the environment, the precision to compare with, and the ratio that is asked for."""


def rate(pairs: Path, bf16: str, environment: dict[str, str], images: int) -> float:
    """Images a second of a training, the median of its ticks after the first two."""
    with tempfile.TemporaryDirectory() as out:
        quiet = [f"train.{name}_every=0" for name in ("sample", "validate", "checkpoint")]
        options = [f"speed.bf16={bf16}", f"train.images={images}", "train.tick_every=16", *quiet]
        command = [sys.executable, "-m", "diptych", "train", str(STREET), *options]
        done = subprocess.run(
            [*command, "--data", str(pairs), "--out", out + "/run"], env=os.environ | environment, capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()
        rates = [record["images_per_second"] for record in records(Path(out) / "run") if "images_per_second" in record]
        return statistics.median(rates[2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--images", type=int, default=160)
    asked = parser.parse_args()
    print(machine())
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        pairs = Path(folder) / "street"
        write_samples("street", pairs, count=40, size=128)
        for name, (environment, other, wanted) in MACHINES.items():
            found: dict[str, list[float]] = {"auto": [], other: []}
            for number in range(asked.rounds):
                for bf16 in list(found)[:: 1 if number % 2 else -1]:
                    found[bf16].append(rate(pairs, bf16, environment, asked.images))
            auto, best = (max(rates) for rates in found.values())
            missed |= auto < wanted * best
            print(
                f"{name:14} auto {auto:6.2f}, bf16={other} {best:6.2f} images/s: ratio {auto / best:.2f} "
                f"(asked for: {wanted})",
                flush=True,
            )
    sys.exit(missed)


if __name__ == "__main__":
    main()
