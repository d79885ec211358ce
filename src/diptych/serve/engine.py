"""Requests wait in a bounded queue and go, alike ones together, to worker processes, which may die at any time.

A request is admitted when it can be expected to be answered in time, or refused at once. It never waits for others to
join it: whatever waits when a worker becomes free goes together. A request whose worker dies is given to another one,
by itself. All state lives in the server's event loop, so that nothing here needs a lock.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from heapq import heapify, heapreplace
from pathlib import Path
from typing import Any

import numpy as np

from diptych import images
from diptych.errors import DataError, ModelError
from diptych.serve import versions
from diptych.serve.errors import (
    BadControl,
    BadModel,
    BadPicture,
    DeadlinePassed,
    Failed,
    NothingBefore,
    Overloaded,
    ServeError,
    Stopping,
    TooLarge,
    UnknownModel,
)
from diptych.serve.handle import Handle, WorkerLost
from diptych.serve.tally import Pace, Tally
from diptych.serve.versions import Version
from diptych.serve.worker import Batch, Done, Fault, Outcome, Plan

BATCH_PIXELS = 2**22
"""Pixels in a batch, beyond which nothing more joins it: a large picture goes alone."""

DEADLY = 3
"""Workers that a request may take with it: that one dies is chance, and that a second does while it has it alone."""

BLAMED: dict[str, type[ServeError]] = {"picture": BadPicture, "control": BadControl, "model": BadModel, "us": Failed}


@dataclass(frozen=True)
class Answer:
    """A translated picture as the bytes of a file, and what making it took.

    seconds: queued, and of its batch decoding, translating, encoding. version: of the model that made it.
    """

    data: bytes
    format: str
    version: str
    notes: tuple[str, ...]
    seconds: dict[str, float]

    @property
    def media_type(self) -> str:
        return images.MEDIA_TYPES[self.format]


@dataclass(frozen=True)
class Status:
    """How the engine is. ready: a worker lives and has its models loaded; workers: each one's process id and state."""

    ready: bool
    waiting: int
    running: int
    workers: dict[int, str]
    restarts: int
    acceleration: str


