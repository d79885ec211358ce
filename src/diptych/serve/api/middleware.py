"""What every request passes: who may ask, how large and how slow a body may be, and which headers every answer has."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

from diptych.serve.api.guesses import Guesses
from diptych.serve.api.log import CODE, TOLD, Entry, RequestLog

SLOW = 10.0
"""Seconds that a body may make no progress, and that it may take besides what its size needs."""
PACE = 50_000
"""Bytes a second that a body must come with, on the whole."""

LINGER = 2.0
"""Seconds for which a body that is too large is still taken, and thrown away."""

SMALL = 1_000_000
"""Bytes of a body that is no upload, at most: it is read as a whole, and costs many times its size in memory."""
UPLOADS = re.compile(r"/v1/(jobs|feedback|view|models/[^/]+/translate)")
"""Paths that take files, as forms."""

COOKIE = "diptych_token"
OPEN = ("/healthz", "/readyz", "/login", "/login.css")
"""Paths that need no token."""

POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
"""The content security policy of all answers but those that a browser shows as a page."""
PAGES = re.compile(r"/|/page/.*|/login|/docs")
PAGE_POLICY = (
    f"{POLICY}; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""That of pages: scripts, styles and pictures of ours alone, none of them within a page, and no text is made code."""

ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # with no-referrer a browser does not tell where its own forms come from
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"geolocation=(), microphone=(), payment=()"),
]


@dataclass(frozen=True)
class Rules:
    """token: what a client must show, if anything. body: bytes of a request at most, job: of one that makes a job.

    hosts: names that the server answers to, empty: all of them (a page elsewhere could have its own name lead here).
    """

    token: str | None = None
    body: int = 100_000_000
    job: int = 2_000_000_000
    hosts: Sequence[str] = ()

    def admits(self, token: str | None) -> bool:
        """Whether a client with this token may ask; takes the same time for every wrong one."""
        return self.token is None or hmac.compare_digest((token or "").encode(), self.token.encode())


class BodyRejected(Exception):
    """A body is too large or too slow."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Gate:
    """The outermost application, around all others."""

    def __init__(self, app: Any, rules: Rules, guesses: Guesses, log: RequestLog) -> None:
        self.app, self.rules, self.guesses, self.log = app, rules, guesses, log

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # nothing here speaks by websocket
        entry, scope[TOLD] = Entry(scope), {}
        try:
            await self.answer(scope, receive, Answering(send, policy(scope["path"]), entry), entry)
        finally:
            self.log.note(entry)

    async def answer(self, scope: Any, receive: Any, answering: Answering, entry: Entry) -> None:
        """Refuse a request, or have it answered."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if refusal := self.refusal(scope, headers):
            if refusal[0] in (401, 429) and asks_for_page(scope, headers):
                await answering.redirect("/login")
            else:
                await answering.refuse(*refusal)
            return
        limit = self.limit(scope["path"], headers)
        body = Body(receive, limit)
        if announced(headers) > limit:
            await answering.refuse(413, "too_large", body.too_large, meanwhile=body.discard)
            return
        try:
            await self.app(scope, body.receive, answering.send)
        except BodyRejected as cut:
            await answering.refuse(cut.status, cut.code, str(cut))
        finally:
            entry.received = body.taken

    def limit(self, path: str, headers: dict[bytes, str]) -> int:
        """Bytes that a body may have."""
        is_form = headers.get(b"content-type", "").lower().startswith("multipart/form-data")
        if not (is_form and UPLOADS.fullmatch(path)):
            return min(SMALL, self.rules.body)
        return self.rules.job if path == "/v1/jobs" else self.rules.body

    def refusal(self, scope: Any, headers: dict[bytes, str]) -> tuple[int, str, str] | None:
        """Why a request is not even looked at: status, code and sentence."""
        host = re.sub(r":\d*$", "", headers.get(b"host", "")).strip("[]").lower()
        if self.rules.hosts and host not in self.rules.hosts:
            return 421, "wrong_host", f"this server is not {host[:100]!r}: ask for {self.rules.hosts[0]}"
        if from_elsewhere(headers) and scope["method"] not in ("GET", "HEAD"):
            return 403, "cross_site", "another site's page may not send requests here"
        return None if self.rules.token is None else self.stranger(scope, shown(headers))

    def stranger(self, scope: Any, token: str | None) -> tuple[int, str, str] | None:
        """Why a client is not let in, by the token that it shows."""
        address = (scope.get("client") or ("",))[0]
        if token and (wait := self.guesses.wait(address)):
            return 429, "too_many_guesses", f"too many wrong tokens came from where you are: wait {wait} s"
        if scope["path"] in OPEN or self.rules.admits(token):
            return None
        if token:
            self.guesses.wrong(address, token)
        return 401, "no_token", "this needs a token: send the header `Authorization: Bearer TOKEN`"


