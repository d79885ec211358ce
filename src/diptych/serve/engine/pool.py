"""Worker processes: started, watched, and replaced when they end, fall silent, or work for nobody."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

from diptych.errors import ModelError
from diptych.serve.engine.counters import Counters
from diptych.serve.engine.versions import Version
from diptych.serve.engine.worker import Plan
from diptych.serve.engine.worker_process import Handle, Known, WorkerLost

SILENT = 10.0
"""Seconds without a sign of life after which a worker is killed."""
TURN = 0.5
"""Seconds between two looks at the workers."""


class Pool:
    """Workers that all hold the same versions of the models, but while these are exchanged.

    held: the versions in use. spawned: told of each worker that has loaded its models, and what it knows. freed: told
    that a worker is idle. startup: seconds that the last one took to load its models.
    """

    def __init__(
        self,
        plan: Plan,
        size: int,
        counters: Counters,
        *,
        held: Callable[[], Mapping[str, Version]],
        spawned: Callable[[Known], None] = lambda known: None,
        freed: Callable[[], None] = lambda: None,
    ) -> None:
        self.plan, self.size, self.counters = plan, size, counters
        self.held, self.spawned, self.freed = held, spawned, freed
        self.workers: list[Handle] = []
        self.idle: deque[Handle] = deque()
        self.tasks: set[asyncio.Task[None]] = set()
        self.stopping, self.startup = False, 1.0

    async def start(self) -> None:
        """Start all workers, and wait until they are of use. Raises ModelError, WorkerLost."""
        self.background(self.watch())
        await asyncio.gather(*(self.spawn(self.held()) for _ in range(self.size)))

    async def stop(self) -> None:
        """End the workers, whatever they do."""
        self.stopping = True
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*(self.retire(worker, grace=1.0) for worker in list(self.workers)))

    @property
    def ready(self) -> bool:
        """Whether a worker has its models loaded, and gives signs of life."""
        return any(worker.state in ("idle", "busy") and worker.responds for worker in self.workers)

    async def spawn(self, held: Mapping[str, Version]) -> Handle:
        """Start a worker with these versions, and wait until it is of use. Raises ModelError, WorkerLost."""
        worker = Handle(replace(self.plan, models={name: version.folder for name, version in held.items()}), held)
        worker.until = time.monotonic() + self.startup
        self.workers.append(worker)
        try:
            known = await worker.start()
            if worker not in self.workers:  # it was let go meanwhile
                raise WorkerLost
        except BaseException:
            self.remove(worker)
            await worker.end(0)
            raise
        self.startup = time.monotonic() - worker.begun
        self.spawned(known)
        asyncio.get_running_loop().add_reader(worker.process.sentinel, self.exited, worker)
        await self.free(worker)
        return worker

    def take(self) -> Handle | None:
        """An idle worker that responds, now busy."""
        worker = next((worker for worker in self.idle if worker.responds), None)
        if worker:
            self.idle.remove(worker)
            worker.state = "busy"
        return worker

    def give_back(self, worker: Handle) -> None:
        """There was nothing to do for a worker that was taken."""
        worker.state = "idle"
        self.idle.appendleft(worker)

    async def free(self, worker: Handle) -> None:
        """A worker has done what it had to do."""
        worker.batch = ()
        if worker.state == "leaving":
            await worker.end(5.0)
        elif worker.state in ("starting", "busy"):
            worker.state = "idle"
            self.idle.append(worker)
            self.freed()

    async def watch(self) -> None:
        """Kill workers that give no sign of life, and go on with those that give one again."""
        while True:
            start = time.monotonic()
            await asyncio.sleep(TURN)
            if time.monotonic() - start > 2 * TURN:  # it is the server that was late: first hear what has been said
                continue
            for worker in self.workers:
                patience = 6 * SILENT if worker.state == "starting" else SILENT
                if worker.process.pid and time.monotonic() - worker.heard > patience:
                    self.kill(worker, "silent")
            if self.idle:
                self.freed()

    def kill(self, worker: Handle, why: str) -> None:
        """End a worker at once; another takes its place when its process is gone."""
        logging.warning("worker %s is ended: it is %s", worker.process.pid, why)
        self.counters.kills[why] += 1
        worker.kill()

    def exited(self, worker: Handle) -> None:
        """A worker's process has ended by itself: another takes its place at once."""
        asyncio.get_running_loop().remove_reader(worker.process.sentinel)
        self.remove(worker)
        worker.state = "lost"
        self.background(worker.end(0))
        if not self.stopping:
            self.counters.restarts += 1
            self.background(self.replace_lost())

    async def replace_lost(self) -> None:
        """Hire until one stays, more slowly each time."""
        pause = 0.0
        while not self.stopping:
            await asyncio.sleep(pause)
            try:
                await self.spawn(self.held())
                return
            except (ModelError, WorkerLost) as error:
                logging.error("a worker could not be started: %s", str(error) or "it ended")
                pause = min(30.0, 2 * pause + 0.1)

    async def retire(self, worker: Handle, *, grace: float = 5.0) -> None:
        """Let a worker go, after what it is doing."""
        if worker not in self.workers:
            return
        if worker.state in ("idle", "busy"):
            asyncio.get_running_loop().remove_reader(worker.process.sentinel)
        busy = worker.state == "busy" and not self.stopping
        self.remove(worker)
        worker.state = "leaving"
        if not busy:
            await worker.end(grace)

    async def switch(self, held: Mapping[str, Version], name: str) -> None:
        """Put workers with other versions in the place of the present ones, one by one; `name` is what differs.

        Raises ModelError, WorkerLost.
        """
        version = held[name].version
        while old := [worker for worker in self.workers if worker.held[name].version != version]:
            settled = [worker for worker in old if worker.state != "starting"]
            if not settled:
                await asyncio.sleep(0.01)
                continue
            await self.spawn(held)
            await self.retire(settled[0])

    def remove(self, worker: Handle) -> None:
        if worker in self.workers:
            self.workers.remove(worker)
        if worker in self.idle:
            self.idle.remove(worker)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
