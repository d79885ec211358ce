"""What the loader alone delivers, against what the fastest training step consumes, at 256x256.

Sample streets are drawn once, then loaded as in training: jittered, cropped and mirrored pairs from the cache of
decoded pictures, and without the cache.
Run:  python benchmarks/loader.py [--pairs 64] [--step-ms 107]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from timing import machine

from diptych.data.opening import open_data
from diptych.data.samples import write_samples


def rate(folder: Path, *, batch: int, images: int, cache: bool) -> float:
    """Pairs a second, after the first batch."""
    data = open_data(folder=str(folder), direction="labels2day", size=256, enlarge=True, cache_gb=4 if cache else 0)
    batches = data.loader(seed=0, batch=batch, cache_dir=folder / ".cache" if cache else None)
    next(batches)
    start = time.perf_counter()
    for _ in range(images // batch):
        next(batches)
    return images / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--step-ms", type=float, help="milliseconds an image takes in the fastest training step")
    asked = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as place:
        folder = write_samples("street", Path(place) / "streets", count=asked.pairs, size=256)
        for cache in (True, False):
            found = rate(folder, batch=8, images=asked.images, cache=cache)
            words = f", {found * asked.step_ms / 1e3:.0f}x what a step consumes" if asked.step_ms else ""
            print(f"{'cached' if cache else 'decoded each time':20} {found:8.0f} pairs/s{words}", flush=True)


if __name__ == "__main__":
    main()
