"""Many pictures translated one after another, whatever happens to the server meanwhile.

The pictures of a job are files in its folder, results appear there whole or not at all under names that follow from
their numbers, and the store says what is done. So a server that is killed goes on where it was: an item that had its
result but no entry yet is made again, in the same place.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import stat
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from diptych.errors import StorageError
from diptych.files import write_bytes
from diptych.images import SUFFIX_OF, SUFFIXES
from diptych.serve.engine import Answer, Engine
from diptych.serve.errors import BadPicture, NotFound, Overloaded, ServeError, TooLarge
from diptych.serve.store import Item, Job, Store, new_id

ITEMS = 10_000
"""Pictures in a job at most."""
PATIENCE = 24 * 3600.0
"""Seconds that an item of a job may wait for its turn."""


class Jobs:
    """Takes jobs and carries them out, oldest first.

    largest, unpacked: bytes that one picture and all pictures of a job may have, zips unpacked. together: items at
    once, which is what lets workers share batches.
    """

    def __init__(self, engine: Engine, store: Store, *, largest: int, unpacked: int, together: int = 8) -> None:
        self.engine, self.store, self.together = engine, store, together
        self.largest, self.unpacked = largest, unpacked
        self.place = store.place / "jobs"
        self.wake = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Go on with what there is to do."""
        self.task = asyncio.get_running_loop().create_task(self.run())

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
        """Store a job: files, or zips of files, each with every seed. Its id. Raises BadPicture or TooLarge."""
        job = new_id()
        folder = self.place / job
        try:
            kept = {name: self.keep(folder, f"control-{name}", value) for name, value in controls.items()}
            names = self.unpack(folder, uploads)
            items = [
                Item(job=job, number=number * len(seeds) + turn, picture=number, name=name, seed=seed, state="waiting")
                for number, name in enumerate(names)
                for turn, seed in enumerate(seeds)
            ]
            self.store.add_job(job, model, kept, format, items)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return job

    def keep(self, folder: Path, name: str, value: Any) -> Any:
        """A control as the store can hold it: a picture becomes a file."""
        if not isinstance(value, bytes):
            return value
        write_bytes(folder / name, value)
        return {"file": name}

    def unpack(self, folder: Path, uploads: list[tuple[str, IO[bytes]]]) -> list[str]:
        """Write the pictures to files called by their numbers; the names that clients gave them."""
        names: list[str] = []
        left = self.unpacked
        for name, file in uploads:
            for inner, data in opened_zip(file, self.largest) if is_zip(file) else [(name, file.read())]:
                left -= len(data)
                if len(names) == ITEMS or left < 0:
                    raise TooLarge(
                        f"a job has {ITEMS:,} pictures of {self.unpacked:,} bytes in all at most: make several"
                    )
                write_bytes(folder / f"input-{len(names)}", data, durable=False)
                names.append(safe_name(inner))
        if not names:
            raise BadPicture("there is no picture: send files, or a zip that holds some")
        return names

    # Carrying them out

    async def run(self) -> None:
        while True:
            self.wake.clear()
            for job in await asyncio.to_thread(self.store.jobs, ["running", "waiting"]):
                try:
                    await self.carry_out(job)
                except Exception as error:  # a full disk, a database that is gone: the other jobs go on
                    logging.error("job %s: %s", job.id, error, exc_info=not isinstance(error, StorageError))
                    await asyncio.sleep(5)
            await self.wake.wait()

    async def carry_out(self, job: Job) -> None:
        if not await asyncio.to_thread(self.store.set_job, job.id, "running", unless="cancelled"):
            return
        items = await asyncio.to_thread(self.store.items, job.id, "waiting")
        turn = iter(items)
        await asyncio.gather(*(self.take_turns(job, turn) for _ in range(self.together)))
        await asyncio.to_thread(self.store.set_job, job.id, "done", unless="cancelled")

    async def take_turns(self, job: Job, items: Iterator[Item]) -> None:
        for item in items:
            current = await asyncio.to_thread(self.store.job, job.id)
            if current is None or current.state == "cancelled":
                return
            await self.translate(job, item)

    async def translate(self, job: Job, item: Item) -> None:
        """Translate one item and write its result, or what is wrong with it."""
        folder = self.place / job.id
        try:
            answer = await self.answer(job, item, folder)
        except (ServeError, OSError) as error:
            await asyncio.to_thread(self.store.settle_item, job.id, item.number, fault=str(error))
            return
        result = f"result-{item.number}{SUFFIX_OF[answer.format]}"
        await asyncio.to_thread(write_bytes, folder / result, answer.data)
        await asyncio.to_thread(self.store.settle_item, job.id, item.number, result=result)

    async def answer(self, job: Job, item: Item, folder: Path) -> Answer:
        file = await asyncio.to_thread((folder / f"input-{item.picture}").read_bytes)
        controls = {
            name: (folder / value["file"]).read_bytes() if isinstance(value, dict) else value
            for name, value in job.controls.items()
        }
        if item.seed is not None:
            controls["seed"] = item.seed
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

    def cancel(self, job: str) -> Job:
        """Stop a job; what is done stays."""
        self.find(job)
        self.store.set_job(job, "cancelled", unless="done")
        return self.find(job)

    def report(self, job: str) -> dict[str, Any]:
        """How far a job is, and its items."""
        found, items = self.find(job), self.store.items(job)
        counts = {state: sum(item.state == state for item in items) for state in ("waiting", "done", "failed")}
        ready = counts["done"] + counts["failed"]
        seconds = (found.finished or time.time()) - found.created
        left = seconds / ready * counts["waiting"] if ready and found.state == "running" else None
        return {
            "id": found.id,
            "model": found.model,
            "state": found.state,
            "total": len(items),
            **counts,
            "seconds": round(seconds, 3),
            "seconds_left": None if left is None else round(left, 1),
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
            state = f"failed: {item.fault}" if item.state == "failed" else "has no result yet: ask again later"
            raise NotFound(f"item {number} {state}")
        return self.place / job / item.result

    def results(self, job: str, place: Path) -> Path:
        """A zip of all results that there are, under the names of their pictures."""
        self.find(job)
        with zipfile.ZipFile(place, "w", zipfile.ZIP_STORED) as archive:
            taken: set[str] = set()
            for item in self.store.items(job, "done"):
                if item.result:
                    archive.write(self.place / job / item.result, free_name(item, taken))
        return place


def free_name(item: Item, taken: set[str]) -> str:
    """The name of a result in a zip: the picture's, with the result's suffix, and a number where it is taken."""
    path = PurePosixPath(item.name)
    suffix = PurePosixPath(item.result or "").suffix
    stem = f"{path.stem}-{item.seed}" if item.seed is not None else path.stem
    name, turn = str(path.with_name(stem + suffix)), 1
    while name in taken:
        turn += 1
        name = str(path.with_name(f"{stem} ({turn}){suffix}"))
    taken.add(name)
    return name


def safe_name(name: str) -> str:
    """A client's name for a picture without anything that leads elsewhere."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    clean = ["".join(c for c in part if c.isprintable() and c not in ':*?"<>|')[:100].strip() for part in parts[-8:]]
    return "/".join(part for part in clean if part) or "picture"


def is_zip(file: IO[bytes]) -> bool:
    start = file.read(4)
    file.seek(0)
    return start == b"PK\x03\x04" or start == b"PK\x05\x06"


def opened_zip(file: IO[bytes], largest: int) -> Iterator[tuple[str, bytes]]:
    """The pictures in a zip: names and bytes. Raises BadPicture for one that is damaged, TooLarge for a bomb."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [entry for entry in archive.infolist() if is_picture(entry)]
            for entry in entries:
                if entry.file_size > largest:
                    name = safe_name(entry.filename)
                    raise TooLarge(
                        f"{name} in the zip has more than {largest:,} bytes: leave it out, or make it smaller"
                    )
            for entry in entries:
                with archive.open(entry) as inner:
                    data = inner.read(entry.file_size + 1)  # zipfile stops at what the entry says it is
                yield entry.filename, data
    except ServeError:
        raise
    except Exception as error:  # BadZipFile, zlib.error, RuntimeError for a password, and what else it finds
        raise BadPicture(f"the zip is damaged, or locked by a password: {error}") from None


def is_picture(entry: zipfile.ZipInfo) -> bool:
    """Whether an entry is a plain file called like a picture: links and what other systems add are left out."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    path = PurePosixPath(safe_name(entry.filename))
    hidden = path.name.startswith(".") or path.parts[:1] == ("__MACOSX",)
    return not entry.is_dir() and kind in (0, stat.S_IFREG) and path.suffix.lower() in SUFFIXES and not hidden
