"""Whoever sends too slowly, or headers without end, is cut off, and a token is compared whole."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from diptych.serve import connection, gate
from diptych.serve.connection import PatientConnection
from diptych.serve.gate import Body, Cut, Rules


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def talking(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]) -> bytes:
    """What a client hears of a server with such connections."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=PatientConnection, ws="none", lifespan="off", log_level="error"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    try:
        return await asyncio.wait_for(talk(reader, writer), 5)
    finally:
        writer.close()
        server.should_exit = True
        await serving


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    for letter in b"GET / HTTP/1.1\r\nHost: x\r\n" + 1000 * b"X-A: b\r\n":
        writer.write(bytes([letter]))
        await asyncio.sleep(0.02)
        if reader.at_eof():
            break
    return await reader.read()


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n" + 20_000 * b"X-A: bbbbbbbb\r\n")
    return await reader.read()


async def honest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    heard = b""
    for _ in range(2):  # the connection is kept for another request
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        heard += await reader.readuntil(b"ok")
        await asyncio.sleep(0.5)
    return heard


def test_headers_that_drip_or_never_end_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SLOW", 0.3)
    assert asyncio.run(talking(drip)) == b""
    with contextlib.suppress(ConnectionError):  # cut off while it was still sending
        assert b"200" not in asyncio.run(talking(flood))
    assert asyncio.run(talking(honest)).count(b"200 OK") == 2


def test_a_body_that_stops_coming_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "SLOW", 0.05)
    parts = [{"type": "http.request", "body": b"x" * 10, "more_body": True}]

    async def receive() -> Any:
        return parts.pop() if parts else await asyncio.Event().wait()

    async def check() -> None:
        body = Body(receive, 100, None)
        await body.receive()
        with pytest.raises(Cut, match="too slowly: 10 bytes"):
            await body.receive()

    asyncio.run(check())


def test_only_the_whole_token_admits() -> None:
    rules = Rules(token="sécret")
    assert rules.admits("sécret")
    assert not any(map(rules.admits, (None, "", "sécre", "sécrets", "secret", "Sécret")))
    assert Rules().admits(None)
