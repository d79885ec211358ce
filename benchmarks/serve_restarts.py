"""The server ended and killed in the midst of its work: `python benchmarks/serve_restarts.py`."""

from __future__ import annotations

import argparse
import io
import random
import signal
import socket
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from models import model, picture
from serving import serving

PICTURES = 300


def ask(host: str, port: int, body: bytes, answers: list[bytes]) -> None:
    """One request after another, by hand: what arrives is kept as it is."""
    head = f"POST /v1/models/houses/translate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: multipart/form-data; boundary=x\r\nConnection: close\r\n\r\n"
    while True:
        try:
            with socket.create_connection((host, port)) as connection:
                connection.sendall(head.encode() + body)
                answers.append(b"".join(iter(lambda: connection.recv(65536), b"")))
        except OSError:
            return


def truncated(answer: bytes) -> bool:
    """Whether an answer that has begun is not whole."""
    head, found, content = answer.partition(b"\r\n\r\n")
    if not answer:
        return False  # refused before it was taken
    length = next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    return not found or len(content) != int(length)


def stops(place: Path, times: int) -> None:
    """SIGTERM under load."""
    body = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + picture(size=96)
    body += b"\r\n--x--\r\n"
    answers: list[bytes] = []
    longest = 0.0
    for _ in range(times):
        with serving(place / "stops", place / "houses", "--no-page") as server:
            address = (server.base_url.host, server.base_url.port)
            clients = [threading.Thread(target=ask, args=(*address, body, answers)) for _ in range(4)]
            for client in clients:
                client.start()
            time.sleep(random.uniform(0.2, 0.6))
            start = time.perf_counter()
            server.process.terminate()
            server.process.wait(30)
            longest = max(longest, time.perf_counter() - start)
            for client in clients:
                client.join()
    cut = sum(map(truncated, answers))
    print(f"{times} times SIGTERM: {len(answers)} answers, {cut} cut short; ended within {longest:.2f} s", flush=True)


def kills(place: Path, times: int) -> None:
    """SIGKILL while a job is carried out."""
    files = [("images", (f"{number}.png", picture(number, size=64))) for number in range(PICTURES)]
    job, killed, rounds, lost = "", 0, 0, 0
    while killed < times:
        with serving(place / "kills", place / "houses", "--no-page") as server:
            if not job:
                job, rounds = server.post("/v1/jobs", files=files, data={"model": "houses"}).json()["id"], rounds + 1
            time.sleep(random.uniform(0.05, 0.4))
            if server.get(f"/v1/jobs/{job}").json()["state"] == "done":
                lost += faults(server.get(f"/v1/jobs/{job}/results").content)
                job = ""
                continue
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            killed += 1
    print(f"{killed} times SIGKILL over {rounds} jobs of {PICTURES}: {lost} results lost or doubled", flush=True)


def faults(archive: bytes) -> int:
    """How many results are missing, or there twice."""
    names = zipfile.ZipFile(io.BytesIO(archive)).namelist()
    return len({f"{number}.png" for number in range(PICTURES)} ^ set(names)) + len(names) - len(set(names))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stops", type=int, default=50)
    parser.add_argument("--kills", type=int, default=30)
    given = parser.parse_args()
    random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        model(Path(folder) / "houses")
        stops(Path(folder), given.stops)
        kills(Path(folder), given.kills)


if __name__ == "__main__":
    main()
