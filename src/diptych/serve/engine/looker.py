"""A process that looks at the headers of files: what comes from outside is opened in no process that must live."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from diptych.images import Header
from diptych.serve.engine.pool import Pool
from diptych.serve.errors import BadPicture
from diptych.serve.handle import WorkerLost
from diptych.serve.tally import Tally
from diptych.serve.worker import Fault, Plan

LIMIT = 5.0
"""Seconds that a look may take, after which the file is to blame."""
DEADLY = 3
"""Processes that a file may take with it: that one dies is chance."""


class Looker:
    """Looks at one file after another; the process is replaced when it ends."""

    def __init__(self, plan: Plan, tally: Tally) -> None:
        self.free, self.turn = asyncio.Event(), asyncio.Lock()
        plan = replace(plan, models={}, threads=1)
        self.pool = Pool(plan, 1, tally, held=dict, freed=self.free.set)

    async def look(self, file: bytes, *, whole: bool = False) -> Header:
        """The header of a picture file, which is decoded as well if `whole` and small. Raises BadPicture."""
        await self.turn.acquire()
        task = asyncio.create_task(self.ask(file, whole))
        task.add_done_callback(lambda _: self.turn.release())
        found = await asyncio.shield(task)  # whoever goes away meanwhile: the process is busy until it has answered
        if isinstance(found, Fault):
            raise BadPicture(found.message)
        return found

    async def ask(self, file: bytes, whole: bool) -> Header | Fault:
        for _ in range(DEADLY):
            while (worker := self.pool.take()) is None:
                self.free.clear()
                await self.free.wait()
            try:
                async with asyncio.timeout(LIMIT):
                    found = await worker.look(file, whole=whole)
            except TimeoutError:
                self.pool.kill(worker, "late")
            except WorkerLost:
                pass
            else:
                await self.pool.free(worker)
                return found
        return Fault("picture", "the picture: its header cannot be read: replace it")
