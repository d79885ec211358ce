"""A real `diptych serve` in a process of its own, and its client."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx


class Server(httpx.Client):
    """A client of a server that runs, and the process."""

    process: subprocess.Popen[str]
    said: str


@contextmanager
def serving(place: Path, *arguments: object, token: str | None = None) -> Iterator[Server]:
    """`diptych serve ARGUMENTS` on any free port, its folder at `place`; ended by SIGTERM."""
    command = [sys.executable, "-m", "diptych", "serve", *map(str, arguments), "--port", "0", "--place", str(place)]
    log = place.parent / f"{place.name}.log"
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, text=True, env=environment(token))
    try:
        url = address(process, log)
        with Server(
            base_url=url, timeout=60, headers={"Authorization": f"Bearer {token}"} if token else None
        ) as client:
            client.process, client.said = process, log.read_text()
            yield client
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)


def environment(token: str | None) -> dict[str, str]:
    return {**os.environ, **({"DIPTYCH_TOKEN": token} if token else {})}


def address(process: subprocess.Popen[str], log: Path) -> str:
    """Where the server listens, as it says itself."""
    for _ in range(2400):  # importing takes seconds, many on a busy machine
        if found := re.search(r"http://\S+?:\d+", log.read_text()):
            return found[0]
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(f"the server does not come up: {log.read_text()}")


def code(answer: httpx.Response) -> tuple[int, str]:
    """The status of an error and its code."""
    return answer.status_code, answer.json()["error"]["code"]
