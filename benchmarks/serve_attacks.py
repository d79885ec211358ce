"""What attacks on a server have found, once more: `python benchmarks/serve_attacks.py [--readers 200]`."""

from __future__ import annotations

import argparse
import io
import os
import signal
import socket
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np

from diptych import images

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from models import model, picture
from serve_faults import workers_of
from serving import Server, serving

LARGE = images.encode(np.zeros((3000, 3000, 3), np.uint8), "PNG")


def ask(server: Server, image: bytes, **data: str) -> tuple[int, float]:
    """Status and seconds of one translation."""
    start = time.perf_counter()
    url = f"http://{server.base_url.host}:{server.base_url.port}/v1/models/houses/translate"
    answer = httpx.post(url, files={"image": image}, data=data, timeout=700)
    return answer.status_code, time.perf_counter() - start


def abandoned(server: Server) -> None:
    """Requests that are over before they are done, and what the next visitor waits."""
    calm = ask(server, picture())
    with ThreadPoolExecutor(4) as pool:
        dead = list(pool.map(lambda _: ask(server, LARGE, deadline="0.1"), range(4)))
    print("9 megapixels within 0.1 s:", dead, "the next visitor:", ask(server, picture()), "before:", calm, flush=True)
    for _ in range(4):
        with socket.create_connection((server.base_url.host, server.base_url.port or 80)) as connection:
            body = (
                b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + LARGE + b"\r\n--x--\r\n"
            )
            head = f"POST /v1/models/houses/translate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
            connection.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode() + body)
            time.sleep(0.3)
    print("four clients went away; the next visitor:", ask(server, picture()), flush=True)


def hanging(server: Server) -> None:
    """Every worker stops, and goes on living."""
    for pid in workers_of(server.process.pid):
        os.kill(pid, signal.SIGSTOP)
    start = time.perf_counter()
    while server.get("/readyz").status_code == 200:
        time.sleep(0.1)
    print(f"workers stopped: not ready after {time.perf_counter() - start:.1f} s;", end=" ")
    print("the next visitor:", ask(server, picture()), flush=True)


def bomb(server: Server, place: Path) -> None:
    """A zip of 99 entries over one member."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("0.bmp", images.encode(np.zeros((2500, 2500, 3), np.uint8), "BMP"))
        first = zipped.infolist()[0]
        for number in range(1, 99):
            again = zipfile.ZipInfo(f"{number}.bmp")
            for name in ("compress_type", "CRC", "compress_size", "file_size", "header_offset", "flag_bits"):
                setattr(again, name, getattr(first, name))
            zipped.filelist.append(again)
    answer = server.post("/v1/jobs", files={"images": ("a.zip", stream.getvalue())}, data={"model": "houses"})
    print(
        f"a zip of {len(stream.getvalue())} bytes: {answer.status_code}, {on_disk(place):.1f} MB on the disk",
        flush=True,
    )


def slow_readers(server: Server, place: Path, readers: int) -> None:
    """Clients that ask for the results of a job and hardly read them."""
    files = [("images", (f"{n}.png", picture(n, size=256))) for n in range(40)]
    job = server.post("/v1/jobs", files=files, data={"model": "houses"}).json()["id"]
    while server.get(f"/v1/jobs/{job}").json()["state"] != "done":
        time.sleep(0.2)
    before, connections = on_disk(place), []
    for _ in range(readers):
        connection = socket.create_connection((server.base_url.host, server.base_url.port or 80))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(f"GET /v1/jobs/{job}/results HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        connections.append(connection)
    for _ in range(5):
        for connection in connections:
            connection.recv(1)
        time.sleep(1)
    print(f"{readers} slow readers: {on_disk(place) - before:.1f} MB more on the disk;", end=" ")
    print("the next visitor:", ask(server, picture()), flush=True)
    start = time.perf_counter()
    while time.perf_counter() - start < 90 and len(os.listdir(f"/proc/{server.process.pid}/fd")) > readers:
        time.sleep(1)
    print(f"they are cut off after {time.perf_counter() - start:.0f} s", flush=True)
    server.delete(f"/v1/jobs/{job}")
    print(f"after DELETE {on_disk(place):.1f} MB on the disk", flush=True)


def on_disk(place: Path) -> float:
    """Megabytes of what visitors have made the server keep."""
    files = [path for path in place.rglob("*") if path.is_file() and "models" not in path.parts]
    return sum(path.stat().st_size for path in files if "sqlite" not in path.name) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        model(place / "houses", width=16)
        with serving(place / "server", place / "houses", "--no-page", "--queue", 4) as server:
            abandoned(server)
            bomb(server, place / "server")
            slow_readers(server, place / "server", given.readers)
            hanging(server)


if __name__ == "__main__":
    main()
