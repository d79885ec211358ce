"""Kill -9 a process that writes checkpoints, at random moments: after each kill a complete state must be read.

    python benchmarks/kill_checkpoint.py --kills 200

The writer is forked from this process, which has loaded torch already, and each goes on where the last was killed; the
kills are spread over the time that three writes take. A loss of power is not shown by this: against that, files are
forced to disk before they get their name (`files.atomic`).
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from diptych.errors import ModelError
from diptych.training import checkpoint


def state(images: int, megabytes: float) -> dict[str, Any]:
    """A state whose every number is its count of images."""
    return {"images_seen": images, "weights": torch.full((int(megabytes * 250_000),), float(images))}


def is_consistent(found: dict[str, Any] | None) -> bool:
    return found is not None and bool((found["weights"] == found["images_seen"]).all())


def write_for_ever(folder: Path, images: int, megabytes: float) -> None:
    while True:
        images += 1
        checkpoint.write(folder, state(images, megabytes))


def seconds_of_a_write(folder: Path, megabytes: float) -> float:
    start = time.perf_counter()
    for images in range(1, 6):
        checkpoint.write(folder, state(images, megabytes))
    return (time.perf_counter() - start) / 5


def fork_and_kill(folder: Path, images: int, megabytes: float, after: float) -> None:
    writer = os.fork()
    if not writer:
        write_for_ever(folder, images, megabytes)
    time.sleep(after)
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--megabytes", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    moments, unreadable, orphans, written = random.Random(args.seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one = seconds_of_a_write(folder, args.megabytes)
        images = 5
        for _ in range(args.kills):
            fork_and_kill(folder, images, args.megabytes, moments.uniform(0, 3 * one))
            orphans += len(list(folder.iterdir())) > 2
            try:
                found = checkpoint.read(folder)
            except ModelError as error:
                print(error)
                found = None
            unreadable += not is_consistent(found)
            written += (found or {"images_seen": images})["images_seen"] - images
            images = (found or {"images_seen": images})["images_seen"]
            checkpoint.clean(folder)
    print(f"{one * 1000:.0f} ms a write of {args.megabytes:g} MB; {written} written, {orphans} kills left half a file")
    print(f"{unreadable} unreadable of {args.kills}")


if __name__ == "__main__":
    main()
