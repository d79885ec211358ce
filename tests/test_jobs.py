"""Jobs: what is kept and for how long, and what becomes of them when the disk or the store fails."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
from models import model, picture
from pictures import archive
from sqlalchemy import event

from diptych.errors import ConfigError, StorageError
from diptych.serve import jobs as jobs_module
from diptych.serve.api.app import build_app
from diptych.serve.api.middleware import Rules
from diptych.serve.engine import Answer
from diptych.serve.errors import StorageAway, StorageFull
from diptych.serve.jobs import Jobs
from diptych.serve.keeping import Keeper, Limits, read_duration, read_size
from diptych.serve.store import Past, Store


class Fake:
    """An engine that answers at once, or never."""

    def __init__(self, *, never: bool = False) -> None:
        self.never, self.asked, self.cancelled = never, 0, 0

    async def translate(self, *_: Any, **__: Any) -> Answer:
        self.asked += 1
        try:
            await asyncio.sleep(3600 if self.never else 0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Answer(b"result", "PNG", "1", (), {}, "PNG")


@asynccontextmanager
async def at_work(place: Path, engine: Fake, limits: Limits | None = None) -> AsyncIterator[Jobs]:
    store = Store(place)
    jobs = Jobs(engine, store, Keeper(store, limits or Limits()), largest=10**6, unpacked=10**7)  # type: ignore[arg-type]
    jobs.start()
    yield jobs
    await jobs.stop()
    store.close()


def uploads(count: int) -> list[tuple[str, IO[bytes]]]:
    return [(f"{n}.png", io.BytesIO(b"picture")) for n in range(count)]


async def until(jobs: Jobs, job: str, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while not what(report := jobs.report(job)):
            await asyncio.sleep(0.01)
    return report


@pytest.mark.parametrize("fault", ["write", "settle", "disk"])
def test_a_job_that_a_fault_stops_says_so_and_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(jobs_module, "PAUSE", 0.2)
    broken = True

    def write(path: Path, data: bytes, *, durable: bool = True) -> None:
        if broken and path.name.startswith("result-20"):
            raise StorageError(f"{path} could not be written: no space") from OSError(errno.ENOSPC, "no space")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    async def check() -> None:
        nonlocal broken
        disk = 40 * 7 + 50 if fault == "disk" else 10**9
        async with at_work(tmp_path, Fake(), Limits(disk=disk)) as jobs:
            if fault == "write":
                monkeypatch.setattr(jobs_module, "write_bytes", write)
            settle = jobs.store.settle_item

            def settling(job: str, number: int, **named: Any) -> None:
                if broken and fault == "settle" and number == 20:
                    raise StorageAway("the server's store does not answer")
                settle(job, number, **named)

            monkeypatch.setattr(jobs.store, "settle_item", settling)
            job = jobs.add("m", {}, None, uploads(40), [None])
            jobs.wake.set()
            report = await until(jobs, job, lambda report: report["trouble"] is not None)
            assert (report["state"], report["done"] < 40) == ("waiting", True)
            assert str(tmp_path) not in report["trouble"]
            other = None if fault == "disk" else jobs.add("m", {}, None, uploads(2), [None])
            jobs.wake.set()
            if other:  # nobody else waits for it
                await until(jobs, other, lambda report: report["state"] == "done")
            broken = False
            jobs.keeper.limits = Limits()
            report = await until(jobs, job, lambda report: report["state"] == "done")
            assert (report["done"], report["trouble"]) == (40, None)

    asyncio.run(check())


@pytest.mark.parametrize("way", ["cancel", "delete"])
def test_what_a_cancelled_job_has_in_the_queue_is_taken_back(tmp_path: Path, way: str) -> None:
    async def check() -> None:
        engine = Fake(never=True)
        async with at_work(tmp_path, engine) as jobs:
            job = jobs.add("m", {}, None, uploads(20), [None])
            jobs.wake.set()
            while engine.asked < 8:
                await asyncio.sleep(0.01)
            if way == "cancel":
                await asyncio.to_thread(jobs.cancel, job)
            else:
                await jobs.delete(job)
            async with asyncio.timeout(10):
                while engine.cancelled < 8:
                    await asyncio.sleep(0.01)
            assert (engine.asked, jobs.report(job)["state"]) == (8, "cancelled")
            assert (tmp_path / "jobs" / job).exists() == (way == "cancel")

    asyncio.run(check())


def test_jobs_are_listed_newest_first(tmp_path: Path) -> None:
    async def check() -> None:
        async with at_work(tmp_path, Fake()) as jobs:
            assert jobs.latest() == []
            made = [jobs.add("m", {}, None, uploads(n + 1), [None]) for n in range(3)]
            jobs.wake.set()
            await until(jobs, made[-1], lambda report: report["state"] == "done")
            assert [job["id"] for job in jobs.latest()] == made[::-1]
            assert [job["total"] for job in jobs.latest()] == [3, 2, 1]
            assert "items" not in jobs.latest()[0]

    asyncio.run(check())


# Room and time


def test_the_disk_has_a_limit_and_what_is_deleted_is_free_again(tmp_path: Path) -> None:
    async def check() -> None:
        async with at_work(tmp_path, Fake(), Limits(disk=100)) as jobs:
            job = jobs.add("m", {}, None, uploads(10), [None])
            assert jobs.keeper.used == 70
            with pytest.raises(StorageFull, match="keeps no more"):
                jobs.add("m", {}, None, uploads(10), [None])
            assert [path.name for path in (tmp_path / "jobs").iterdir()] == [job]
            assert jobs.keeper.used == 70
            await jobs.delete(job)
            assert (jobs.keeper.used, list((tmp_path / "jobs").iterdir())) == (0, [])
            jobs.keeper.clean()
            assert jobs.keeper.used == 0

    asyncio.run(check())


def test_what_is_old_is_deleted_and_so_is_what_a_killed_server_left(tmp_path: Path) -> None:
    async def check() -> None:
        async with at_work(tmp_path, Fake(), Limits(keep=100)) as jobs:
            old, new = (jobs.add("m", {}, None, uploads(1), [None]) for _ in range(2))
            jobs.wake.set()
            for job in (old, new):
                await until(jobs, job, lambda report: report["state"] == "done")
            with sqlite3.connect(tmp_path / "diptych.sqlite") as database:
                database.execute(
                    "update jobs set created = created - 200, finished = finished - 200 where id = ?", [old]
                )
            for name in ("history/one/source.png", "history/two/source.png", "jobs/orphan/input-0"):
                (tmp_path / name).parent.mkdir(parents=True)
                (tmp_path / name).write_bytes(b"x")
            for name, age in (("one", 200), ("two", 0)):
                then = time.time() - age
                past = Past(id=name, created=then, model="m", version="", controls={}, source="", result="")
                jobs.store.add(past)
            os.utime(tmp_path / "jobs" / "orphan", (0, 0))
            (tmp_path / "results-x.zip").write_bytes(b"left over")
            jobs.keeper.clean()
            assert [path.name for path in (tmp_path / "jobs").iterdir()] == [new]
            assert [path.name for path in (tmp_path / "history").iterdir()] == ["two"]
            assert [job["id"] for job in jobs.latest()] == [new]
            assert not list(tmp_path.glob("*.zip"))

    asyncio.run(check())


def test_files_that_are_gone_when_they_are_looked_at_do_not_stop_the_cleaning(tmp_path: Path) -> None:
    async def check() -> None:
        async with at_work(tmp_path, Fake(), Limits(keep=100)) as jobs:
            old = jobs.add("m", {}, None, uploads(1), [None])
            (tmp_path / "history").mkdir()
            for gone in ("history/one.zip", "jobs/one"):
                (tmp_path / gone).symlink_to(tmp_path / "gone")  # to be listed and have no date, without a race
            (tmp_path / "history" / "two.zip").write_bytes(b"left over")
            os.utime(tmp_path / "history" / "two.zip", (0, 0))
            jobs.keeper.clean()
            assert old in {path.name for path in (tmp_path / "jobs").iterdir()}
            assert not list((tmp_path / "history").iterdir()), "of a server from before"

    asyncio.run(check())


def test_durations_and_sizes_are_read_as_people_write_them() -> None:
    assert (read_duration("--keep", "7d"), read_duration("--keep", "30m")) == (604_800, 1800)
    assert (read_size("--disk", "10GB"), read_size("--disk", "1.5 mb")) == (10**10, 1_500_000)
    for wrong in ("", "7", "-1d", "0d", "nan", "7 years", "1e9d"):
        with pytest.raises(ConfigError, match="--keep"):
            read_duration("--keep", wrong)
        with pytest.raises(ConfigError, match="--disk"):
            read_size("--disk", wrong)


# What the interface says


@asynccontextmanager
async def interface(place: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Store]]:
    store = Store(place)
    app = build_app(engine_of(place), store, Rules())
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://localhost", timeout=60
        ) as client,
    ):
        yield client, store


def engine_of(place: Path) -> Any:
    from diptych.serve.engine import Engine, Served
    from diptych.serve.engine.versions import opened

    engine = Engine({}, place=place)
    folder = model(place / "houses")
    engine.served["houses"] = Served(folder, opened("houses", folder, "plain"))
    engine.translate = Fake(never=True).translate  # type: ignore[method-assign]
    return engine


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("full", (507, "storage_full")),
        ("locked", (503, "storage_away")),
        ("removed", (503, "storage_away")),
        ("no space", (507, "storage_full")),
        ("read-only", (503, "storage_away")),
    ],
)
def test_a_store_or_disk_that_fails_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, expected: tuple[int, str]
) -> None:
    def unwritable(path: Path, *_: Any, **__: Any) -> None:
        number = errno.ENOSPC if fault == "no space" else errno.EROFS
        raise StorageError(f"{path} could not be written") from OSError(number, "why")

    async def check() -> None:
        async with interface(tmp_path / "server") as (client, store):
            if fault == "removed":
                assert store.whole
                (tmp_path / "server" / "diptych.sqlite").rename(tmp_path / "elsewhere")
            elif fault == "locked":
                other = sqlite3.connect(tmp_path / "server" / "diptych.sqlite")
                other.execute("begin exclusive")
                with store.engine.connect() as connection:
                    connection.exec_driver_sql("PRAGMA busy_timeout=100")
            elif fault == "full":
                store.engine.dispose()
                event.listen(store.engine, "connect", lambda made, _: made.execute("PRAGMA max_page_count=1"))
            else:
                monkeypatch.setattr(jobs_module, "write_bytes", unwritable)
            files = [("images", (f"{n}.png", picture())) for n in range(300 if fault == "full" else 1)]
            answer = await client.post("/v1/jobs", files=files, data={"model": "houses"})
            said = answer.json()["error"]
            assert (answer.status_code, said["code"]) == expected
            assert str(tmp_path) not in said["message"]
            if fault == "removed":
                assert (await client.get("/readyz")).status_code == 503
            if fault == "locked":
                other.close()

    asyncio.run(check())


def test_jobs_are_listed_cancelled_and_deleted_over_the_interface(tmp_path: Path) -> None:
    async def check() -> None:
        async with interface(tmp_path / "server") as (client, _):
            zipped = archive(("a.png", picture()), ("b.psd", b"x"))
            made = (await client.post("/v1/jobs", files={"images": zipped}, data={"model": "houses"})).json()
            assert made["left_out"] == "1 .psd"
            assert [job["id"] for job in (await client.get("/v1/jobs")).json()] == [made["id"]]
            stopped = (await client.post(f"/v1/jobs/{made['id']}/cancel")).json()
            assert stopped["state"] == "cancelled"
            assert (tmp_path / "server" / "jobs" / made["id"]).exists()
            assert (await client.delete(f"/v1/jobs/{made['id']}")).json()["state"] == "cancelled"
            assert not (tmp_path / "server" / "jobs" / made["id"]).exists()
            assert (await client.delete("/v1/jobs/none")).status_code == 404

    asyncio.run(check())
