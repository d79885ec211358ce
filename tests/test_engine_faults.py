"""What a request costs that nobody waits for, or that cannot be done in time: nothing that others would wait for."""

from __future__ import annotations

import ast
import asyncio
import os
import pickle
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from models import model, picture
from test_engine import running

from diptych import images
from diptych.errors import ModelError
from diptych.serve.api.app import build_app
from diptych.serve.api.middleware import Rules
from diptych.serve.engine import Engine, pool, worker_process
from diptych.serve.engine.counters import Pace
from diptych.serve.engine.messages import LENGTH, packed, received
from diptych.serve.errors import BadPicture, DeadlinePassed, DeadlineTooShort, TooLarge
from diptych.serve.store import Store

LARGE = images.encode(np.zeros((3000, 3000, 1), np.uint8), "PNG")
"""A file of a few bytes that makes a lot of work."""


@asynccontextmanager
async def stopped_in_work(tmp_path: Path, **options: Any) -> AsyncIterator[tuple[Engine, asyncio.Task[Any]]]:
    """An engine whose one worker has stopped while it had a request."""
    async with running(tmp_path, **options) as engine:
        (pid,) = engine.status().workers
        os.kill(pid, signal.SIGSTOP)
        first = asyncio.create_task(engine.translate("pix2pix", picture(0), deadline=3600))
        while not engine.running:
            await asyncio.sleep(0.01)
        yield engine, first
        first.cancel()


@pytest.mark.parametrize("end", ["the deadline passes", "the client goes away"])
def test_a_request_that_nobody_waits_for_leaves_the_queue_at_once(tmp_path: Path, end: str) -> None:
    async def check() -> None:
        async with stopped_in_work(tmp_path, queue=4) as (engine, _):
            deadline = 1.0 if end == "the deadline passes" else 3600
            dead = [asyncio.create_task(engine.translate("pix2pix", picture(n), deadline=deadline)) for n in range(4)]
            while len(engine.waiting) + sum(one.done() for one in dead) < 4:
                await asyncio.sleep(0.01)
            if end == "the client goes away":
                for one in dead:
                    one.cancel()
            ends = await asyncio.gather(*dead, return_exceptions=True)
            assert {type(one) for one in ends} <= {DeadlinePassed, asyncio.CancelledError}
            assert len(engine.waiting) == 0
            engine.admit("pix2pix")
            codes = {code for _, code in engine.counters.outcomes}
            assert codes == {"deadline_passed" if end == "the deadline passes" else "client_gone"}

    asyncio.run(check())


@pytest.mark.parametrize("end", ["the deadline passes", "the client goes away"])
def test_a_worker_that_works_for_nobody_is_replaced(tmp_path: Path, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "SILENT", 1000.0)

    async def check() -> None:
        async with running(tmp_path) as engine:
            (pid,) = engine.status().workers
            os.kill(pid, signal.SIGSTOP)
            deadline = 1.0 if end == "the deadline passes" else 3600
            request = asyncio.create_task(engine.translate("pix2pix", picture(0), deadline=deadline))
            while not engine.running:
                await asyncio.sleep(0.01)
            if end == "the client goes away":
                request.cancel()
            with pytest.raises((DeadlinePassed, asyncio.CancelledError)):
                await request
            async with asyncio.timeout(60):
                assert (await engine.translate("pix2pix", picture(1), deadline=60)).data
            assert pid not in engine.status().workers
            assert dict(engine.counters.kills) == {"working for nobody": 1}

    asyncio.run(check())


def test_a_worker_that_others_wait_for_as_well_goes_on(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path) as engine:
            engine.pace.known = {}
            first = asyncio.create_task(engine.translate("pix2pix", picture(size=1024)))
            await asyncio.sleep(0)
            both = [asyncio.create_task(engine.translate("pix2pix", picture(n))) for n in (1, 2)]
            while len(engine.waiting) < 2 and not first.done():
                await asyncio.sleep(0.001)
            both[0].cancel()
            assert (await first).data
            assert (await both[1]).data
            assert not engine.counters.kills

    asyncio.run(check())


