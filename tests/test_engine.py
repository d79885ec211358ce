"""The engine answers, whatever becomes of its workers, and refuses at once what it could not answer in time."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import model, picture

from diptych import images
from diptych.errors import ModelError
from diptych.model.card import SCHEMA_VERSION
from diptych.model.folder import examples
from diptych.model.translator import Translator
from diptych.provenance import verify
from diptych.serve.engine import Engine
from diptych.serve.engine.counters import Pace
from diptych.serve.engine.versions import named, take
from diptych.serve.errors import (
    BadControl,
    BadPicture,
    DeadlinePassed,
    NothingBefore,
    Overloaded,
    ServeError,
    Stopping,
    TooLarge,
    UnknownModel,
)


def killed(pid: int) -> None:
    """End a worker at once; one that is gone already, though the engine has not noticed yet, is as good."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def running(tmp_path: Path, *methods: str, **options: Any) -> AsyncIterator[Engine]:
    """An engine with tiny models, each called as its method."""
    folders = {name: tmp_path / name for name in methods or ("pix2pix",)}
    for name, folder in folders.items():
        if not folder.exists():
            model(folder, name)
    engine = Engine(folders, place=tmp_path / "server", **options)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop(2)


def test_an_answer_is_what_the_translator_makes_sealed_and_in_the_files_own_format(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path) as engine:
            answer = await engine.translate("pix2pix", picture(), {"seed": 3})
            expected = Translator.load(tmp_path / "pix2pix", device="cpu")(images.read(picture()), seed=3)
            assert np.array_equal(images.read(answer.data).array, expected.array)
            assert verify(answer.data).controls == {"seed": 3}
            assert verify(answer.data).version == answer.version == engine.served["pix2pix"].current.version
            assert {"queued", "decoding", "translating", "encoding"} == set(answer.seconds)
            jpeg = await engine.translate("pix2pix", picture(format="JPEG"))
            assert (jpeg.format, jpeg.media_type) == ("JPEG", "image/jpeg")
            assert (await engine.translate("pix2pix", picture(), format="WEBP")).data[:4] == b"RIFF"

    asyncio.run(check())


def test_waiting_requests_of_one_kind_share_a_batch_and_get_their_own_answers(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path) as engine:
            files = [picture(n) for n in range(12)] + [picture(n, size=48) for n in range(4)]
            alone = [await engine.translate("pix2pix", file) for file in files]
            engine.counters.batches.clear()
            (pid,) = engine.status().workers
            os.kill(pid, signal.SIGSTOP)  # until all of them wait
            requests = [asyncio.create_task(engine.translate("pix2pix", file, deadline=600)) for file in files]
            while len(engine.waiting) + engine.running < len(files):
                await asyncio.sleep(0.01)
            os.kill(pid, signal.SIGCONT)
            answers = await asyncio.gather(*requests)
            for one, other in zip(alone, answers, strict=True):
                difference = images.read(one.data).array.astype(int) - images.read(other.data).array
                assert np.abs(difference).max() <= 1
            assert sum(engine.counters.batches.values()) <= 4
            assert max(engine.counters.batches) == 8

    asyncio.run(check())


BAD: list[tuple[dict[str, Any], type[ServeError], str]] = [
    ({"file": b""}, BadPicture, "empty"),
    ({"file": b"no picture at all"}, BadPicture, "not a picture"),
    ({"file": picture()[:200]}, BadPicture, "damaged"),
    ({"file": images.encode(np.zeros((2000, 2000, 1), np.uint8), "PNG")}, TooLarge, "over the limit of 3"),
    ({"model": "nobody"}, UnknownModel, "there are pix2pix"),
    ({"controls": {"seed": -1}}, BadControl, "greater than or equal to 0"),
    ({"controls": {"sed": 1}}, BadControl, "did you mean seed"),
    ({"controls": {"style": b"no picture"}}, BadControl, "style"),
    ({"controls": {"to": "nowhere"}}, BadControl, "nowhere"),
    ({"file": images.encode(np.zeros((32, 32, 5), np.uint8), "TIFF")}, BadPicture, "5 channel"),
]


