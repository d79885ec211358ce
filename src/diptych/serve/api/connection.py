"""A connection that does not wait for ever: whoever sends headers too slowly, or reads too slowly, is cut off."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SLOW = 10.0
"""Seconds in which a request's headers must have come."""
HEADERS = 65536
"""Bytes that a request's headers may have."""
UNREAD = 60.0
"""Seconds in which a client must have taken some of an answer that is longer than the buffers."""
UNSENT = 131_072
"""Bytes that the system may take of an answer before the client does."""


class PatientConnection(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, with a limit of time and size until a request's headers are complete."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.timer: asyncio.TimerHandle | None = None
        self.unread: asyncio.TimerHandle | None = None
        self.received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.timer = self.loop.call_later(SLOW, transport.close)
        option = getattr(socket, "TCP_NOTSENT_LOWAT", 25 if sys.platform == "linux" else None)
        if option:  # or megabytes would be with the system, and a client that takes them steadily seem to take nothing
            with suppress(OSError):
                transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, option, UNSENT)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.unread = self.loop.call_later(UNREAD, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.stop_waiting_for_reader()

    def stop_waiting_for_reader(self) -> None:
        if self.unread:
            self.unread.cancel()
            self.unread = None

    def data_received(self, data: bytes) -> None:
        begun = self.cycle
        super().data_received(data)
        if self.cycle is not begun or (begun is not None and not begun.response_complete):
            self.stop_waiting()
            return
        self.received += len(data)
        if self.received > HEADERS:
            self.transport.close()
        elif self.timer is None:
            self.timer = self.loop.call_later(SLOW, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_waiting()
        self.stop_waiting_for_reader()
        super().connection_lost(exc)

    def stop_waiting(self) -> None:
        self.received = 0
        if self.timer:
            self.timer.cancel()
            self.timer = None
