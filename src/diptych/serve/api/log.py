"""Requests as lines and as counts: when, by whom, what for, how large, how long, and what became of it."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from diptych.errors import printable

TOLD = "diptych.told"
"""Where in a request's scope the application tells of it."""
CODE = "X-Error-Code"
"""The header in which an error has its code."""


def tell(scope: Mapping[str, Any], **words: Any) -> None:
    """Say something for the log: the model, its version, how many pictures, the seconds of each stage."""
    scope.get(TOLD, {}).update(words)


@dataclass
class Entry:
    """A request while it runs. sent: bytes of the answer, received: of the request's body."""

    scope: Mapping[str, Any]
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    start: float = field(default_factory=time.monotonic)
    status: int = 0
    code: str = ""
    sent: int = 0
    received: int = 0

    def outcome(self) -> str:
        """The error's code; `ok`; or that nobody was there for the answer."""
        return self.code or ("ok" if 0 < self.status < 400 else "error" if self.status else "client_gone")

    def to_dict(self) -> dict[str, Any]:
        return {
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "id": self.id,
            "status": self.status,
            "outcome": self.outcome(),
            "method": self.scope["method"],
            "path": self.scope["path"],
            "received": self.received,
            "sent": self.sent,
            "seconds": round(time.monotonic() - self.start, 4),
            "client": (self.scope.get("client") or ("",))[0],
            **self.scope.get(TOLD, {}),
        }

    def to_text(self) -> str:
        """One line; what a stranger has written steers no terminal."""
        told = self.to_dict()
        first = [told.pop(name) for name in ("time", "id", "status", "outcome", "method", "path")]
        return printable(" ".join([*map(str, first), *(f"{name}={value}" for name, value in told.items())]))


class RequestLog:
    """Where requests are noted. format: text, json or none. answers: how many there were, by status and outcome."""

    def __init__(self, format: str = "none") -> None:
        self.format = format
        self.answers: Counter[tuple[int, str]] = Counter()

    def note(self, entry: Entry) -> None:
        self.answers[entry.status, entry.outcome()] += 1
        if self.format == "none":
            return
        line = entry.to_text() if self.format == "text" else json.dumps(entry.to_dict())
        with suppress(OSError, ValueError):  # a full disk, or nobody reads it any more: requests go on
            print(line, file=sys.stderr, flush=True)
