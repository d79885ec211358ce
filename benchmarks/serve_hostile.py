"""Ten thousand damaged files and two thousand forms made up from the description, sent to a real server.

`python benchmarks/serve_hostile.py [--files 10000] [--cases 2000]`
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np

from diptych import images

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from models import model, picture
from serve_faults import workers_of
from serving import Server, serving

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF")


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A file with bits changed, parts cut, repeated or exchanged, or numbers made huge."""
    array = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        place = chance.randrange(len(array)) if chance.random() < 0.5 else chance.randrange(min(64, len(array)))
        match chance.randrange(6):
            case 0:
                array[place] ^= 1 << chance.randrange(8)
            case 1:
                array[place : place + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
            case 2:
                del array[place : place + chance.randrange(1, 200)]
            case 3:
                array[place:place] = array[place : place + chance.randrange(1, 200)]
            case 4:
                array[place:place] = chance.randbytes(chance.randrange(1, 64))
            case 5:
                del array[place:]
        if not array:
            return b"\0"
    return bytes(array)


def send(server: Server, files: int) -> None:
    """Damaged files of every format, from eight clients."""
    good = {format: picture(3, size=48, format=format) for format in FORMATS}
    before = set(workers_of(server.process.pid))

    def ask(client_number: int) -> list[tuple[int, float, float]]:
        """Status, seconds and megapixels of each answer."""
        chance, found = random.Random(client_number), []
        with httpx.Client(base_url=str(server.base_url), timeout=60) as client:
            for number in range(client_number, files, 8):
                file = damaged(good[FORMATS[number % len(FORMATS)]], chance)
                start = time.perf_counter()
                answer = client.post("/v1/models/houses/translate", files={"image": file})
                took, size = time.perf_counter() - start, 0.0
                if answer.status_code == 200:
                    header = images.header(answer.content)
                    size = header.width * header.height / 1e6
                found.append((answer.status_code, took, size))
        return found

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for found in pool.map(ask, range(8)) for answer in found]
    statuses = dict(Counter(status for status, _, _ in answers))
    slow = sum(took > 1 for _, took, _ in answers)
    deaths = len(before - set(workers_of(server.process.pid)))
    print(f"{files} damaged files in {len(FORMATS)} formats: {statuses}; deaths {deaths}")
    print(f"longest {max(took for _, took, _ in answers):.2f} s, {slow} over 1 s; some became pictures of", end=" ")
    print(f"up to {max(size for _, _, size in answers):.1f} megapixels, for which others wait")


def bombs(server: Server) -> None:
    """Small files that would be huge pictures."""
    start = bytearray(images.encode(np.zeros((1, 1, 3), np.uint8), "PNG"))
    start[16:24] = (30_000).to_bytes(4, "big") * 2
    for name, file in (
        ("PNG of 900 MP", bytes(start)),
        ("PNG of 99 MP", images.encode(np.zeros((9950, 9950, 1), "u1"), "PNG")),
    ):
        resident = memory(server)
        begun = time.perf_counter()
        answer = server.post("/v1/models/houses/translate", files={"image": file})
        took = 1e3 * (time.perf_counter() - begun)
        grown = memory(server) - resident
        print(f"{name}, {len(file) / 1e3:.0f} kB: {answer.status_code} in {took:.0f} ms, {grown:.1f} MB")


def memory(server: Server) -> float:
    pids = [server.process.pid, *workers_of(server.process.pid)]
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 for pid in pids) / 1e6


def forms(server: Server, cases: int) -> int:
    """Forms made up from the description, with all of schemathesis' checks but one: that every form which fits the

    description be accepted, as it takes any bytes for a picture.
    """
    command = ["schemathesis", "run", f"{str(server.base_url).rstrip('/')}/openapi.json", "--checks", "all"]
    command += ["--exclude-checks", "positive_data_acceptance"]
    command += ["--max-examples", str(max(1, cases // 10)), "--seed", "1", "--exclude-path", "/v1/models/{name}/reload"]
    with tempfile.TemporaryDirectory() as place:  # it leaves files where it runs
        done = subprocess.run(command, capture_output=True, text=True, cwd=place)
    print("\n".join(done.stdout.splitlines()[-45:]))
    return done.returncode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--cases", type=int, default=2000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model(Path(folder) / "houses")
        with serving(Path(folder) / "server", Path(folder) / "houses", "--no-page") as server:
            bombs(server)
            send(server, given.files)
            if given.cases:
                forms(server, given.cases)


if __name__ == "__main__":
    main()