def policy(path: str) -> str:
    """The content security policy of what is at an address."""
    return PAGE_POLICY if PAGES.fullmatch(path) else POLICY


def asks_for_page(scope: Any, headers: dict[bytes, str]) -> bool:
    return scope["method"] == "GET" and scope["path"] == "/" and "text/html" in headers.get(b"accept", "")


def from_elsewhere(headers: dict[bytes, str]) -> bool:
    """Whether a browser sends this from a page that is not ours, be it another port's: new ones say so, all say whose.

    Only the new ones tell that a page which hides its origin is ours.
    """
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site not in (None, "same-origin", "none"):
        return True
    if origin is None or (origin == "null" and site is not None):
        return False
    return origin.partition("://")[2] != headers.get(b"host")


def shown(headers: dict[bytes, str]) -> str | None:
    """The token that a request shows: in its header, or in the page's cookie."""
    scheme, _, token = headers.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    try:
        cookie = SimpleCookie(headers.get(b"cookie", "")).get(COOKIE)
    except Exception:  # a cookie is what a stranger sends
        return None
    return cookie.value if cookie else None


class Body:
    """A request's body on its way in, cut off when it is too large or too slow."""

    def __init__(self, receive: Any, limit: int) -> None:
        self.inner, self.limit = receive, limit
        self.too_large = f"the body has more than {limit:,} bytes: send less"
        self.taken, self.start, self.complete = 0, time.monotonic(), False

    async def receive(self) -> Any:
        if self.complete:
            return await self.inner()  # what comes after the body: that the client is gone
        left = min(SLOW, self.start + SLOW + self.taken / PACE - time.monotonic())
        try:
            message = await asyncio.wait_for(self.inner(), max(0.001, left))
        except TimeoutError:
            raise BodyRejected(408, "too_slow", f"the body came too slowly: {self.taken:,} bytes so far") from None
        self.taken += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)
        if self.taken > self.limit:
            if not self.complete:
                await self.discard()
            raise BodyRejected(413, "too_large", self.too_large)
        return message

    async def discard(self) -> None:
        """Take what still comes, for a moment: a client that is cut off while it sends does not read the answer."""
        end = time.monotonic() + LINGER
        while (left := end - time.monotonic()) > 0:
            try:
                message = await asyncio.wait_for(self.inner(), left)
            except TimeoutError:
                return
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return


def announced(headers: dict[bytes, str]) -> int:
    """The length of the body as the client says it."""
    length = headers.get(b"content-length", "")
    return int(length) if length.isdecimal() else 0


class Answering:
    """An answer on its way out, given the headers that every answer has, and noted in its entry of the log."""

    def __init__(self, send: Any, policy: str, entry: Entry) -> None:
        self.inner, self.started, self.entry = send, False, entry
        self.headers = [*ALWAYS, (b"content-security-policy", policy.encode()), (b"x-request-id", entry.id.encode())]

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            own = {name.lower(): value for name, value in message.get("headers", [])}
            self.entry.status, self.entry.code = message["status"], own.get(CODE.lower().encode(), b"").decode()
            extra = [(name, value) for name, value in self.headers if name not in own]
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        self.entry.sent += len(message.get("body", b""))
        await self.inner(message)

    async def redirect(self, place: str) -> None:
        headers = [(b"location", place.encode()), (b"content-length", b"0")]
        await self.send({"type": "http.response.start", "status": 303, "headers": headers})
        await self.inner({"type": "http.response.body", "body": b""})

    async def refuse(
        self, status: int, code: str, sentence: str, *, meanwhile: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Answer by an error; `meanwhile` runs between the answer and the end of the connection."""
        if self.started:
            return  # too late to say anything
        body = json.dumps({"error": {"code": code, "message": sentence}}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(CODE.encode(), code.encode())]
        headers += [(b"connection", b"close")] if status in (408, 413) else []
        headers += [(b"www-authenticate", b"Bearer")] if status == 401 else []
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        if meanwhile:
            await self.send({"type": "http.response.body", "body": body, "more_body": True})
            await meanwhile()
        await self.send({"type": "http.response.body", "body": b"" if meanwhile else body})
