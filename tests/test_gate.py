"""Whoever sends too slowly, or headers without end, is cut off, and a token is compared whole."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
import uvloop
from fastapi import FastAPI
from fastapi.testclient import TestClient

from diptych.serve.api import connection, guesses, middleware
from diptych.serve.api.auth import add_login
from diptych.serve.api.connection import PatientConnection
from diptych.serve.api.guesses import Guesses
from diptych.serve.api.log import RequestLog
from diptych.serve.api.middleware import Body, BodyRejected, Gate, Rules


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
        return await asyncio.wait_for(talk(reader, writer), 20)
    finally:
        writer.close()
        server.should_exit = True
        await serving


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    for letter in b"GET / HTTP/1.1\r\nHost: x\r\n" + 1000 * b"X-A: b\r\n":
        writer.write(bytes([letter]))
        await asyncio.sleep(0.02)
        if reader.at_eof() or reader.exception():  # cut off while it was still sending
            return b""
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


@pytest.mark.parametrize(("pace", "whole"), [(0, False), (10, False), (2**20, True)])
def test_an_answer_that_is_read_too_slowly_is_cut_off(monkeypatch: pytest.MonkeyPatch, pace: int, whole: bool) -> None:
    monkeypatch.setattr(connection, "UNREAD", 0.5)
    ended = asyncio.Event()

    async def large(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(160):
            await send({"type": "http.response.body", "body": bytes(2**16), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        ended.set()

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        if not whole:
            writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**12)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        heard = b""
        while not ended.is_set():
            heard += await reader.read(pace) if pace else b""
            await asyncio.sleep(0.01)
        with contextlib.suppress(ConnectionError):
            heard += await reader.read()
        return heard

    monkeypatch.setitem(globals(), "app", large)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert (len(runner.run(talking(read))) > 160 * 2**16) == whole


def test_a_body_that_stops_coming_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "SLOW", 0.05)
    parts = [{"type": "http.request", "body": b"x" * 10, "more_body": True}]

    async def receive() -> Any:
        return parts.pop() if parts else await asyncio.Event().wait()

    async def check() -> None:
        body = Body(receive, 100)
        await body.receive()
        with pytest.raises(BodyRejected, match="too slowly: 10 bytes"):
            await body.receive()

    asyncio.run(check())


def test_only_the_whole_token_admits() -> None:
    rules = Rules(token="sécret")
    assert rules.admits("sécret")
    assert not any(map(rules.admits, (None, "", "sécre", "sécrets", "secret", "Sécret")))
    assert Rules().admits(None)


# --- What the gate lets through ---------------------------------------------------------------------------------------


def asked(
    rules: Rules, path: str, *, method: str = "POST", body: bytes = b"", gate: Gate | None = None, **headers: str
) -> int:
    """The status of the answer to a request through a middleware, behind which the body is read and all is well."""

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await app(scope, receive, send)

    parts, said = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""], []

    async def receive() -> Any:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: Any) -> None:
        said.append(message)

    named = {"host": "diptych.example", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http", "method": method, "path": path, "client": ("192.0.2.1", 1),
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }  # fmt: skip
    used = gate or Gate(inside, rules, Guesses(), RequestLog())
    used.app = inside
    asyncio.run(used(scope, receive, send))
    return said[0]["status"]


PAGES = ["/", "/page/main.js", "/login", "/v1/nothing", "/v1/history/a"]


@pytest.mark.parametrize("says", [True, False])
@pytest.mark.parametrize("path", [*PAGES, "/v1/models/a/reload", "/v1/models/a/translate", "/v1/view", "/v1/jobs"])
def test_only_files_in_forms_may_be_large(path: str, says: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "LINGER", 0.01)
    length = {"content_length": "1000001"} if says else {}
    for kind in ("application/json", "application/x-www-form-urlencoded", ""):
        assert asked(Rules(), path, body=bytes(1_000_001), content_type=kind, **length) == 413
        assert asked(Rules(), path, body=bytes(999_999), content_type=kind) == 200
    form = "multipart/form-data; boundary=x"
    takes_files = path in ("/v1/models/a/translate", "/v1/view", "/v1/jobs")
    assert asked(Rules(), path, body=bytes(1_000_001), content_type=form, **length) == (200 if takes_files else 413)


ELSEWHERE = [
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"},
    {"sec_fetch_site": "nonsense"},
    {"sec_fetch_site": "same-site", "origin": "http://diptych.example:81"},
    {"sec_fetch_site": "same-origin", "origin": "http://diptych.example:81"},
    {"origin": "http://diptych.example:81"},
    {"origin": "http://evil.example"},
    {"origin": "null"},
]
HERE = [
    {},
    {"sec_fetch_site": "none"},
    {"sec_fetch_site": "same-origin"},
    {"sec_fetch_site": "same-origin", "origin": "null"},  # of a form, whose page tells nobody where it is
    {"origin": "http://diptych.example"},
    {"origin": "https://diptych.example", "sec_fetch_site": "same-origin"},
]


@pytest.mark.parametrize(("headers", "status"), [(one, 403) for one in ELSEWHERE] + [(one, 200) for one in HERE])
def test_only_our_own_pages_send_anything(headers: dict[str, str], status: int) -> None:
    for path in ("/v1/jobs", "/v1/models/a/reload", "/v1/history/a", "/login"):
        for method in ("POST", "DELETE"):
            assert asked(Rules(), path, method=method, **headers) == status


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("how", [bearer, lambda token: {"cookie": f"diptych_token={token}"}])
def test_after_many_wrong_tokens_an_address_has_to_wait(how: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(guesses.time, "monotonic", lambda: clock[0])
    rules, known = Rules(token="right"), Guesses()
    entry = Gate(app, rules, known, RequestLog())
    ask = lambda token: asked(rules, "/v1/models", method="GET", gate=entry, **how(token))  # noqa: E731
    assert [ask(f"wrong{number}") for number in range(100)].count(401) == 20
    assert ask("right") == 429  # or the guesser would learn it
    assert asked(rules, "/healthz", method="GET", gate=entry) == 200
    assert known.wait("192.0.2.2") == 0
    clock[0] += 3
    assert ask("right") == 200
    clock[0] += 3600
    assert [ask("stale") for _ in range(100)].count(401) == 100  # one guess, again and again


def test_a_page_that_is_asked_for_is_no_way_around_that() -> None:
    rules = Rules(token="right")
    entry = Gate(app, rules, Guesses(), RequestLog())
    ask = lambda token: asked(rules, "/", method="GET", gate=entry, accept="text/html", **bearer(token))  # noqa: E731
    assert {ask(f"wrong{number}") for number in range(30)} == {303}
    assert ask("right") == 303


def test_the_form_that_asks_for_the_token_counts_guesses_too() -> None:
    pages, rules = FastAPI(), Rules(token="right")
    add_login(pages, rules, Guesses())
    with TestClient(pages, follow_redirects=False) as client:
        answers = [client.post("/login", data={"token": f"wrong{number}"}).status_code for number in range(40)]
        assert (answers.count(401), answers.count(429)) == (20, 20)
        assert client.post("/login", data={"token": "right"}).status_code == 429
    add_login(other := FastAPI(), rules, Guesses())
    with TestClient(other, follow_redirects=False) as client:
        assert client.post("/login", data={"token": "right"}).status_code == 303


def test_a_household_of_ipv6_is_one_guesser() -> None:
    known = Guesses()
    for number in range(30):
        known.wrong(f"2001:db8::{number:x}", f"wrong{number}")
    assert known.wait("2001:db8::ffff") > 0
    assert known.wait("2001:db8:0:1::1") == 0
