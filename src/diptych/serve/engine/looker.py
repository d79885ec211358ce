"""Processes that look at files: what comes from outside is opened in no process that must live."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from diptych.images import Header
from diptych.serve.engine.counters import Counters
from diptych.serve.engine.pool import Pool
from diptych.serve.engine.viewing import Order, View
from diptych.serve.engine.worker import Fault, Plan
from diptych.serve.engine.worker_process import Handle, WorkerLost
from diptych.serve.errors import BadPicture, NoLabelMap, Overloaded

LIMIT = 5.0
"""Seconds that a look at a header may take, after which the file is to blame."""
LONG = 20.0
"""Seconds that a view of a picture may take."""
DEADLY = 3
"""Processes that a file may take with it: that one dies is chance."""
WAITING = 64
"""Views that may wait; more are refused."""

T = TypeVar("T")


class Looker:
    """Looks at one header after another in one process, and makes one view after another in another one."""

    def __init__(self, plan: Plan, counters: Counters) -> None:
        self.free, self.turn, self.view_turn = asyncio.Event(), asyncio.Lock(), asyncio.Lock()
        self.views = 0  # that wait, or are being made
        plan = replace(plan, models={}, threads=1)
        self.pool = Pool(plan, 2, counters, held=dict, freed=self.free.set)

    async def look(self, file: bytes, *, whole: bool = False) -> Header:
        """The header of a picture file, which is decoded as well if `whole` and small. Raises BadPicture."""
        return await self.in_turn(self.turn, lambda worker: worker.look(file, whole=whole), LIMIT)

    async def view(self, file: bytes, order: Order) -> View:
        """A picture file as a browser shows it. Raises BadPicture, NoLabelMap, Overloaded."""
        self.admit()
        self.views += 1
        try:
            return await self.in_turn(self.view_turn, lambda worker: worker.view(file, order), LONG)
        finally:
            self.views -= 1

    def admit(self) -> None:
        """Raises Overloaded when too many wait for a view."""
        if self.views >= WAITING:
            raise Overloaded(f"{WAITING} pictures are waiting to be shown already", retry_after=1)

    async def in_turn(self, turn: asyncio.Lock, work: Callable[[Handle], Awaitable[T | Fault]], limit: float) -> T:
        await turn.acquire()
        task = asyncio.create_task(self.ask(work, limit))
        task.add_done_callback(lambda _: turn.release())
        found = await asyncio.shield(task)  # whoever goes away meanwhile: the process is busy until it has answered
        if isinstance(found, Fault):
            raise NoLabelMap(found.message) if found.blame == "labels" else BadPicture(found.message)
        return found

    async def ask(self, work: Callable[[Handle], Awaitable[T | Fault]], limit: float) -> T | Fault:
        for _ in range(DEADLY):
            while (worker := self.pool.take()) is None:
                self.free.clear()
                await self.free.wait()
            try:
                async with asyncio.timeout(limit):
                    found = await work(worker)
            except TimeoutError:
                self.pool.kill(worker, "late")
            except WorkerLost:
                pass
            else:
                await self.pool.free(worker)
                return found
        return Fault("picture", "the picture: its header cannot be read: replace it")
