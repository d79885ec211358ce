"""Many pictures translated one after another, whatever happens to the server meanwhile.

The pictures of a job are files in its folder, results appear there whole or not at all under names that follow from
their numbers, and the store says what is done. So a server that is killed goes on where it was: an item that had its
result but no entry yet is made again, in the same place. A job that meets a full disk or a store that does not answer
waits, says so, and goes on later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import IO, Any

from diptych.errors import DiptychError, StorageError
from diptych.images import SUFFIX_OF
from diptych.images.listing import counted
from diptych.serve.archive import zipped
from diptych.serve.engine import Answer, Engine
from diptych.serve.errors import BadPicture, NotFound, Overloaded, ServeError, StorageAway, StorageFull
from diptych.serve.keeping import Keeper
from diptych.serve.store import Item, Job, Store, new_id
from diptych.serve.uploads import ITEMS, pictures_in, safe_name, too_many
from diptych.storage.files import write_bytes

PATIENCE = 24 * 3600.0
"""Seconds that an item of a job may wait for its turn."""
PAUSE, LONGEST_PAUSE = 2.0, 60.0
"""Seconds until a job that could not go on tries again: at first, and at most, twice as long each time."""
SHOWN = 100
"""Jobs in a list of them."""
ENDED = ("done", "cancelled")


class Jobs:
    """Takes jobs and carries them out, oldest first.

    largest, unpacked: bytes that one picture and all pictures of a job may have, zips unpacked. together: items at
    once, which is what lets workers share batches.
    """

    def __init__(
        self, engine: Engine, store: Store, keeper: Keeper, *, largest: int, unpacked: int, together: int = 8
    ) -> None:
        self.engine, self.store, self.keeper, self.together = engine, store, keeper, together
        self.largest, self.unpacked = largest, unpacked
        self.place = store.place / "jobs"
        self.wake = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.task: asyncio.Task[None] | None = None
        self.current: tuple[str, asyncio.Task[None]] | None = None
        self.troubles: dict[str, str] = {}

    def start(self) -> None:
        """Go on with what there is to do."""
        self.loop = asyncio.get_running_loop()
        self.task = self.loop.create_task(self.run())

    async def stop(self) -> None:
        """Leave everything as it is, for the next start."""
        if self.task:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    # Taking jobs

    def add(
        self,
        model: str,
        controls: dict[str, Any],
        format: str | None,
        uploads: list[tuple[str, IO[bytes]]],
        seeds: list[int | None],
    ) -> str:
        """Store a job: files, or zips of files, each with every seed. Its id.

        Raises BadPicture, TooLarge or StorageFull.
        """
        job, left_out = new_id(), list[str]()
        folder = self.place / job
        try:
            kept = {name: self.keep(folder, f"control-{name}", value) for name, value in controls.items()}
            names = self.unpack(folder, uploads, left_out)
            items = [
                Item(job=job, number=number * len(seeds) + turn, picture=number, name=name, seed=seed, state="waiting")
                for number, name in enumerate(names)
                for turn, seed in enumerate(seeds)
            ]
            self.store.add_job(job, model, kept, format, items, counted(left_out))
        except BaseException:
            self.keeper.remove("jobs", [job])
            raise
        return job

    def keep(self, folder: Path, name: str, value: Any) -> Any:
        """A control as the store can hold it: a picture becomes a file."""
        if not isinstance(value, bytes):
            return value
        self.write(folder / name, value)
        return {"file": name}

    def write(self, path: Path, data: bytes, *, durable: bool = True) -> None:
        """Write a file of a job's, if there is room for it. Raises StorageFull, StorageError."""
        self.keeper.take(len(data))
        write_bytes(path, data, durable=durable)

    def unpack(self, folder: Path, uploads: list[tuple[str, IO[bytes]]], left_out: list[str]) -> list[str]:
        """Write the pictures to files called by their numbers; the names that clients gave them."""
        names: list[str] = []
        room = self.unpacked
        for name, file in uploads:
            for inner, data in pictures_in(name, file, largest=self.largest, room=room, left_out=left_out):
                room -= len(data)
                if len(names) == ITEMS or room < 0:
                    raise too_many(self.unpacked)
                self.write(folder / f"input-{len(names)}", data, durable=False)
                names.append(safe_name(inner))
        if not names:
            besides = f": there are {counted(left_out)}" if left_out else ""
            raise BadPicture(f"there is no picture{besides}: send files, or a zip that holds some")
        return names

    # Carrying them out

    async def run(self) -> None:
        """Carry out what there is, oldest first; what cannot go on waits, and lets nothing else wait."""
        pauses: dict[str, tuple[float, float]] = {}  # of jobs in trouble: when to try again, and the pause after that
        while True:
            self.wake.clear()
            try:
                todo = await asyncio.to_thread(self.store.jobs, ["running", "waiting"])
            except ServeError:  # said by the store itself
                await asyncio.sleep(PAUSE)
                continue
            for job in todo:
                again, pause = pauses.get(job.id, (0.0, PAUSE))
                if time.monotonic() < again:
                    continue
                if await self.went_well(job):
                    pauses.pop(job.id, None)
                else:
                    pauses[job.id] = time.monotonic() + pause, min(LONGEST_PAUSE, 2 * pause)
            pauses = {job: pause for job, pause in pauses.items() if job in self.troubles}
            soonest = min((again for again, _ in pauses.values()), default=None)
            try:
                async with asyncio.timeout(soonest and max(0.01, soonest - time.monotonic())):
                    await self.wake.wait()
            except TimeoutError:
                pass

    async def went_well(self, job: Job) -> bool:
        """Carry a job out; whether it came to its end, or was cancelled."""
        task = asyncio.create_task(self.carry_out(job))
        self.current = job.id, task
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:  # the server stops
            task.cancel()
            await asyncio.wait({task})
            raise
        finally:
            self.current = None
        error = None if task.cancelled() else task.exception()
        if error is None:
            self.troubles.pop(job.id, None)
            return True
        self.troubles[job.id] = in_words(error)
        logging.error("job %s: %s", job.id, self.troubles[job.id], exc_info=None if expected(error) else error)
        return False

    async def carry_out(self, job: Job) -> None:
        if not await asyncio.to_thread(self.store.set_job, job.id, "running", unless="cancelled"):
            return
        items = await asyncio.to_thread(self.store.items, job.id, "waiting")
        turn = iter(items)
        async with asyncio.TaskGroup() as group:  # where one of them cannot go on, the others are cancelled
            for _ in range(self.together):
                group.create_task(self.take_turns(job, turn))
        await asyncio.to_thread(self.store.set_job, job.id, "done", unless="cancelled")

    async def take_turns(self, job: Job, items: Iterator[Item]) -> None:
        for item in items:
            await self.translate(job, item)

    async def translate(self, job: Job, item: Item) -> None:
        """Translate one item and write its result, or what is wrong with it. Raises StorageError, StorageAway."""
        folder = self.place / job.id
        try:
            answer = await self.answer(job, item, folder)
        except (StorageAway, StorageFull):
            raise
        except ServeError as error:
            await finished(self.store.settle_item, job.id, item.number, fault=str(error))
            return
        except OSError as error:
            fault = f"the picture's file could not be read again: {error.strerror}"
            await finished(self.store.settle_item, job.id, item.number, fault=fault)
            return
        result = f"result-{item.number}{SUFFIX_OF[answer.format]}"
        await finished(self.write, folder / result, answer.data)
        await finished(self.store.settle_item, job.id, item.number, result=result)

    async def answer(self, job: Job, item: Item, folder: Path) -> Answer:
        file = await asyncio.to_thread((folder / f"input-{item.picture}").read_bytes)
        controls = {
            name: (folder / value["file"]).read_bytes() if isinstance(value, dict) else value
            for name, value in job.controls.items()
        }
        if item.seed is not None:
            seed = self.engine.find(job.model).current.seed
            controls |= {seed.name: item.seed} if seed else {}
        while True:
            try:
                return await self.engine.translate(job.model, file, controls, format=job.format, deadline=PATIENCE)
            except Overloaded as error:
                await asyncio.sleep(min(5.0, error.retry_after or 1.0))

    # Asking about them

    def find(self, job: str) -> Job:
        """Raises NotFound."""
        found = self.store.job(job)
        if found is None:
            raise NotFound(f"there is no job {job[:40]!r}")
        return found

    def latest(self) -> list[dict[str, Any]]:
        """The latest jobs in short, newest first."""
        return [
            {**self.brief(job), **self.counts(job.id), "seconds": round(seconds_of(job), 3)}
            for job in self.store.latest_jobs(SHOWN)
        ]

    def cancel(self, job: str) -> Job:
        """Stop a job; what is done stays. May be called from any thread."""
        self.find(job)
        self.store.set_job(job, "cancelled", unless="done")
        assert self.loop is not None, "jobs have not been started"
        self.loop.call_soon_threadsafe(self.interrupt, job)
        return self.find(job)

    def interrupt(self, job: str) -> None:
        """Take back what a job has in the queue."""
        self.troubles.pop(job, None)
        if self.current and self.current[0] == job:
            self.current[1].cancel()

    async def delete(self, job: str) -> dict[str, Any]:
        """Stop a job and delete its files; that it was there is still known for a while."""
        await asyncio.to_thread(self.cancel, job)
        if self.current and self.current[0] == job:
            await asyncio.wait({self.current[1]})  # or what it still writes would stay
        await asyncio.to_thread(self.keeper.remove, "jobs", [job])
        await asyncio.to_thread(self.store.forget_results, job)
        return await asyncio.to_thread(self.report, job)

    def brief(self, job: Job) -> dict[str, Any]:
        """A job in a few words. trouble: why it cannot go on at the moment, if that is so."""
        trouble = self.troubles.get(job.id)
        state = "waiting" if trouble else job.state
        return {"id": job.id, "model": job.model, "state": state, "trouble": trouble, "created": job.created}

    def counts(self, job: str) -> dict[str, int]:
        """How many of a job's items there are, and in which state."""
        counts = {"waiting": 0, "done": 0, "failed": 0, **self.store.counts(job)}
        return {"total": sum(counts.values()), **counts}

    def report(self, job: str) -> dict[str, Any]:
        """How far a job is, and its items."""
        found, items, counts = self.find(job), self.store.items(job), self.counts(job)
        ready, seconds = counts["done"] + counts["failed"], seconds_of(found)
        left = seconds / ready * counts["waiting"] if ready and found.state == "running" else None
        return {
            **self.brief(found),
            **counts,
            "seconds": round(seconds, 3),
            "seconds_left": None if left is None else round(left, 1),
            "left_out": self.store.left_out(job),
            "items": [
                {"number": i.number, "name": i.name, "seed": i.seed, "state": i.state, "fault": i.fault} for i in items
            ],
        }

    def result(self, job: str, number: int) -> Path:
        """The file of one result. Raises NotFound."""
        self.find(job)
        items = self.store.items(job)
        item = next((item for item in items if item.number == number), None)
        if item is None:
            raise NotFound(f"the job has no item {number}: they are numbered from 0 to {len(items) - 1}")
        if not item.result:
            states = {"failed": f"failed: {item.fault}", "done": "was deleted"}
            raise NotFound(f"item {number} {states.get(item.state, 'has no result yet: ask again later')}")
        return self.place / job / item.result

    def results(self, job: str) -> Generator[bytes, None, None]:
        """A zip of all results that there are, under the names of their pictures, in pieces. Raises NotFound."""
        self.find(job)
        items = [item for item in self.store.items(job, "done") if item.result]
        if not items and self.store.items(job, "done"):
            raise NotFound("the results of this job were deleted")
        return zipped(items, self.place / job)


async def finished(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What a function gives in a thread, which has ended in any case: also where whoever waits for it is cancelled."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *arguments, **named))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work})
        raise


def seconds_of(job: Job) -> float:
    """How long a job has taken so far, or took."""
    return (job.finished or time.time()) - job.created


def causes(error: BaseException) -> list[BaseException]:
    """An error, or those that happened together."""
    return (
        [one for inner in error.exceptions for one in causes(inner)]
        if isinstance(error, BaseExceptionGroup)
        else [error]
    )


def expected(error: BaseException) -> bool:
    return all(isinstance(one, DiptychError) for one in causes(error))


def in_words(error: BaseException) -> str:
    """Why a job cannot go on, for its owner: nothing of the server's folders."""
    first = causes(error)[0]
    if isinstance(first, ServeError):
        return str(first)
    if isinstance(first, StorageError):
        return "its results cannot be written: the server tries again"
    return "a fault of the server's: it tries again"