@dataclass(eq=False)
class Waiting:
    """A request that has no answer yet. deaths: of workers that had it; after one, it joins no others."""

    model: str
    file: bytes
    controls: Mapping[str, Any]
    format: str | None
    pixels: int
    kind: tuple[Any, ...]
    future: asyncio.Future[Answer]
    since: float
    deaths: int = 0

    def refuse(self, error: ServeError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


@dataclass
class Served:
    """A model as it is served: its version in use and the one before, and where it comes from."""

    source: Path
    current: Version
    previous: Version | None = None


class Engine:
    """Translates picture files in worker processes.

    models: their folders, by name. place: the engine's own folder. workers: processes, which share the processor's
    cores. queue: requests that may wait. batch: pictures translated at once. memory_mb: room for weights in each
    worker. acceleration, limit_mp: as everywhere. provenance, certificate, mark: content credentials of results.
    hang: seconds after which a worker that does not answer is killed.
    """

    def __init__(
        self,
        models: Mapping[str, Path],
        *,
        place: Path,
        workers: int = 1,
        queue: int = 64,
        batch: int = 8,
        acceleration: str = "plain",
        limit_mp: float = images.LIMIT_MP,
        memory_mb: float | None = None,
        provenance: bool = True,
        certificate: Path | None = None,
        mark: bool = False,
        hang: float = 600.0,
    ) -> None:
        self.sources, self.place = dict(models), place
        self.size, self.queue, self.batch, self.hang = workers, queue, batch, hang
        self.limit_mp = limit_mp
        threads = max(1, (os.cpu_count() or 1) // workers)
        self.plan = Plan({}, acceleration, threads, limit_mp, memory_mb, provenance, certificate, mark)
        self.served: dict[str, Served] = {}
        self.workers: list[Handle] = []
        self.idle: deque[Handle] = deque()
        self.waiting: deque[Waiting] = deque()
        self.tasks: set[asyncio.Task[None]] = set()
        self.tally, self.pace = Tally(), Pace()
        self.stopping = False
        self.switching = asyncio.Lock()

    async def start(self) -> None:
        """Verify and copy the models, start the workers, and wait until all have loaded them. Raises ModelError."""
        self.loop = asyncio.get_running_loop()
        images.header(images.encode(np.zeros((8, 8, 3), np.uint8), "PNG"))  # the first one is slow: it loads decoders
        for name, source in self.sources.items():
            current = await asyncio.to_thread(versions.take, name, source, self.copies(name), self.plan.acceleration)
            self.served[name] = Served(source, current)
            versions.forget(self.copies(name), {current.version})
        try:
            await asyncio.gather(*(self.hire(self.held()) for _ in range(self.size)))
        except WorkerLost:
            raise ModelError("a worker ended while it loaded the models: is there memory enough for them?") from None

    async def stop(self, grace: float = 10.0) -> None:
        """Take no more requests, finish those that there are within `grace` seconds, and end the workers."""
        self.stopping = True
        end = time.monotonic() + grace
        while (self.waiting or any(worker.state == "busy" for worker in self.workers)) and time.monotonic() < end:
            await asyncio.sleep(0.01)
        for request in self.waiting:
            request.refuse(Stopping("the server is stopping: try again soon", retry_after=5))
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*(self.leave(worker, grace=1.0) for worker in list(self.workers)))

    def status(self) -> Status:
        """How the engine is at this moment."""
        states: dict[int, str] = {worker.process.pid or 0: worker.state for worker in self.workers}
        ready = not self.stopping and bool({"idle", "busy"} & set(states.values()))
        running = sum(worker.state == "busy" for worker in self.workers)
        return Status(ready, len(self.waiting), running, states, self.tally.restarts, self.plan.acceleration)

    # Requests

    async def translate(
        self,
        model: str,
        file: bytes,
        controls: Mapping[str, Any] | None = None,
        *,
        format: str | None = None,
        deadline: float = 30.0,
    ) -> Answer:
        """Translate a picture file; controls as its form gives them, those of kind picture as files.

        format: of the result, as images names them; by default the file's own. deadline: seconds. Cancelling it takes
        the request back. Raises a ServeError.
        """
        self.admit(model)
        start = time.monotonic()
        header = await self.look(file)
        pixels = header.width * header.height
        self.check_the_wait(model, pixels, deadline)
        controls = dict(controls or {})
        shape = (header.height, header.width, header.channels, header.dtype, header.alpha)
        kind = (model, format, shape, tuple(sorted(controls.items())))
        request = Waiting(model, file, controls, format, pixels, kind, self.loop.create_future(), start)
        self.waiting.append(request)
        self.dispatch()
        passed = DeadlinePassed(f"the picture was not translated within {deadline:g} seconds: try again later")
        timer = self.loop.call_at(start + deadline, request.refuse, passed)
        try:
            answer = await request.future
        except ServeError as error:
            self.tally.outcomes[model, error.code] += 1
            raise
        finally:
            timer.cancel()
        self.tally.outcomes[model, "ok"] += 1
        return answer

    def admit(self, model: str) -> None:
        """Raises UnknownModel, Stopping, or Overloaded when the queue is full."""
        if model not in self.served:
            raise UnknownModel(f"there is no model called {model!r}: there are {', '.join(self.served)}")
        if self.stopping:
            raise Stopping("the server is stopping: try again soon", retry_after=5)
        if len(self.waiting) >= self.queue:
            self.tally.outcomes[model, Overloaded.code] += 1
            raise Overloaded(f"{self.queue} requests are waiting already", retry_after=self.expected_wait())

    def check_the_wait(self, model: str, pixels: int, deadline: float) -> None:
        """Raises Overloaded when the picture could not be expected to be done in time."""
        before = self.expected_wait()
        wait = before + self.pace.expect(model, pixels)
        if before and wait > deadline:
            self.tally.outcomes[model, Overloaded.code] += 1
            late = f"it would take about {wait:.1f} seconds, more than the deadline of {deadline:g}: try again later"
            raise Overloaded(late, retry_after=wait)

    def expected_wait(self) -> float:
        """Seconds until a worker can be expected to have done all that waits now, and to begin something new."""
        now = time.monotonic()
        free = [max(0.0, worker.until - now) if worker.state == "busy" else 0.0 for worker in self.workers] or [0.0]
        heapify(free)
        for request in self.waiting:
            heapreplace(free, free[0] + self.pace.expect(request.model, request.pixels))
        return free[0]

    async def look(self, file: bytes) -> images.Header:
        """The header of a picture file. Raises BadPicture or TooLarge."""
        try:
            plain = (len(file) < 2**20 and file[:4] in (b"\x89PNG", b"RIFF")) or file[:3] == b"\xff\xd8\xff"
            header = images.header(file) if plain else await asyncio.to_thread(images.header, file)
        except DataError as error:
            raise BadPicture(str(error)) from None
        megapixels = header.width * header.height * max(1.0, header.channels / 4) / 1e6
        if megapixels > self.limit_mp:
            size = f"{header.width}x{header.height}, {megapixels:.1f} megapixels"
            raise TooLarge(f"the picture is {size}, over the limit of {self.limit_mp:g}: make it smaller")
        return header

    def dispatch(self) -> None:
        """Give what waits to the workers that are idle."""
        while self.idle and (batch := self.take()):
            worker = self.idle.popleft()
            worker.state = "busy"
            took = sum(self.pace.expect(request.model, request.pixels) for request in batch)
            worker.until = time.monotonic() + took
            self.background(self.carry_out(worker, batch))

    def take(self) -> list[Waiting]:
        """The request that has waited longest, and those that can go with it. None that has its answer already."""
        self.waiting = deque(request for request in self.waiting if not request.future.done())
        batch: list[Waiting] = []
        for request in list(self.waiting):
            fits = not batch or (
                request.kind == batch[0].kind
                and not (request.deaths or batch[0].deaths)
                and (len(batch) + 1) * request.pixels <= BATCH_PIXELS
            )
            if fits and len(batch) < self.batch:
                batch.append(request)
                self.waiting.remove(request)
        return batch

    async def carry_out(self, worker: Handle, batch: list[Waiting]) -> None:
        """Have a worker translate a batch, and answer its requests; if it dies, let another one try."""
        first, start = batch[0], time.monotonic()
        version = worker.held[first.model].version
        order = Batch(first.model, [request.file for request in batch], first.controls, first.format)
        try:
            outcomes = await worker.translate(order, hang=self.hang)
        except WorkerLost:
            self.retry(batch)
            return
        took = time.monotonic() - start
        if done := sum(isinstance(outcome, Done) for outcome in outcomes):
            self.pace.note(first.model, first.pixels, took / done)
        self.tally.batches[len(batch)] += 1
        for request, outcome in zip(batch, outcomes, strict=True):
            self.answer(request, outcome, version, start - request.since)
        await self.free(worker)

    def answer(self, request: Waiting, outcome: Outcome, version: str, queued: float) -> None:
        if isinstance(outcome, Fault):
            request.refuse(BLAMED[outcome.blame](outcome.message))
        elif not request.future.done():
            seconds = {"queued": queued, **outcome.seconds}
            for stage, time_taken in seconds.items():
                self.tally.seconds[request.model, stage].add(time_taken)
            request.future.set_result(Answer(outcome.data, outcome.format, version, outcome.notes, seconds))

    def retry(self, batch: list[Waiting]) -> None:
        """Put the requests of a worker that died first in the queue, each by itself, but for one that is the cause."""
        for request in reversed(batch):
            request.deaths += 1
            if request.deaths == DEADLY:
                request.refuse(BadPicture(f"{DEADLY} workers ended over the picture: it is not tried again"))
            elif not request.future.done():
                self.tally.retries += 1
                self.waiting.appendleft(request)
        self.dispatch()

    # Workers

    def held(self) -> dict[str, Version]:
        """The versions in use."""
        return {name: served.current for name, served in self.served.items()}

    async def hire(self, held: Mapping[str, Version]) -> Handle:
        """Start a worker with these versions, and wait until it is of use. Raises ModelError, WorkerLost."""
        worker = Handle(replace(self.plan, models={name: version.folder for name, version in held.items()}), held)
        self.workers.append(worker)
        try:
            await worker.start()
        except BaseException:
            self.workers.remove(worker)
            await worker.end(0)
            raise
        self.loop.add_reader(worker.process.sentinel, self.lost, worker)
        await self.free(worker)
        return worker

    async def free(self, worker: Handle) -> None:
        """A worker has done what it had to do."""
        if worker.state == "leaving":
            await worker.end(5.0)
        elif worker.state in ("starting", "busy"):
            worker.state = "idle"
            self.idle.append(worker)
            self.dispatch()

    def lost(self, worker: Handle) -> None:
        """A worker's process has ended by itself: another takes its place at once."""
        self.loop.remove_reader(worker.process.sentinel)
        self.remove(worker)
        worker.state = "lost"
        self.background(worker.end(0))
        if not self.stopping:
            self.tally.restarts += 1
            self.background(self.replace_lost())

    async def replace_lost(self) -> None:
        """Hire until one stays, more slowly each time."""
        pause = 0.0
        while not self.stopping:
            await asyncio.sleep(pause)
            try:
                await self.hire(self.held())
                return
            except (ModelError, WorkerLost) as error:
                logging.error("a worker could not be started: %s", str(error) or "it ended")
                pause = min(30.0, 2 * pause + 0.1)

    async def leave(self, worker: Handle, *, grace: float = 5.0) -> None:
        """Let a worker go, after what it is doing."""
        if worker not in self.workers:
            return
        if worker.state in ("idle", "busy"):
            self.loop.remove_reader(worker.process.sentinel)
        busy = worker.state == "busy" and not self.stopping
        self.remove(worker)
        worker.state = "leaving"
        if not busy:
            await worker.end(grace)

    def remove(self, worker: Handle) -> None:
        self.workers.remove(worker)
        if worker in self.idle:
            self.idle.remove(worker)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # Versions

    def copies(self, name: str) -> Path:
        """Where the copies of a model's versions are."""
        return self.place / "models" / name

    async def reload(self, name: str) -> Served:
        """Serve what is in the model's folder now; the version in use serves until the new one is loaded.

        Raises UnknownModel, or BadModel when the folder cannot be used: then nothing changes.
        """
        async with self.switching:
            served = self.find(name)
            try:
                version = await asyncio.to_thread(
                    versions.take, name, served.source, self.copies(name), self.plan.acceleration
                )
            except ModelError as error:
                raise BadModel(str(error)) from None
            if version.version != served.current.version:
                await self.switch(name, version)
                served.current, served.previous = version, served.current
                keep = {served.current.version, served.previous.version}
                await asyncio.to_thread(versions.forget, self.copies(name), keep)
            return served

    async def rollback(self, name: str) -> Served:
        """Serve the version before again. Raises UnknownModel, or NothingBefore."""
        async with self.switching:
            served = self.find(name)
            if served.previous is None:
                raise NothingBefore(f"{name} has had one version only, {served.current.version}")
            await self.switch(name, served.previous)
            served.current, served.previous = served.previous, served.current
            return served

    def find(self, name: str) -> Served:
        if name not in self.served:
            raise UnknownModel(f"there is no model called {name!r}: there are {', '.join(self.served)}")
        return self.served[name]

    async def switch(self, name: str, version: Version) -> None:
        """Put workers with the new version in the place of the others, one by one. Raises BadModel."""
        while old := [worker for worker in self.workers if worker.held[name].version != version.version]:
            settled = [worker for worker in old if worker.state != "starting"]
            if not settled:
                await asyncio.sleep(0.01)
                continue
            try:
                await self.hire({**self.held(), name: version})
            except (ModelError, WorkerLost) as error:
                raise BadModel(f"{name}: the new version cannot be loaded: {error}") from None
            await self.leave(settled[0])