def test_what_cannot_be_done_in_time_is_refused_also_by_an_idle_worker(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path, limit_s=100) as engine:
            assert engine.pace.expect("pix2pix", 9_000_000) > 0  # it was tried at the start
            engine.pace.known = {"pix2pix": {7: 1e-5}}  # 0.16 s for 128x128
            with pytest.raises(DeadlineTooShort, match=r"deadline = 0.1: a picture of 9.0 megapixels takes about 45"):
                await engine.translate("pix2pix", LARGE, deadline=0.1)
            engine.pace.known = {"pix2pix": {7: 1e-4}}
            with pytest.raises(TooLarge, match="over the limit of 100"):
                await engine.translate("pix2pix", LARGE, deadline=3600)
            assert not engine.counters.batches
            assert set(engine.counters.outcomes) == {("pix2pix", "deadline_too_short"), ("pix2pix", "too_large")}

    asyncio.run(check())


def test_who_does_not_say_how_long_to_wait_waits_for_as_long_as_the_picture_takes() -> None:
    pace = Pace()
    assert pace.likely("houses", 12_000_000) >= 100
    pace.note("houses", 12_000_000, 90)
    assert pace.likely("houses", 12_000_000) >= 180


def test_a_worker_without_a_sign_of_life_is_replaced_and_meanwhile_the_server_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "SILENT", 4.0)
    monkeypatch.setattr(worker_process, "QUIET", 2.0)

    async def check() -> None:
        async with running(tmp_path) as engine:
            for stopped in (engine.pool.workers, engine.looker.pool.workers):
                all_of_them = engine.counters.kills["silent"] + len(stopped)
                for worker in stopped:
                    assert worker.process.pid is not None
                    os.kill(worker.process.pid, signal.SIGSTOP)
                async with asyncio.timeout(60):
                    while engine.status().ready:
                        await asyncio.sleep(0.05)
                    assert (await engine.translate("pix2pix", picture(), deadline=60)).data
                    while engine.counters.kills["silent"] < all_of_them or not engine.status().ready:
                        await asyncio.sleep(0.05)
            assert engine.counters.kills["silent"] == 3

    asyncio.run(check())


def test_a_file_whose_header_takes_processes_with_it_is_refused(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path) as engine:
            killing = asyncio.create_task(kill_lookers(engine))
            with pytest.raises(BadPicture, match="its header cannot be read"):
                await engine.looker.look(b"\0" * 10_000_000)
            killing.cancel()
            assert (await engine.translate("pix2pix", picture(), deadline=60)).data

    asyncio.run(check())


def test_a_damaged_file_is_refused_while_others_wait_for_the_worker(tmp_path: Path) -> None:
    async def check() -> None:
        async with stopped_in_work(tmp_path) as (engine, first):
            engine.pool.workers[0].until += 1000
            assert engine.expected_wait() > 100
            for format in ("PNG", "JPEG", "BMP", "TIFF"):
                damaged = picture(size=64, format=format)[:-900]
                async with asyncio.timeout(30):
                    with pytest.raises(BadPicture):
                        await engine.translate("pix2pix", damaged, deadline=3600)
            assert not first.done()

    asyncio.run(check())


async def kill_lookers(engine: Engine) -> None:
    while True:
        for worker in list(engine.looker.pool.workers):
            if worker.state == "busy":
                worker.kill()
        await asyncio.sleep(0)


# What comes from outside is opened in workers alone