def test_what_cannot_be_translated_is_refused_in_words_and_hurts_no_worker(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path, limit_mp=3) as engine:
            before = engine.status().workers
            for given, kind, words in BAD:
                with pytest.raises(kind, match=words):
                    await engine.translate(**{"model": "pix2pix", "file": picture(), **given})
            assert set(engine.status().workers) == set(before)
            assert (await engine.translate("pix2pix", picture())).data

    asyncio.run(check())


def test_a_bad_file_in_a_batch_fails_alone(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path) as engine:
            files = [picture(1), picture(2)[:-300], picture(3)]
            answers = await asyncio.gather(
                *(engine.translate("pix2pix", file) for file in files), return_exceptions=True
            )
            assert [isinstance(answer, BadPicture) for answer in answers] == [False, True, False]

    asyncio.run(check())


def test_killed_workers_are_replaced_and_no_request_fails(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path, workers=2) as engine:
            requests = [asyncio.create_task(engine.translate("pix2pix", picture(n))) for n in range(40)]
            for _ in range(2):
                await asyncio.sleep(0.05)
                for pid in engine.status().workers:
                    killed(pid)
                while [state for state in engine.status().workers.values() if state in ("idle", "busy")] == []:
                    await asyncio.sleep(0.005)
            assert all(answer.data for answer in await asyncio.gather(*requests))
            assert engine.counters.restarts >= 2

    asyncio.run(check())


def test_it_is_not_ready_while_no_worker_lives(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path) as engine:
            assert engine.status().ready
            (pid,) = engine.status().workers
            killed(pid)
            async with asyncio.timeout(10):
                while pid in engine.status().workers and engine.status().ready:
                    await asyncio.sleep(0.01)

    asyncio.run(check())


def test_a_request_that_kills_three_workers_is_not_tried_again(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path) as engine:
            request = asyncio.create_task(engine.translate("pix2pix", picture(size=1024)))
            while not request.done():
                for pid, state in engine.status().workers.items():
                    if state == "busy":
                        killed(pid)
                await asyncio.sleep(0.005)
            with pytest.raises(BadPicture, match="3 workers"):
                await request
            assert (await engine.translate("pix2pix", picture())).data

    asyncio.run(check())


def test_a_worker_that_hangs_is_killed(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path, limit_s=5) as engine:
            (pid,) = engine.status().workers
            os.kill(pid, signal.SIGSTOP)
            assert (await engine.translate("pix2pix", picture())).data
            assert pid not in engine.status().workers

    asyncio.run(check())


def test_more_than_the_queue_holds_is_refused_at_once(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path, queue=4) as engine:
            requests = [engine.translate("pix2pix", picture(n, size=32 + 32 * n)) for n in range(20)]
            answers = await asyncio.gather(*requests, return_exceptions=True)
            refused = [answer for answer in answers if isinstance(answer, Overloaded)]
            assert len(refused) >= 10
            assert all(error.retry_after >= 1 for error in refused)
            assert not [a for a in answers if isinstance(a, Exception) and not isinstance(a, Overloaded)]

    asyncio.run(check())


def test_a_deadline_is_kept_and_a_cancelled_request_is_never_run(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path) as engine:
            engine.pace.known = {}
            (pid,) = engine.status().workers
            os.kill(pid, signal.SIGSTOP)
            first = asyncio.create_task(engine.translate("pix2pix", picture(0)))
            await asyncio.sleep(0.05)
            second = asyncio.create_task(engine.translate("pix2pix", picture(1)))
            with pytest.raises(DeadlinePassed):
                await engine.translate("pix2pix", picture(2), deadline=0.1)
            second.cancel()
            await asyncio.sleep(0)
            os.kill(pid, signal.SIGCONT)
            assert (await first).data
            await engine.translate("pix2pix", picture(3))
            assert sum(size * count for size, count in engine.counters.batches.items()) == 2

    asyncio.run(check())


