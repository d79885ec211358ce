"""The server under steady load for a long time: `python benchmarks/serve_soak.py MODEL [--minutes 30] [--load 0.8]`.

Its memory, open files and threads, of the server and its workers together, at the beginning of the second half and at
its end. What is asked is a share of the best rate, which is measured first.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from serve_overload import load
from serving import serving

CLIENTS = 8


def family(process: int) -> list[int]:
    """A process and all that it started."""
    children = Path(f"/proc/{process}/task").glob("*/children")
    return [process, *(one for file in children for child in file.read_text().split() for one in family(int(child)))]


def held(process: int) -> tuple[float, int, int]:
    """Resident megabytes, open files and threads of a process and its children."""
    megabytes, files, threads = 0.0, 0, 0
    for one in family(process):
        words = dict(line.split(":", 1) for line in Path(f"/proc/{one}/status").read_text().splitlines() if ":" in line)
        megabytes += int(words["RssAnon"].split()[0]) / 1e3
        threads += int(words["Threads"])
        files += len(list(Path(f"/proc/{one}/fd").iterdir()))
    return megabytes, files, threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--load", type=float, default=0.8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, serving(Path(place) / "s", f"m={given.model}", "--no-page") as server:
        url = str(server.base_url).rstrip("/") + "/v1/models/m/translate"
        best = len(load(url, CLIENTS, 10)) / 10
        found: list[tuple[int, float]] = []
        rate, seconds = given.load * best, 60 * given.minutes
        thread = threading.Thread(target=lambda: found.extend(load(url, CLIENTS, seconds, rate=rate)))
        thread.start()
        seen = []
        start = time.monotonic()
        while thread.is_alive():
            time.sleep(5)
            if thread.is_alive():
                seen.append((time.monotonic() - start, *held(server.process.pid)))
    second = [one for one in seen if one[0] > seconds / 2]
    print(f"{len(found) / seconds:.1f} pictures a second of {best:.1f} at best, for {given.minutes:g} minutes")
    print(f"answers by status: {dict(Counter(status for status, _ in found))}")
    for name, place in (("resident MB", 1), ("open files", 2), ("threads", 3)):
        values = [one[place] for one in second]
        growth = values[-1] - values[0]
        print(
            f"{name}: {values[0]:.0f} half-way, {values[-1]:.0f} at the end ({growth:+.0f}), at most {max(values):.0f}"
        )


if __name__ == "__main__":
    main()