def test_messages_are_a_header_and_bytes_and_nothing_is_unpickled() -> None:
    async def heard(*pieces: bytes) -> Any:
        reader = asyncio.StreamReader()
        reader.feed_data(b"".join(pieces))
        reader.feed_eof()
        return await received(reader)

    assert asyncio.run(heard(*packed({"a": [1]}, [b"xy", b""]))) == ({"a": [1]}, [b"xy", b""])
    pickled = pickle.dumps({"blobs": []})
    for wrong in (pickled, b"[]", b'{"blobs": [-1]}', b'{"blobs": [1e9]}', b'{"blobs": [%d]}' % 2**40, b"\xff"):
        with pytest.raises(ValueError, match=r"header|JSON|decode|utf|Expecting"):
            asyncio.run(heard(LENGTH.pack(len(wrong)), wrong))
    with pytest.raises(ValueError, match="too long"):
        asyncio.run(heard(LENGTH.pack(2**31)))


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"outcomes": 1},
        {"outcomes": []},
        {"outcomes": [{"fault": {}}]},
        {"outcomes": [{"blob": 7, "format": "PNG", "notes": [], "seconds": {}}]},
        {"outcomes": [{"blob": 0, "format": "../x", "notes": [], "seconds": {}}]},
    ],
)
def test_a_worker_that_says_what_none_says_is_taken_for_lost(tmp_path: Path, said: dict[str, Any]) -> None:
    async def check() -> None:
        async with running(tmp_path) as engine:
            (worker,) = engine.pool.workers
            pid = worker.process.pid

            async def ask(*_: Any) -> Any:
                return said, [b""]

            worker.ask = ask  # type: ignore[method-assign]
            assert (await engine.translate("pix2pix", picture(), deadline=60)).data
            assert pid not in engine.status().workers

    asyncio.run(check())


def test_a_worker_that_is_ready_when_all_are_ended_ends_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine({"houses": model(tmp_path / "houses")}, place=tmp_path / "server")
    start = worker_process.Handle.start

    async def ended_at_once(self: worker_process.Handle) -> worker_process.Known:
        known = await start(self)
        if self in engine.pool.workers:
            await engine.stop(0)
        return known

    monkeypatch.setattr(worker_process.Handle, "start", ended_at_once)

    async def check() -> None:
        with pytest.raises(ModelError, match="a worker ended"):
            await engine.start()

    asyncio.run(check())


SERVE = Path(images.__file__).parents[1] / "serve"
OPENERS = {"read", "header", "from_pillow", "format_of"}
ELSEWHERE = {"worker.py", "showing.py", "versions.py"}
"""What runs in workers; and what opens the examples that the operator's own models come with."""


def server_files() -> Iterator[Path]:
    for path in sorted(SERVE.rglob("*.py")):
        if path.name not in ELSEWHERE and "page" not in path.relative_to(SERVE).parts:
            yield path


@pytest.mark.parametrize("path", list(server_files()), ids=lambda path: str(path.relative_to(SERVE)))
def test_no_file_of_the_server_calls_a_decoder_or_unpickles(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
            assert not names & {"pickle", "PIL", "numpy", "torch", "tifffile", "marshal", "shelve", "dill"}
            if getattr(node, "module", "") in ("diptych.images", "diptych.images.reading"):
                assert not names & OPENERS
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "images":
            assert node.attr not in OPENERS


def test_the_server_opens_no_file_of_a_visitor_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = model(tmp_path / "houses")
    file = picture()

    def opened(*_: Any, **__: Any) -> Any:
        raise AssertionError("the server itself opens a picture")

    async def check() -> None:
        engine, store = Engine({"houses": folder}, place=tmp_path / "server"), Store(tmp_path / "server")
        await engine.start()
        for name in ("_opened", "_probe", "_sniff"):  # what every way of reading goes through
            monkeypatch.setattr(images.reading, name, opened)
        monkeypatch.setattr(pickle, "loads", opened)
        app = build_app(engine, store, Rules())
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", timeout=60) as client,
        ):
            answer = await client.post("/v1/models/houses/translate", files={"image": file})
            assert (answer.status_code, answer.content[:4]) == (200, b"\x89PNG")
            answer = await client.post("/v1/models/houses/translate", files={"image": file[:100]})
            assert answer.status_code == 422
            data = {"model": "houses", "rating": "1"}
            assert (await client.post("/v1/feedback", data=data, files={"source": file})).status_code == 201
            wrong = await client.post("/v1/feedback", data=data, files={"source": b"no picture"})
            assert (wrong.status_code, "source: " in wrong.text) == (422, True)
            made = await client.post("/v1/jobs", files={"images": file}, data={"model": "houses"})
            async with asyncio.timeout(60):
                while (report := (await client.get(f"/v1/jobs/{made.json()['id']}")).json())["state"] != "done":
                    await asyncio.sleep(0.05)
            assert report["done"] == 1

    asyncio.run(check())