def test_a_new_version_is_served_without_a_failure_and_taken_back(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path) as engine:
            old = engine.served["pix2pix"].current.version
            with pytest.raises(NothingBefore):
                await engine.rollback("pix2pix")
            model(tmp_path / "pix2pix", seed=1)
            load = asyncio.create_task(keep_asking(engine, 60))
            new = (await engine.reload("pix2pix")).current.version
            assert new != old
            assert (await engine.translate("pix2pix", picture())).version == new
            assert (await engine.rollback("pix2pix")).current.version == old
            assert (await engine.translate("pix2pix", picture())).version == old
            assert await load <= {old, new}
            assert len(engine.status().workers) == 1
            assert {path.name for path in (tmp_path / "server/models/pix2pix").iterdir()} == {old, new}

    asyncio.run(check())


async def keep_asking(engine: Engine, times: int) -> set[str]:
    return {(await engine.translate("pix2pix", picture(n))).version for n in range(times)}


def test_a_damaged_new_version_changes_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path) as engine:
            weights = tmp_path / "pix2pix" / "weights.safetensors"
            damaged = bytearray(weights.read_bytes())
            damaged[-1] ^= 1
            weights.write_bytes(damaged)
            with pytest.raises(ServeError, match="sha256 differs"):
                await engine.reload("pix2pix")
            assert (await engine.translate("pix2pix", picture())).data

    asyncio.run(check())


@pytest.mark.parametrize("damage", ["half copied", "a byte", "newer", "missing", "a link"])
def test_a_folder_that_is_no_whole_model_is_refused_at_the_start(tmp_path: Path, damage: str) -> None:
    folder = model(tmp_path / "pix2pix")
    weights = folder / "weights.safetensors"
    if damage == "half copied":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "a byte":
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    elif damage == "newer":
        card = (folder / "card.json").read_text()
        changed = card.replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 99')
        (folder / "card.json").write_text(changed)
        sums = (folder / "SHA256SUMS").read_text()
        digests = [hashlib.sha256(text.encode()).hexdigest() for text in (card, changed)]
        (folder / "SHA256SUMS").write_text(sums.replace(*digests))
    elif damage == "a link":
        (tmp_path / "secret").write_text("secret")
        (folder / "README.md").unlink()
        (folder / "README.md").symlink_to(tmp_path / "secret")
    else:
        shutil.rmtree(folder)

    async def check() -> None:
        with pytest.raises(ModelError, match="pix2pix"):
            await Engine({"pix2pix": folder}, place=tmp_path / "server").start()

    asyncio.run(check())


def test_several_models_share_a_budget_of_memory(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path, "pix2pix", "munit", memory_mb=0.001) as engine:
            for name in ("pix2pix", "munit", "pix2pix", "munit"):
                assert (await engine.translate(name, picture())).data

    asyncio.run(check())


def test_a_style_picture_and_the_domain_are_controls(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path, "munit") as engine:
            a = await engine.translate("munit", picture(), {"to": "the b", "style": picture(7)})
            b = await engine.translate("munit", picture(), {"to": "the b", "style": picture(8)})
            assert not np.array_equal(images.read(a.data).array, images.read(b.data).array)
            assert verify(a.data).controls == {"style": "a picture", "to": "the b"}

    asyncio.run(check())


def test_stopping_finishes_what_is_there_and_takes_no_more(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path) as engine:
            requests = [asyncio.create_task(engine.translate("pix2pix", picture(n))) for n in range(10)]
            await asyncio.sleep(0.01)
            stop = asyncio.create_task(engine.stop(5))
            await asyncio.sleep(0)
            with pytest.raises(Stopping):
                await engine.translate("pix2pix", picture())
            pids = list(engine.status().workers)
            await stop
            assert all(answer.data for answer in await asyncio.gather(*requests))
            assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]

    asyncio.run(check())


