"""Attacks that never worked: requests within requests, odd connections, ways out of folders, bombs in models."""

from __future__ import annotations

import asyncio
import json
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from models import model
from serving import Server, code, serving
from test_gate import talking

from diptych.errors import ModelError
from diptych.model.folder import CARD, SUMS, WEIGHTS, inspect_card, manifest
from diptych.model.translator import Translator
from diptych.serve.api import connection

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"0\r\n\r\n" + HIDDEN


def post(*headers: bytes, body: bytes) -> bytes:
    return b"".join([b"POST / HTTP/1.1\r\nHost: x\r\n", *(one + b"\r\n" for one in headers), b"\r\n", body])


SMUGGLED = {
    "length and chunks": post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=CHUNKED),
    "chunks and length": post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=CHUNKED),
    "two lengths": post(b"Content-Length: 0", b"Content-Length: %d" % len(HIDDEN), body=HIDDEN),
    "a signed length": post(b"Content-Length: +0", body=HIDDEN),
    "a length of hexadecimals": post(b"Content-Length: 0x0", body=HIDDEN),
    "a space before the colon": post(b"Content-Length : 0", body=HIDDEN),
    "a folded header": post(b"Transfer-Encoding:", b" chunked", b"Content-Length: 0", body=HIDDEN),
    "an unknown coding": post(b"Transfer-Encoding: xchunked", body=CHUNKED),
    "a chunk of negative size": post(b"Transfer-Encoding: chunked", body=b"-1\r\n\r\n" + HIDDEN),
    "a bare line feed": b"POST / HTTP/1.1\nHost: x\nContent-Length: 0\n\n" + HIDDEN,
    "a null": post(b"X\0: a", body=HIDDEN),
}


@pytest.mark.parametrize("attack", SMUGGLED)
def test_no_request_hides_in_another(attack: str) -> None:
    """Whatever is ambiguous ends the connection: a proxy in front may have understood it in the other way."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(SMUGGLED[attack])
        writer.write_eof()
        return await reader.read()

    if attack == "a bare line feed":  # one way to read it, with which nginx agrees: two requests
        assert asyncio.run(talking(talk)).count(b"200 OK") in (0, 2)
    else:
        assert asyncio.run(talking(talk)).count(b"200 OK") <= 1


def test_an_idle_connection_is_closed_and_pipelined_requests_are_answered_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "SLOW", 0.3)

    async def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        start = time.monotonic()
        heard = await reader.read()
        assert time.monotonic() - start < 4
        return heard

    async def pipelined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(20 * b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return b"".join([await reader.readuntil(b"ok") for _ in range(20)])

    assert asyncio.run(talking(idle)) == b""
    assert asyncio.run(talking(pipelined)).count(b"200 OK") == 20


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("held")
    model(place / "houses")
    (place / "secret.png").write_bytes(b"secret")
    return place


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    with serving(place / "server", place / "houses", "--no-page") as client:
        yield client


@pytest.mark.parametrize("up", ["../", "..%2f", "%2e%2e/", "..%5c", "....//", "%252e%252e%252f", "/", "%00/../"])
@pytest.mark.parametrize("start", ["/v1/models/houses/examples/", "/v1/models/", "/v1/jobs/", "/v1/jobs/x/items/"])
def test_no_address_leads_out_of_its_folder(up: str, start: str, server: Server) -> None:
    for end in ("secret.png", "houses/card.json", "diptych.sqlite", "etc/passwd"):
        answer = server.get(f"{start}{3 * up}{end}")
        assert answer.status_code in (404, 405, 422)
        assert code(answer)[1] in ("not_found", "unknown_model", "bad_request")
        assert b"secret\n" not in answer.content + b"\n"


def header(of: object) -> bytes:
    text = json.dumps(of).encode()
    return struct.pack("<Q", len(text)) + text


def entry(dtype: str, shape: list[int], start: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


WEIGHT_BOMBS: dict[str, Callable[[], bytes]] = {
    "a header without end": lambda: struct.pack("<Q", 2**63 - 1) + b"{}",
    "a header of 100 MB": lambda: struct.pack("<Q", 10**8) + b"{",
    "nested": lambda: struct.pack("<Q", 10**5) + b'{"a":' * 20_000,
    "more numbers than bytes": lambda: header({"a": entry("F32", [2**40], 0, 2**42)}) + bytes(8),
    "a size that overflows": lambda: header({"a": entry("F32", [2**33, 2**33], 0, 0)}),
    "two at one place": lambda: header({"a": entry("U8", [8], 0, 8), "b": entry("U8", [8], 0, 8)}) + bytes(8),
    "a hole": lambda: header({"a": entry("U8", [8], 8, 16)}) + bytes(16),
    "a thousand empty ones": lambda: header({f"a{n}": entry("U8", [0], 0, 0) for n in range(1000)}),
    "nothing": lambda: b"",
}


def damaged(place: Path, to: Path, name: str, data: bytes) -> Path:
    """A model with another file in it, and sums that agree."""
    shutil.copytree(place / "houses", to)
    (to / name).write_bytes(data)
    (to / SUMS).write_text(manifest({one: (to / one).read_bytes() for one in (CARD, WEIGHTS)}))
    return to


@pytest.mark.parametrize("bomb", WEIGHT_BOMBS)
def test_weights_that_are_a_bomb_are_refused_at_once(bomb: str, place: Path, tmp_path: Path) -> None:
    folder = damaged(place, tmp_path / "m", WEIGHTS, WEIGHT_BOMBS[bomb]())
    with pytest.raises(ModelError):
        Translator.load(folder)


@pytest.mark.parametrize("card", [b"[" * 10**5, b'{"a":' * 10**5, b"{}", b"1e999", b"\xff", b'{"method":"os.system"}'])
def test_a_card_that_is_none_is_refused(card: bytes, place: Path, tmp_path: Path) -> None:
    folder = damaged(place, tmp_path / "m", CARD, card)
    for load in (inspect_card, Translator.load):
        with pytest.raises(ModelError):
            load(folder)
