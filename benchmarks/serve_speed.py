"""The server's own cost, and what sharing batches brings: `python benchmarks/serve_speed.py MODEL [--no-provenance]`.

MODEL is served by `diptych serve`, and beside it by the plainest handler there is: FastAPI, the same model in the same
process, one lock around it, and no more. Clients are threads with connections of their own, which do as little as a
client can: they are on the server's own two cores.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import uvicorn
from fastapi import FastAPI, Response, UploadFile

from diptych import images
from diptych.model.translator import Translator

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


class Own:
    """The model by itself, in a process of its own, which translates a decoded picture when it is told to."""

    CODE = """
import statistics, sys, time
from diptych import images
from diptych.model.translator import Translator
translator = Translator.load(sys.argv[1], device="cpu")
picture = images.read(bytes.fromhex(sys.stdin.readline()))
for line in sys.stdin:
    times = []
    for _ in range(int(line)):
        start = time.perf_counter()
        translator(picture)
        times.append(time.perf_counter() - start)
    print(1e3 * statistics.median(times), flush=True)
"""

    def __init__(self, model: str, file: bytes) -> None:
        command = [sys.executable, "-c", self.CODE, model]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.process.stdin.write(file.hex() + "\n")
        self.time(10)

    def time(self, times: int) -> float:
        """Median milliseconds of so many translations."""
        self.process.stdin.write(f"{times}\n")
        return float(self.process.stdout.readline())


class Answer(NamedTuple):
    status: int
    timing: str


class Client:
    """Sends one picture again and again over one connection, each request in one piece."""

    def __init__(self, url: str, file: bytes) -> None:
        request = httpx.Request("POST", url, files={"image": file})
        body = request.read()
        lines = [f"POST {request.url.path} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
        self.request = "\r\n".join([*lines, "", ""]).encode() + body
        self.connection = socket.create_connection((request.url.host, request.url.port), timeout=60)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self) -> Answer:
        """The answer, read to its end."""
        self.connection.sendall(self.request)
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self.more()
        head = received[:end].decode("latin-1")
        left = end + 4 + int(re.search(r"content-length: (\d+)", head, re.IGNORECASE)[1]) - len(received)
        while left > 0:
            left -= len(self.more())
        timing = re.search(r"server-timing: (.*)", head, re.IGNORECASE)
        return Answer(int(head[9:12]), timing[1] if timing else "")

    def more(self) -> bytes:
        if data := self.connection.recv(65536):
            return data
        raise ConnectionError("the server ended the connection")


class Times(NamedTuple):
    """Median milliseconds: of the model by itself, of a request, of what this adds, and of stages the server tells."""

    own: float
    request: float
    more: float
    stages: dict[str, float]


def one_by_one(own: Own, url: str, file: bytes, *, turns: int = 12, each: int = 30) -> Times:
    """Requests and the model by itself in turns, as a machine that others share is faster at one time than another."""
    client, pairs, stages = Client(url, file), [], defaultdict(list)
    for _ in range(turns):
        alone, times = own.time(each), []
        for _ in range(each):
            start = time.perf_counter()
            answer = client.ask()
            times.append(1e3 * (time.perf_counter() - start))
            assert answer.status == 200
            for stage, spent in re.findall(r"(\w+);dur=([\d.]+)", answer.timing):
                stages[stage].append(float(spent))
        pairs.append((alone, statistics.median(times)))
    return Times(
        statistics.median(own for own, _ in pairs),
        statistics.median(request for _, request in pairs),
        statistics.median(request - own for own, request in pairs),
        {name: statistics.median(spent) for name, spent in stages.items()},
    )


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
    parser.add_argument("--no-provenance", action="store_true", help="without content credentials")
    given = parser.parse_args()
    file, model = picture(given.size), os.path.abspath(given.model)
    own, options = Own(model, file), ["--no-provenance"] * given.no_provenance
    handler = multiprocessing.get_context("spawn").Process(target=plain, args=(model, 7899), daemon=True)
    handler.start()
    with tempfile.TemporaryDirectory() as place, serving(Path(place) / "server", f"m={model}", *options) as server:
        ours, theirs = (
            f"{server.base_url}/v1/models/m/translate".replace("//v1", "/v1"),
            "http://127.0.0.1:7899/translate",
        )
        times = one_by_one(own, ours, file)
        own.process.kill()
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
    print(f"model alone {times.own:.1f} ms; p50 of a request {times.request:.1f} ms: {times.more:.1f} ms more")
    told = ", ".join(f"{name} {spent:.1f}" for name, spent in times.stages.items())
    print(f"of which the server tells of, in ms: {told}; {times.request - sum(times.stages.values()):.1f} carry it")
    print(f"pictures a second: one at a time {alone:.1f}; {CLIENTS} clients {many:.1f}, {many / alone:.2f}x")
    print(f"plain handler, {CLIENTS} clients {other:.1f}: ours is {many / other:.2f}x")
    print(f"first byte of the page {1e3 * statistics.median(first):.0f} ms")


if __name__ == "__main__":
    main()
