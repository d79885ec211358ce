"""A worker process as the server sees it, spoken to from a thread of its own, so that the event loop never waits."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from multiprocessing.context import ForkServerContext
from typing import Any, Literal, TypeVar

from diptych.errors import ModelError
from diptych.serve.versions import Version
from diptych.serve.worker import Batch, Fault, Outcome, Plan, work

T = TypeVar("T")
State = Literal["starting", "idle", "busy", "leaving", "lost"]


class WorkerLost(Exception):
    """The process has died, or did not answer."""


@cache
def nursery() -> ForkServerContext:
    """Where workers come from: a process that has everything imported and forks, so that a new one is there at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["diptych.serve.worker"])
    return context


class Handle:
    """A worker process, which holds these versions of the models."""

    def __init__(self, plan: Plan, held: Mapping[str, Version]) -> None:
        self.held = dict(held)
        self.state: State = "starting"
        self.connection, theirs = nursery().Pipe()
        self.process = nursery().Process(target=work, args=(theirs, plan), daemon=True)
        self.theirs = theirs
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="worker")

    async def start(self) -> None:
        """Wait until the models are loaded. Raises ModelError when one cannot be, WorkerLost."""
        fault = await self.aloud(self.begin)
        if isinstance(fault, Fault):
            raise ModelError(fault.message)

    def begin(self) -> Fault | None:
        self.process.start()
        self.theirs.close()  # or the end of the process would not end the connection
        return self.connection.recv()

    async def translate(self, batch: Batch, *, hang: float) -> list[Outcome]:
        """The outcome of each file of a batch. Raises WorkerLost; a worker that takes too long is killed."""
        answer = self.aloud(self.exchange, batch)
        try:
            return await asyncio.wait_for(answer, hang)
        except TimeoutError:
            self.process.kill()
            raise WorkerLost from None

    def exchange(self, batch: Batch) -> list[Outcome]:
        self.connection.send(batch)
        return self.connection.recv()

    async def aloud(self, function: Callable[..., T], *arguments: Any) -> T:
        """What `function` gives, run in the thread that speaks to the process. Raises WorkerLost when that has died."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.thread, function, *arguments)
        except (EOFError, OSError):
            raise WorkerLost from None

    async def end(self, grace: float) -> None:
        """Let the process end by itself, as it does when the connection is closed, or kill it after `grace` seconds."""
        self.connection.close()
        await asyncio.to_thread(self.process.join, grace)
        if self.process.is_alive():
            self.process.kill()
            await asyncio.to_thread(self.process.join)
        self.thread.shutdown(wait=False)
        self.process.close()
