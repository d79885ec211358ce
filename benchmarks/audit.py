"""Measures `diptych data check`: images a second, and memory, on made-up street scenes as JPEG, from the page cache.

    python benchmarks/audit.py [--count 1000] [--size 256] [--unpaired]

Two processors are used, those that the system gives first. The rate by processor time says what a machine without other
programs would reach: `diptych doctor` gives the speed of this one.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

from diptych import images
from diptych.data import check
from diptych.data.samples import write_samples

PROCESSORS = 2


def folder(place: Path, count: int, size: int, *, unpaired: bool) -> Path:
    """A tenth of the images is drawn; the others are the same, mirrored or darker."""
    drawn = max(1, count // 20)
    write_samples("street", place / "drawn", count=drawn, size=size, seed=0, sides=("day", "night"))
    for side in ("day", "night"):
        paths = sorted((place / "drawn").rglob(f"{side}/*.png"))
        for n in range(count // 2):
            array = images.read(paths[n % len(paths)]).array
            step = n // len(paths)
            turned = array[:, ::-1] if step % 2 else array
            name = f"{side}{n}" if unpaired else str(n)
            images.write(place / "data" / "train" / side / f"{name}.jpg", (turned // (1 + step // 2 % 4)).copy())
    shutil.rmtree(place / "drawn")
    return place / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--unpaired", action="store_true")
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSORS])
    with tempfile.TemporaryDirectory() as place:
        root = folder(Path(place), given.count, given.size, unpaired=given.unpaired)
        check(root)  # into the page cache
        wall, processor = time.perf_counter(), time.process_time()
        audit = check(root)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    count = sum(domain.count for domain in audit.domains)
    print(f"{count} images of {given.size}x{given.size}, {audit.kind}")
    rates = count / wall, PROCESSORS * count / processor
    print("{:.0f} images/s by the clock, {:.0f} by the time of {} processors".format(*rates, PROCESSORS))
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB of memory at most")


if __name__ == "__main__":
    main()
