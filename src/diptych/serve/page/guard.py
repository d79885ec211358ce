"""What reaches Gradio: the few requests that the page makes, looked at before it is asked to do as they say."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse

from diptych.serve.gate import announced

API = "/gradio_api/"
SENT = ("queue/join", "upload", "cancel", "reset", "reset/")
"""What the page sends; Gradio has a dozen more."""
FETCHED = re.compile(API + r"(proxy=|file=[a-z][a-z0-9+.-]+:)", re.IGNORECASE)
"""Addresses at which Gradio would ask another server for something; `file=C:` is a path."""
VALUES = 5000
"""Values in the JSON of a request, at most: the page sends some dozens."""
TIMES = 20
"""The room for uploads, as a multiple of the largest one."""
OLD = 3600.0
"""Seconds after which an upload may make room for others."""


class Guard:
    """The application around the page's. functions: the numbers of what the page can ask for.

    cache: the folder of what was uploaded, and of copies of what is shown. largest: bytes of an upload.
    """

    def __init__(self, app: Any, functions: Collection[int], cache: Path, largest: int) -> None:
        self.app, self.functions, self.cache, self.largest = app, functions, cache.resolve(), largest
        self.coming = 0  # bytes of uploads that are under way

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path, sends = scope.get("path", ""), scope.get("method") not in ("GET", "HEAD")
        if scope["type"] != "http" or not path.startswith(API):
            await self.app(scope, receive, send)
        elif FETCHED.match(path) or (sends and path.removeprefix(API) not in SENT):
            await refused(404, "not_found", "the page has no such address")(scope, receive, send)
        elif path == API + "queue/join":
            await self.ask(scope, receive, send)
        elif path == API + "upload":
            await self.upload(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def ask(self, scope: Any, receive: Any, send: Any) -> None:
        """Let something be done, if it is what the page asks for."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        if fault := await asyncio.to_thread(self.fault, body):
            await refused(422, "bad_request", fault)(scope, receive, send)
            return
        parts = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Any:
            return parts.pop() if parts else await receive()

        await self.app(scope, again, send)

    def fault(self, body: bytes) -> str:
        """What is wrong with a request; empty where nothing is."""
        try:
            asked = json.loads(body)
            if not isinstance(asked, dict) or asked.get("fn_index") not in self.functions:
                return "there is nothing of this number on the page: load it again"
            paths = list(paths_in(asked))
        except (ValueError, TypeError, RecursionError):
            return "this is no JSON as the page sends it: load it again"
        if not all(self.holds(path) for path in paths):
            return "only pictures that were uploaded here are taken: no addresses, and no other files"
        return ""

    def holds(self, path: Any) -> bool:
        """Whether a file was uploaded."""
        try:
            return isinstance(path, str) and Path(path).resolve().is_relative_to(self.cache)
        except (OSError, ValueError):
            return False

    async def upload(self, scope: Any, receive: Any, send: Any) -> None:
        """Take files, if there is room."""
        size = announced({name: value.decode("latin-1") for name, value in scope["headers"]}) or self.largest
        self.coming += size
        try:
            if not await asyncio.to_thread(self.make_room):
                said = "the server has no room for further uploads: come back in an hour"
                await refused(507, "no_room", said)(scope, receive, send)
                return
            await self.app(scope, receive, send)
        finally:
            self.coming -= size

    def make_room(self) -> bool:
        """Whether what is coming fits in, after old uploads have gone if need be."""
        files = {path: path.stat() for path in self.cache.rglob("*") if path.is_file()}
        over = sum(stat.st_size for stat in files.values()) + self.coming - TIMES * self.largest
        for path, stat in sorted(files.items(), key=lambda one: one[1].st_mtime):
            if over <= 0 or stat.st_mtime > time.time() - OLD:
                break
            path.unlink(missing_ok=True)
            over -= stat.st_size
        return over <= 0


def paths_in(asked: Any) -> Iterator[Any]:
    """The paths of all files in a request. Raises ValueError for one that holds too much."""
    left = [asked]
    for _ in range(VALUES):
        if not left:
            return
        value = left.pop()
        if isinstance(value, dict):
            if "path" in value:
                yield value["path"]
            left += value.values()
        elif isinstance(value, list):
            left += value
    raise ValueError(f"more than {VALUES} values")


def refused(status: int, code: str, sentence: str) -> JSONResponse:
    """An error as the interface has it; Gradio's own pages show `detail`."""
    return JSONResponse({"error": {"code": code, "message": sentence}, "detail": sentence}, status)
