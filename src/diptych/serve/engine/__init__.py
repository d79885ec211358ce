"""Requests wait in a bounded queue and go, alike ones together, to worker processes, which may die at any time.

A request is admitted when it can be expected to be answered in time, or refused at once. It never waits for others to
join it: whatever waits when a worker becomes free goes together. A request whose worker dies is given to another one,
by itself; one that nobody waits for any more is dropped, with the worker if that would be busy with it for long. All
state lives in the server's event loop, so that nothing here needs a lock.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace
from pathlib import Path
from typing import Any

from diptych import images
from diptych.errors import ModelError
from diptych.serve.engine import versions
from diptych.serve.engine.counters import Counters, Pace
from diptych.serve.engine.looker import Looker
from diptych.serve.engine.pool import Pool
from diptych.serve.engine.queue import Answer, Queue, Waiting
from diptych.serve.engine.versions import Version
from diptych.serve.engine.worker import WARM, Batch, Done, Fault, Outcome, Plan
from diptych.serve.engine.worker_process import Handle, Known, WorkerLost
from diptych.serve.errors import (
    BadControl,
    BadModel,
    BadPicture,
    DeadlinePassed,
    DeadlineTooShort,
    Failed,
    Gone,
    NothingBefore,
    Overloaded,
    ServeError,
    Stopping,
    TooLarge,
    UnknownModel,
)

__all__ = ["Answer", "Engine", "Served", "Status"]

DEADLINE = 30.0
"""Seconds that a client waits who does not say for how long, besides those that its picture takes."""
TOLD = 0.2
"""Seconds that a damaged file may wait for a worker to be refused; where it would take longer, it is tried before."""
SOON = 20.0
"""Seconds that any batch may take, however fast its model usually is."""
LATE = 10
"""Times as long as expected after which a worker is taken to hang."""
DIFFERENT = 0.01
"""Share of the range of values by which two answers must be apart in the mean to be told apart by eye."""
DEADLY = 3
"""Workers that a request may take with it: that one dies is chance, and that a second does while it has it alone."""

BLAMED: dict[str, type[ServeError]] = {"picture": BadPicture, "control": BadControl, "model": BadModel, "us": Failed}


@dataclass(frozen=True)
class Status:
    """How the engine is. ready: a worker lives and has its models loaded; workers: each one's process id and state."""

    ready: bool
    waiting: int
    running: int
    workers: dict[int, str]
    restarts: int
    acceleration: str


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
    limit_s: seconds that a picture may be expected to take, and after which a worker is taken to hang in any case.
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
        limit_s: float = 600.0,
        memory_mb: float | None = None,
        provenance: bool = True,
        certificate: Path | None = None,
        mark: bool = False,
    ) -> None:
        self.sources, self.place = dict(models), place
        self.room, self.limit_mp, self.limit_s = queue, limit_mp, limit_s
        threads = max(1, (os.cpu_count() or 1) // workers)
        self.plan = Plan({}, acceleration, threads, limit_mp, memory_mb, provenance, certificate, mark)
        self.served: dict[str, Served] = {}
        self.counters, self.pace, self.spread = Counters(), Pace(), dict[str, float]()
        self.pool = Pool(self.plan, workers, self.counters, held=self.held, spawned=self.learn, freed=self.dispatch)
        self.looker = Looker(self.plan, self.counters)
        self.waiting, self.looking = Queue(batch), 0
        self.stopping = False
        self.switching = asyncio.Lock()

    async def start(self) -> None:
        """Verify and copy the models, start the workers, and wait until all have loaded them. Raises ModelError."""
        for name, source in self.sources.items():
            current = await asyncio.to_thread(versions.take, name, source, self.copies(name), self.plan.acceleration)
            self.served[name] = Served(source, current)
            versions.forget(self.copies(name), {current.version})
        begun = await asyncio.gather(self.pool.start(), self.looker.pool.start(), return_exceptions=True)
        for error in begun:
            if error is not None:
                await self.stop(0)
            if isinstance(error, WorkerLost):
                said = "a worker ended while it loaded the models: is there memory enough for them?"
                raise ModelError(said) from None
            if error is not None:
                raise error

    async def stop(self, grace: float = 10.0) -> None:
        """Take no more requests, finish those that there are within `grace` seconds, and end the workers."""
        self.stopping = True
        end = time.monotonic() + grace
        while (self.waiting or self.looking or self.running) and time.monotonic() < end:
            await asyncio.sleep(0.01)
        for request in list(self.waiting):
            request.refuse(Stopping("the server is stopping: try again soon", retry_after=5))
        await asyncio.gather(self.pool.stop(), self.looker.pool.stop())

    @property
    def running(self) -> int:
        """Workers that translate."""
        return sum(worker.state == "busy" for worker in self.pool.workers)

    def status(self) -> Status:
        """How the engine is at this moment."""
        states: dict[int, str] = {one.process.pid: one.state for one in self.pool.workers if one.process.pid}
        ready = not self.stopping and self.pool.ready and self.looker.pool.ready
        return Status(ready, len(self.waiting), self.running, states, self.counters.restarts, self.plan.acceleration)

    # Requests

    async def translate(
        self,
        model: str,
        file: bytes,
        controls: Mapping[str, Any] | None = None,
        *,
        format: str | None = None,
        deadline: float | None = None,
    ) -> Answer:
        """Translate a picture file; controls as its form gives them, those of kind picture as files.

        format: of the result, as images names them; by default the file's own. deadline: seconds; by default enough
        for a picture of this size. Cancelling it takes the request back. Raises a ServeError.
        """
        try:
            request = await self.accepted(model, file, dict(controls or {}), format, deadline)
            answer = await request.future
        except asyncio.CancelledError:
            self.count(model, Gone.code)
            raise
        except ServeError as error:
            self.count(model, error.code)
            raise
        self.count(model, "ok")
        return answer

    def count(self, model: str, code: str) -> None:
        """Note a request's outcome; names that strangers make up are no models."""
        self.counters.outcomes[model if model in self.served else "", code] += 1

    def admit(self, model: str) -> None:
        """Raises UnknownModel, Stopping, or Overloaded when the queue is full, and counts it."""
        try:
            self.check_the_room(model)
        except ServeError as error:
            self.count(model, error.code)
            raise

    def check_the_room(self, model: str) -> None:
        """Raises as `admit` does."""
        self.find(model)
        if self.stopping:
            raise Stopping("the server is stopping: try again soon", retry_after=5)
        if len(self.waiting) + self.looking >= self.room + len(self.pool.idle):
            raise Overloaded(f"{self.room} requests are waiting already", retry_after=self.expected_wait())

    async def accepted(
        self, model: str, file: bytes, controls: dict[str, Any], format: str | None, deadline: float | None
    ) -> Waiting:
        """The request, in the queue. Raises a ServeError when it cannot be done, or not in time."""
        self.check_the_room(model)
        start = time.monotonic()
        self.looking += 1
        try:
            async with asyncio.timeout(deadline):
                header = await self.look(file)
        except TimeoutError:
            raise passed(deadline) from None
        finally:
            self.looking -= 1
        pixels = header.width * header.height
        deadline = deadline or DEADLINE + self.pace.likely(model, pixels)
        self.check_the_time(model, pixels, deadline)
        shape = (header.height, header.width, header.channels, header.dtype, header.alpha)
        kind = (model, format, shape, tuple(sorted(controls.items())))
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        request = Waiting(model, file, controls, format, pixels, kind, future, start, header.format)
        timer = loop.call_at(loop.time() + start + deadline - time.monotonic(), request.refuse, passed(deadline))
        future.add_done_callback(lambda _: timer.cancel())
        future.add_done_callback(lambda _: self.ended(request))
        self.waiting.add(request)
        self.dispatch()
        return request

    def check_the_time(self, model: str, pixels: int, deadline: float) -> None:
        """Raises TooLarge, DeadlineTooShort or Overloaded when the picture cannot be expected to be done in time."""
        alone, before = self.pace.expect(model, pixels), self.expected_wait()
        size = f"a picture of {pixels / 1e6:.1f} megapixels takes about {alone:.1f} seconds"
        if alone > self.limit_s:
            raise TooLarge(f"{size}, over the limit of {self.limit_s:g}: make it smaller")
        if alone > deadline:
            raise DeadlineTooShort(f"deadline = {deadline:g}: {size}: give more time, or make it smaller")
        if before and before + alone > deadline:
            late = f"with those that wait it would take about {before + alone:.1f} seconds: try again later"
            raise Overloaded(f"deadline = {deadline:g}: {late}", retry_after=before + alone)

    def expected_wait(self) -> float:
        """Seconds until a worker can be expected to have done all that waits now, and to begin something new."""
        now = time.monotonic()
        workers = self.pool.workers
        free = [max(0.0, one.until - now) if one.state in ("busy", "starting") else 0.0 for one in workers] or [0.0]
        heapify(free)
        for request in self.waiting:
            heapreplace(free, free[0] + self.pace.expect(request.model, request.pixels))
        return free[0]

    async def look(self, file: bytes) -> images.Header:
        """The header of a picture file, as a worker reads it. Raises BadPicture or TooLarge."""
        header = await self.looker.look(file, whole=self.expected_wait() > TOLD)
        megapixels = header.width * header.height * max(1.0, header.channels / 4) / 1e6
        if megapixels > self.limit_mp:
            size = f"{header.width}x{header.height}, {megapixels:.1f} megapixels"
            raise TooLarge(f"the picture is {size}, over the limit of {self.limit_mp:g}: make it smaller")
        return header

    def dispatch(self) -> None:
        """Give what waits to the workers that are idle."""
        while self.waiting and (worker := self.pool.take()):
            batch = self.waiting.take()
            if not batch:
                self.pool.give_back(worker)
                return
            worker.batch = batch
            worker.until = time.monotonic() + self.expected(batch)
            self.pool.background(self.carry_out(worker, batch))

    def expected(self, batch: list[Waiting]) -> float:
        """Seconds that a batch can be expected to take."""
        return sum(self.pace.expect(request.model, request.pixels) for request in batch)

    def ended(self, request: Waiting) -> None:
        """Nobody waits for this request any more: it leaves the queue, or the worker that has it if it has no other."""
        if self.waiting.drop(request):
            return
        for worker in self.pool.workers:
            if request in worker.batch and all(one.future.done() for one in worker.batch):
                # A worker that will be free before another could be in its place is let be, for as long as that takes.
                soon = worker.until - time.monotonic() < self.pool.startup
                asyncio.get_running_loop().call_later(
                    self.pool.startup if soon else 0, self.preempt, worker, worker.batch
                )

    def preempt(self, worker: Handle, batch: Sequence[Waiting]) -> None:
        """End a worker that still works on what nobody waits for."""
        if worker.batch is batch and worker.state == "busy":
            self.pool.kill(worker, "working for nobody")

    def limit(self, batch: list[Waiting]) -> float:
        """Seconds after which a worker is taken to hang: many times what is usual, where that is known."""
        known = all(self.pace.knows(request.model, request.pixels) for request in batch)
        if not known or self.plan.memory_mb:  # or it may first have to load the model again
            return self.limit_s
        return min(self.limit_s, max(SOON, LATE * self.expected(batch)))

    async def carry_out(self, worker: Handle, batch: list[Waiting]) -> None:
        """Have a worker translate a batch, and answer its requests; if it dies, let another one try."""
        first, start = batch[0], time.monotonic()
        version = worker.held[first.model].version
        order = Batch(first.model, [request.file for request in batch], first.controls, first.format)
        try:
            async with asyncio.timeout(self.limit(batch)):
                outcomes = await worker.translate(order)
        except (WorkerLost, TimeoutError) as error:
            if isinstance(error, TimeoutError):
                self.pool.kill(worker, "late")
            if worker.state == "leaving":
                await worker.end(0)
            self.retry(batch)
            return
        took = time.monotonic() - start
        if done := sum(isinstance(outcome, Done) for outcome in outcomes):
            self.pace.note(first.model, first.pixels, took / done)
        self.counters.batches[len(batch)] += 1
        worker.batch = ()
        for request, outcome in zip(batch, outcomes, strict=True):
            self.answer(request, outcome, version, start - request.since)
        await self.pool.free(worker)

    def answer(self, request: Waiting, outcome: Outcome, version: str, queued: float) -> None:
        if isinstance(outcome, Fault):
            request.refuse(BLAMED[outcome.blame](outcome.message))
        elif not request.future.done():
            seconds = {"queued": queued, **outcome.seconds}
            for stage, time_taken in seconds.items():
                self.counters.seconds[request.model, stage].add(time_taken)
            made = outcome.data, outcome.format, version, outcome.notes, seconds
            request.future.set_result(Answer(*made, request.came_as))

    def retry(self, batch: list[Waiting]) -> None:
        """Put the requests of a worker that died first in the queue, each by itself, but for one that is the cause."""
        for request in reversed(batch):
            request.deaths += 1
            if request.deaths == DEADLY:
                request.refuse(BadPicture(f"{DEADLY} workers ended over the picture: it is not tried again"))
            elif not request.future.done():
                self.counters.retries += 1
                self.waiting.put_back(request)
        self.dispatch()

    def held(self) -> dict[str, Version]:
        """The versions in use."""
        return {name: served.current for name, served in self.served.items()}

    def learn(self, known: Known) -> None:
        """A worker has tried its models on small pictures."""
        self.spread |= known.spread
        for name, seconds in known.pace.items():
            if not self.pace.known.get(name):
                self.pace.note(name, WARM * WARM, seconds)

    def answers_differ(self, name: str) -> bool:
        """Whether a model's answers to one picture can be told apart, or nothing is known of it."""
        return self.spread.get(name, 1.0) >= DIFFERENT

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
        """Put workers with the new version in the place of the others. Raises BadModel."""
        try:
            await self.pool.switch({**self.held(), name: version}, name)
        except (ModelError, WorkerLost) as error:
            raise BadModel(f"{name}: the new version cannot be loaded: {error}") from None


def passed(deadline: float | None) -> DeadlinePassed:
    late = "the picture was not translated within these seconds: give more, or try again later"
    return DeadlinePassed(f"deadline = {deadline:g}: {late}")
