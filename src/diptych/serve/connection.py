"""A connection that does not wait for ever: whoever sends headers too slowly, or too many of them, is cut off."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SLOW = 10.0
"""Seconds in which a request's headers must have come."""
HEADERS = 65536
"""Bytes that a request's headers may have."""


class PatientConnection(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, with a limit of time and size until a request's headers are complete."""

    timer: asyncio.TimerHandle | None = None
    received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.timer = self.loop.call_later(SLOW, transport.close)

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
        super().connection_lost(exc)

    def stop_waiting(self) -> None:
        self.received = 0
        if self.timer:
            self.timer.cancel()
            self.timer = None
