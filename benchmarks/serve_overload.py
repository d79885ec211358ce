"""More asked of the server than it can do: `python benchmarks/serve_overload.py MODEL [--seconds 15]`."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from serve_speed import Client, picture
from serving import serving

QUEUE, CLIENTS = 16, 64


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
    parser.add_argument("--seconds", type=float, default=15)
    given = parser.parse_args()
    options = ("--no-page", "--queue", QUEUE)
    with tempfile.TemporaryDirectory() as place, serving(Path(place) / "s", f"m={given.model}", *options) as server:
        url = str(server.base_url).rstrip("/") + "/v1/models/m/translate"
        best = max(len(load(url, clients, given.seconds / 3)) / given.seconds * 3 for clients in (8, 16, QUEUE + 8))
        found = load(url, CLIENTS, given.seconds, rate=4 * best)
    good = sorted(seconds for status, seconds in found if status == 200)
    refused = [seconds for status, seconds in found if status == 503]
    others = len(found) - len(good) - len(refused)
    goodput = len(good) / given.seconds
    print(
        f"best {best:.1f} pictures a second; asked for 4 times as many: {goodput:.1f}, {goodput / best:.0%} of the best"
    )
    print(f"refused {len(refused)}, median {1e3 * statistics.median(refused):.0f} ms; other answers {others}")
    print(f"admitted: median {1e3 * statistics.median(good):.0f} ms, p99 {1e3 * good[int(0.99 * len(good))]:.0f} ms")


if __name__ == "__main__":
    main()
