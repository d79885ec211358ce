"""The server's own cost and what sharing batches brings: `python benchmarks/serve_speed.py MODEL [--size 128]`.

MODEL is served by `diptych serve`, and beside it by the plainest handler there is: FastAPI, the same model in the same
process, one lock around it, and no more. Clients are threads with connections of their own, made of the standard
library's client, which takes a fraction of a millisecond for a request.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import httpx
import numpy as np
import uvicorn
from fastapi import FastAPI, Response, UploadFile

from diptych import images
from diptych.translator import Translator

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from serving import serving

CLIENTS, SECONDS = 16, 8.0


def picture(size: int) -> bytes:
    y, x = np.mgrid[:size, :size]
    waves = [128 + 90 * np.sin((x * (channel + 1) + y * 2) / 9) for channel in range(3)]
    return images.encode(np.stack(waves, axis=2).astype(np.uint8), "PNG")


def plain(model: str, port: int) -> None:
    """The plainest handler."""
    app, translator, lock = FastAPI(), Translator.load(model, device="cpu"), threading.Lock()

    @app.post("/translate")
    def translate(image: UploadFile) -> Response:
        with lock:
            made = translator(images.read(image.file.read()))
        return Response(images.encode(made.array, "PNG"), media_type="image/png")

    uvicorn.run(app, port=port, log_level="warning")


def own_time(model: str, size: int) -> float:
    """Milliseconds that the model takes for the decoded picture, in a process of its own."""
    code = "import sys, time, statistics as s; from diptych.translator import Translator; from diptych import images\n"
    code += "t = Translator.load(sys.argv[1], device='cpu'); p = images.read(bytes.fromhex(sys.stdin.read())); l = []\n"
    code += "for _ in range(60):\n    b = time.perf_counter(); t(p); l.append(time.perf_counter() - b)\n"
    code += "print(1e3 * s.median(l[10:]))"
    said = subprocess.run(
        [sys.executable, "-c", code, model], input=picture(size).hex(), capture_output=True, text=True
    )
    return float(said.stdout)


class Client:
    """Sends one picture again and again over one connection."""

    def __init__(self, url: str, file: bytes) -> None:
        request = httpx.Request("POST", url, files={"image": file})
        self.body, self.path = request.read(), request.url.path
        self.headers = {"Content-Type": request.headers["content-type"]}
        self.connection = HTTPConnection(request.url.host, request.url.port, timeout=60)

    def ask(self) -> HTTPResponse:
        """The answer, read to its end."""
        self.connection.request("POST", self.path, self.body, self.headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer


def one_by_one(url: str, file: bytes) -> tuple[float, dict[str, float]]:
    """Median milliseconds of a request, and of each stage that the server tells."""
    client, times, stages = Client(url, file), [], defaultdict(list)
    for _ in range(320):
        start = time.perf_counter()
        answer = client.ask()
        times.append(1e3 * (time.perf_counter() - start))
        assert answer.status == 200
        for stage, spent in re.findall(r"(\w+);dur=([\d.]+)", answer.headers["Server-Timing"]):
            stages[stage].append(float(spent))
    return statistics.median(times[20:]), {name: statistics.median(spent[20:]) for name, spent in stages.items()}


def throughput(url: str, file: bytes, clients: int) -> float:
    """Pictures a second."""
    end = time.perf_counter() + SECONDS

    def ask(_: int) -> int:
        client, count = Client(url, file), 0
        while time.perf_counter() < end:
            count += client.ask().status == 200
        return count

    with ThreadPoolExecutor(clients) as pool:
        return sum(pool.map(ask, range(clients))) / SECONDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--size", type=int, default=128)
    given = parser.parse_args()
    file, model = picture(given.size), os.path.abspath(given.model)
    own = own_time(model, given.size)
    handler = multiprocessing.get_context("spawn").Process(target=plain, args=(model, 7899), daemon=True)
    handler.start()
    with tempfile.TemporaryDirectory() as place, serving(Path(place) / "server", f"m={model}") as server:
        ours, theirs = (
            f"{server.base_url}/v1/models/m/translate".replace("//v1", "/v1"),
            "http://127.0.0.1:7899/translate",
        )
        p50, stages = one_by_one(ours, file)
        first = []
        for _ in range(10):
            start = time.perf_counter()
            with server.stream("GET", "/") as page:
                next(page.iter_bytes())
            first.append(time.perf_counter() - start)
        alone, many, other = (
            throughput(ours, file, 1),
            throughput(ours, file, CLIENTS),
            throughput(theirs, file, CLIENTS),
        )
    handler.kill()
    print(f"model alone {own:.1f} ms; p50 of a request {p50:.1f} ms: {p50 - own:.1f} ms more")
    told = ", ".join(f"{name} {spent:.1f}" for name, spent in stages.items())
    print(f"of which the server tells of, in ms: {told}; the rest, {p50 - sum(stages.values()):.1f}, carries it")
    print(f"pictures a second: one at a time {alone:.1f}; {CLIENTS} clients {many:.1f}, {many / alone:.2f}x")
    print(f"plain handler, {CLIENTS} clients {other:.1f}: ours is {many / other:.2f}x")
    print(f"first byte of the page {1e3 * statistics.median(first):.0f} ms")


if __name__ == "__main__":
    main()
