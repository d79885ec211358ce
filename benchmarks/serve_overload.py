"""More asked of the server than it can do: `python benchmarks/serve_overload.py MODEL [--seconds 30] [--workers 2]`."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from serve_speed import Client, picture
from serving import serving

QUEUE, CLIENTS, ROUNDS = 16, 128, 5


def load(url: str, clients: int, seconds: float, *, rate: float = float("inf")) -> list[tuple[int, float]]:
    """Status and seconds of every request of so many clients, all of which ask `rate` times a second at most."""
    file, end, found = picture(128), time.perf_counter() + seconds, []

    def ask() -> None:
        client = Client(url, file)
        while (start := time.perf_counter()) < end:
            found.append((client.ask().status, time.perf_counter() - start))
            time.sleep(max(0.0, start + clients / rate - time.perf_counter()))

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    given = parser.parse_args()
    options = ("--no-page", "--queue", QUEUE, "--workers", given.workers)
    best, good, refused, others, asked, shares = 0.0, [], [], 0, 0, []
    with tempfile.TemporaryDirectory() as place, serving(Path(place) / "s", f"m={given.model}", *options) as server:
        url = str(server.base_url).rstrip("/") + "/v1/models/m/translate"
        for _ in range(ROUNDS):  # in turns, as a machine that others share is faster at one time than another
            seconds = given.seconds / ROUNDS
            calm = [load(url, clients, seconds) for clients in (8, QUEUE)]
            now = max(sum(status == 200 for status, _ in answers) for answers in calm) / seconds
            found = load(url, CLIENTS, seconds, rate=4 * now)
            admitted = [took for status, took in found if status == 200]
            shares.append(len(admitted) / seconds / now)
            best, asked, good = max(best, now), asked + len(found), good + admitted
            refused += [took for status, took in found if status == 503]
            others += sum(status not in (200, 503) for status, _ in found)
    goodput, good = len(good) / given.seconds, sorted(good)
    print(f"best {best:.1f} pictures a second; asked for {asked / given.seconds:.1f}: {goodput:.1f}")
    print(f"that is {statistics.median(shares):.0%} of the best of the same time (median of {ROUNDS} rounds)")
    print(f"refused {len(refused)}, median {1e3 * statistics.median(refused):.0f} ms; other answers {others}")
    print(f"admitted: median {1e3 * statistics.median(good):.0f} ms, p99 {1e3 * good[int(0.99 * len(good))]:.0f} ms")


if __name__ == "__main__":
    main()
