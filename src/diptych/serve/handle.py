"""A worker process as the server sees it."""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
from collections.abc import Mapping
from functools import cache
from multiprocessing.context import ForkServerContext
from typing import Any, Literal

from diptych.errors import ModelError
from diptych.serve.messages import packed, received
from diptych.serve.versions import Version
from diptych.serve.worker import Batch, Fault, Outcome, Plan, work

State = Literal["starting", "idle", "busy", "leaving", "lost"]

BUFFER = 2**22
"""Bytes of an answer that wait at most until they are read."""


class WorkerLost(Exception):
    """The process has died, or did not answer."""


@cache
def nursery() -> ForkServerContext:
    """Where workers come from: a process that has everything imported and forks, so that a new one is there at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["diptych.serve.worker"])
    return context


class Handle:
    """A worker process, which holds these versions of the models. until: when it can be expected to be free."""

    def __init__(self, plan: Plan, held: Mapping[str, Version]) -> None:
        self.held = dict(held)
        self.state: State = "starting"
        self.until = 0.0
        self.writer: asyncio.StreamWriter | None = None
        self.ours, self.theirs = socket.socketpair()
        self.process = nursery().Process(target=work, args=(self.theirs, plan), daemon=True)

    async def start(self) -> None:
        """Wait until the models are loaded. Raises ModelError when one cannot be, WorkerLost."""
        self.reader, self.writer = await asyncio.open_unix_connection(sock=self.ours, limit=BUFFER)
        try:
            await asyncio.to_thread(self.process.start)
        except (EOFError, OSError):  # no memory, or no room for a process
            raise WorkerLost from None
        finally:
            self.theirs.close()  # or the end of the process would not end the connection
        fault = await self.answer()
        if isinstance(fault, Fault):
            raise ModelError(fault.message)

    async def translate(self, batch: Batch, *, hang: float) -> list[Outcome]:
        """The outcome of each file of a batch. Raises WorkerLost; a worker that takes too long is killed."""
        assert self.writer is not None  # it has started
        self.writer.write(packed(batch))
        try:
            async with asyncio.timeout(hang):
                return await self.answer()
        except TimeoutError:
            self.process.kill()
            raise WorkerLost from None

    async def answer(self) -> Any:
        """What the worker says next. Raises WorkerLost."""
        try:
            return await received(self.reader)
        except (EOFError, ConnectionError):
            raise WorkerLost from None

    async def end(self, grace: float) -> None:
        """Let the process end by itself, as it does when the connection is closed, or kill it after `grace` seconds."""
        (self.writer or self.ours).close()
        if self.process.pid is None:  # it never began
            return
        await asyncio.to_thread(self.process.join, grace)
        if self.process.is_alive():
            self.process.kill()
            await asyncio.to_thread(self.process.join)
        self.process.close()
