"""Workers killed, models exchanged, under load, at a real server: `python benchmarks/serve_faults.py`."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from models import model, picture
from serving import Server, serving


class Load(threading.Thread):
    """A client that asks again and again, and counts what was no picture."""

    def __init__(self, server: Server, stop: threading.Event) -> None:
        super().__init__()
        self.url, self.stop, self.good, self.bad = str(server.base_url), stop, 0, []

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not self.stop.is_set():
                answer = client.post("/v1/models/houses/translate", files={"image": picture(self.good % 9, size=64)})
                self.good += answer.status_code == 200
                if answer.status_code != 200:
                    self.bad.append(answer.text)


def workers_of(pid: int) -> list[int]:
    """The processes that the server's nursery has forked: those without children of their own."""
    found = []
    for child in children(pid):
        found += children(child)
    return found


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    return [int(one) for task in tasks.iterdir() for one in (task / "children").read_text().split()]


def kill(server: Server, times: int) -> tuple[float, float]:
    """Kill workers; the longest seconds until the server said so, and until it was ready again."""
    red, back = 0.0, 0.0
    for _ in range(times):
        pids = workers_of(server.process.pid)
        if not pids:
            time.sleep(0.05)
            continue
        os.kill(random.choice(pids), signal.SIGKILL)
        start = time.perf_counter()
        while server.get("/readyz").status_code == 200 and time.perf_counter() - start < 0.3:
            pass
        red = max(red, time.perf_counter() - start)
        while server.get("/readyz").status_code != 200:
            time.sleep(0.005)
        back = max(back, time.perf_counter() - start)
        time.sleep(random.uniform(0.05, 0.3))
    return red, back


def exchange(server: Server, place: Path, times: int) -> int:
    """Exchange the model's folder and reload, again and again; how many failed."""
    failed = 0
    for number in range(times):
        shutil.rmtree(place / "houses")
        shutil.copytree(place / f"version-{number % 2}", place / "houses")
        failed += server.post("/v1/models/houses/reload").status_code != 200
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--swaps", type=int, default=100)
    given = parser.parse_args()
    random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for number in (0, 1):
            model(place / f"version-{number}", seed=number)
        shutil.copytree(place / "version-0", place / "houses")
        with serving(place / "server", place / "houses", "--no-page") as server:
            for name, work in (
                ("kills", lambda: kill(server, given.kills)),
                ("swaps", lambda: exchange(server, place, given.swaps)),
            ):
                stop = threading.Event()
                loads = [Load(server, stop) for _ in range(4)]
                for load in loads:
                    load.start()
                outcome = work()
                stop.set()
                for load in loads:
                    load.join()
                good, bad = sum(load.good for load in loads), [text for load in loads for text in load.bad]
                print(f"{name}: {good} requests answered, {len(bad)} failed; {outcome}", bad[:2], flush=True)


if __name__ == "__main__":
    main()