def test_nothing_piles_up(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path) as engine:
            counts = []
            for _ in range(3):
                for n in range(10):
                    await engine.translate("pix2pix", picture(n))
                (pid,) = engine.status().workers
                killed(pid)
                await engine.translate("pix2pix", picture())
                await asyncio.sleep(0.3)
                counts.append((len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))))
            assert counts[1] == counts[2]
            assert not engine.waiting

    asyncio.run(check())


def test_models_get_names_from_their_folders_or_as_given() -> None:
    assert named(["runs/one", "b=runs/two"]) == {"one": Path("runs/one"), "b": Path("runs/two")}
    for given in (["runs/one", "one=other"], ["../=x"], ["a b=x"], [".hidden=x"]):
        with pytest.raises(ModelError):
            named(given)


def test_a_model_is_served_without_an_example_that_is_damaged(tmp_path: Path) -> None:
    folder = model(tmp_path / "houses")
    (folder / "example-1.png").write_bytes(picture()[:300])
    taken = take("houses", folder, tmp_path / "copies", "plain")
    assert [path.name for path in examples(taken.folder)] == ["example-2.png"]
    assert examples(folder)[0].name == "example-1.png"


def test_a_system_that_gives_no_process_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: BaseProcess) -> None:
        raise OSError(errno.ENOMEM, "no memory")

    monkeypatch.setattr(BaseProcess, "start", full)  # this machine has room for a process

    async def check() -> None:
        with pytest.raises(ModelError, match="is there memory enough"):
            await Engine({"houses": model(tmp_path / "houses")}, place=tmp_path / "server").start()

    asyncio.run(check())


def test_the_pace_of_one_size_says_little_of_others() -> None:
    pace = Pace()
    assert pace.expect("houses", 1) == 0
    pace.note("houses", 1, 0.01)
    assert pace.expect("houses", 128 * 128) <= 0.01
    assert pace.expect("houses", 6000 * 6000) <= 0.01
    pace.note("houses", 512 * 512, 0.5)
    assert pace.expect("houses", 128 * 128) <= 0.01
    assert pace.expect("houses", 256 * 1024) == pytest.approx(0.5)
    assert pace.expect("houses", 6000 * 6000) == pytest.approx(0.5 * 0.5 * 36e6 / 2**18)
    pace.note("houses", 512 * 512, 1.0)
    assert pace.expect("houses", 512 * 512) == pytest.approx(0.6)


def test_what_is_being_done_counts_as_well_for_what_can_be_done_in_time(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path) as engine:
            engine.pace.known = {"pix2pix": {10: 10 / 2**20}}  # ten seconds for 1024x1024
            first = asyncio.create_task(engine.translate("pix2pix", picture(size=1024)))
            while engine.status().running == 0:
                await asyncio.sleep(0)
            with pytest.raises(Overloaded, match="with those that wait"):
                await engine.translate("pix2pix", picture(size=1024), deadline=12)
            assert (await first).data

    asyncio.run(check())


def test_a_worker_that_is_idle_makes_nobody_wait_for_another(tmp_path: Path) -> None:
    async def check() -> None:
        async with running(tmp_path, workers=2) as engine:
            for size in (1024, 32):
                await engine.translate("pix2pix", picture(size=size))
            first = asyncio.create_task(engine.translate("pix2pix", picture(size=1024)))
            while engine.status().running == 0:
                await asyncio.sleep(0)
            assert engine.expected_wait() == 0
            second = asyncio.create_task(engine.translate("pix2pix", picture(size=1024)))
            while engine.status().running < 2:
                await asyncio.sleep(0)
            assert engine.expected_wait() > 0
            await asyncio.gather(first, second)

    asyncio.run(check())
