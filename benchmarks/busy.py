"""What is left of the rate beside 1 and 2 busy processes: of a training, a folder's translation and a server's worker.

    python benchmarks/busy.py [--seconds 8] [--only training --only translate --only worker]

Each runs twice: with as many threads as there are processors, whatever else runs, that spin as GNU's do by themselves;
and as Diptych chooses. What it finishes is counted while nothing else runs, and then beside one and two processes that
only compute. Ratios are to the rate of the first alone. Needs two quiet cores and under 5 minutes; the exit code is 1
where a ratio is below what is asked for.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from serve_speed import picture
from timing import machine

from diptych.data.samples import write_samples
from diptych.training.log import records

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from serving import serving

STREET = Path(__file__).parents[1] / "recipes" / "published" / "street.yaml"
BESIDE = {0: 0.97, 1: 0.6, 2: 0.45}
"""Busy processes, and the share of the rate that is to be left."""
FIXED = {"OMP_NUM_THREADS": str(os.cpu_count()), "GOMP_SPINCOUNT": "300000"}
"""As it was before anything was chosen."""
SETTLE = 5.0
"""Seconds that are not counted after the others begin or end: what runs looks at them every 2."""
SIZE = 512


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but compute."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


@contextmanager
def command(*arguments: object) -> Iterator[None]:
    """`diptych ARGUMENTS`, ended when it has been seen enough."""
    process = subprocess.Popen(
        [sys.executable, "-m", "diptych", *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
        assert process.poll() is None, "it ended before it was measured: give it more to do"
    finally:
        process.kill()
        process.wait()


@contextmanager
def training(folder: Path, model: Path) -> Iterator[Callable[[], int]]:
    """What `make demo` trains; how many images it has seen."""
    out = folder / "run"
    every = [f"train.{name}_every=0" for name in ("sample", "validate", "checkpoint")]
    options = ["train.images=1000000", "train.tick_every=8", *every]
    with command("train", STREET, "--data", folder.parent / "street", "--out", out, *options):
        yield lambda: max((record["images"] for record in records(out)), default=0)


@contextmanager
def translate(folder: Path, model: Path) -> Iterator[Callable[[], int]]:
    """A folder of pictures; how many results there are."""
    source, out = folder / "many", folder / "translated"
    source.mkdir()
    file = picture(SIZE)
    for number in range(4000):
        (source / f"{number}.png").write_bytes(file)
    with command("translate", model, source, "--out", out, "--no-provenance", "--batch", 1):
        yield lambda: len(os.listdir(out)) if out.exists() else 0


@contextmanager
def worker(folder: Path, model: Path) -> Iterator[Callable[[], int]]:
    """A server that is always asked for the next picture; how many it has answered."""
    done = [0]
    with serving(folder / "server", f"m={model}", "--no-page", "--no-provenance") as server:
        body, ending = picture(SIZE), threading.Event()

        def ask() -> None:
            while not ending.is_set():
                answer = server.post("/v1/models/m/translate", files={"image": ("a.png", body)})
                done[0] += answer.raise_for_status().status_code == 200

        client = threading.Thread(target=ask, daemon=True)
        client.start()
        try:
            yield lambda: done[0]
        finally:
            ending.set()
            client.join()


def rate(done: Callable[[], int], seconds: float) -> float:
    """What is finished in a second, from one thing finished to another."""
    time.sleep(SETTLE)
    first, begin = next_one(done)
    time.sleep(seconds)
    last, end = next_one(done)
    return (last - first) / (end - begin)


def next_one(done: Callable[[], int]) -> tuple[int, float]:
    """The count when it next grows, and the time then."""
    before, end = done(), time.monotonic() + 60
    while done() == before:
        assert time.monotonic() < end, "nothing was finished in a minute"
        time.sleep(0.01)
    return done(), time.perf_counter()


def trained(folder: Path) -> Path:
    """A model of the recipe's networks, hardly trained."""
    out = folder / "model"
    arguments = [str(STREET), "--data", str(folder / "street"), "--out", str(out)]
    subprocess.run([sys.executable, "-m", "diptych", "train", *arguments, "train.images=8"], check=True)
    return out


def main() -> None:
    runs = {"training": training, "translate": translate, "worker": worker}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--only", choices=list(runs), action="append")
    asked = parser.parse_args()
    print(machine())
    missed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_samples("street", folder / "street", count=40, size=128)
        model = trained(folder)
        for name in asked.only or runs:
            rates = {}
            for way, variables in (("fixed", FIXED), ("chosen", {})):
                place = folder / f"{name}-{way}"
                place.mkdir()
                with patch.dict(os.environ, variables), runs[name](place, model) as done:
                    next_one(done)
                    for count in BESIDE:
                        with busy(count):
                            rates[way, count] = rate(done, asked.seconds)
            best = rates["fixed", 0]
            missed |= any(rates["chosen", count] < least * best for count, least in BESIDE.items())
            for way in ("fixed", "chosen"):
                shares = ", ".join(f"{rates[way, count] / best:.2f} beside {count}" for count in BESIDE)
                print(f"{name:10} {way:7} {rates[way, 0]:6.2f} a second alone; {shares}", flush=True)
    print("asked for: " + ", ".join(f"{least} beside {count}" for count, least in BESIDE.items()))
    sys.exit(missed)


if __name__ == "__main__":
    main()
