"""Files from servers: whole or not at all, and where a connection broke off, from there on."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from diptych.errors import DiptychError
from diptych.storage.files import storing

Progress = Callable[[int, int | None], None]
"""Called with the bytes fetched and the bytes in all, where the server says how many."""
BLOCK = 1 << 16
PART, TAG = ".part", ".part.tag"
"""What is added to the name of a file that is not whole yet, and of what tells which version of it this is."""


class Answer(NamedTuple):
    """What a server says before it sends a file."""

    start: int  # the first byte that it will send
    total: int | None  # bytes of the whole file
    tag: str  # which changes with the file; "" where the server gives none


def blocks(
    url: str,
    *,
    timeout: float,
    fault: type[DiptychError],
    progress: Progress | None = None,
    start: int = 0,
    tag: str = "",
    begin: Callable[[Answer], None] = lambda answer: None,
) -> Iterator[bytes]:
    """What a server sends, block by block, from byte `start` on if it can and the file still has this tag.

    begin: told what the server says, before the first block. timeout: seconds without a byte. Raises `fault` when the
    server cannot be reached, or does not send all of the file.
    """
    headers = {"Range": f"bytes={start}-", **({"If-Range": tag} if tag else {})} if start else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as reply:
            answer = _answer(reply, start)
            begin(answer)
            done = answer.start
            while block := reply.read(BLOCK):
                done += len(block)
                yield block
                if progress:
                    progress(done, answer.total)
    except urllib.error.HTTPError as error:
        raise fault(f"{url}: the server answers {error.code} {error.reason}; try later or name a mirror") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, DiptychError):
            raise
        raise fault(f"{url} could not be fetched: {error}; check the connection or name a mirror") from None
    if answer.total is not None and done < answer.total:
        raise fault(f"{url}: the connection broke off after {done} of {answer.total} bytes; try again")


def size_of(url: str, *, timeout: float, fault: type[DiptychError]) -> int | None:
    """The bytes of a file, where its server says how many. Raises `fault` as `blocks` does."""
    found: list[int | None] = []
    for _ in blocks(url, timeout=timeout, fault=fault, begin=lambda answer: found.append(answer.total)):
        break
    return found[0]


def fetch_file(
    url: str, path: Path, *, fault: type[DiptychError], progress: Progress | None = None, timeout: float = 30
) -> str:
    """Fetch a file to `path`, going on where an earlier try broke off, and give its sha256.

    What has come is kept beside it, with PART at its end. Raises `fault` as `blocks` does, StorageError where the file
    cannot be written.
    """
    part, note = (path.with_name(path.name + end) for end in (PART, TAG))
    start = part.stat().st_size if part.exists() else 0
    tag = note.read_text() if start and note.exists() else ""
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("ab")

    def begin(answer: Answer) -> None:
        file.truncate(answer.start)
        note.write_text(answer.tag)

    with file:
        sent = blocks(
            url, timeout=timeout, fault=fault, progress=progress, start=start if tag else 0, tag=tag, begin=begin
        )
        for block in sent:
            with storing(path):
                file.write(block)
    with storing(path):
        os.replace(part, path)
        note.unlink(missing_ok=True)
    return sha256(path)


def sha256(path: Path) -> str:
    """The digest of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _answer(reply: http.client.HTTPResponse, asked: int) -> Answer:
    """Of a server that sends a part, where it begins; of one that does not, the whole file."""
    length = int(reply.headers["Content-Length"]) if reply.headers["Content-Length"] else None
    tag = reply.headers["ETag"] or reply.headers["Last-Modified"] or ""
    start = asked if reply.status == http.client.PARTIAL_CONTENT else 0
    return Answer(start, None if length is None else start + length, "" if tag.startswith("W/") else tag)
