"""Zips of many images: what is unpacked and what is refused, and results packed while they are sent."""

from __future__ import annotations

import asyncio
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from models import picture
from pictures import archive
from starlette.requests import ClientDisconnect

from diptych import images
from diptych.serve.api.app import Pieces
from diptych.serve.archive import Names, zipped
from diptych.serve.errors import BadPicture, TooLarge
from diptych.serve.store import Item
from diptych.serve.uploads import pictures_in, safe_name


def overlapping(count: int) -> bytes:
    """A zip of many entries that are all the same bytes of it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("0.bmp", images.encode(np.zeros((400, 400, 3), np.uint8), "BMP"))
        first = zipped.infolist()[0]
        for number in range(1, count):
            again = zipfile.ZipInfo.from_file(__file__, f"{number}.bmp")
            for name in ("compress_type", "CRC", "compress_size", "file_size", "header_offset", "flag_bits"):
                setattr(again, name, getattr(first, name))
            zipped.filelist.append(again)
    return stream.getvalue()


BOMBS: list[tuple[str, Callable[[], bytes], type[Exception]]] = [
    ("entries over one member", lambda: overlapping(20), BadPicture),
    (
        "more in all than there is room for",
        lambda: archive(*((f"{n}.bmp", bytes(900_000)) for n in range(40))),
        TooLarge,
    ),
    ("one that is too large", lambda: archive(("a.bmp", bytes(2_000_000))), TooLarge),
    ("too many entries", lambda: archive(*((f"{n}" * 20_000, b"") for n in range(300))), TooLarge),
    ("too many pictures", lambda: archive(*((f"{n}.png", b"") for n in range(10_001))), TooLarge),
]


@pytest.mark.parametrize(("zipped", "kind"), [bomb[1:] for bomb in BOMBS], ids=[bomb[0] for bomb in BOMBS])
def test_a_zip_is_looked_at_before_anything_is_unpacked(zipped: Callable[[], bytes], kind: type[Exception]) -> None:
    taken = pictures_in("a.zip", io.BytesIO(zipped()), largest=1_000_000, room=30_000_000, left_out=[])
    with pytest.raises(kind):
        next(taken)


def test_a_zip_that_grows_a_thousandfold_is_refused_and_a_label_map_is_not() -> None:
    def first(megabytes: int) -> tuple[str, bytes]:
        zipped = io.BytesIO(archive(*((f"{n}.bmp", bytes(1_000_000)) for n in range(megabytes))))
        return next(pictures_in("a.zip", zipped, largest=10**7, room=10**9, left_out=[]))

    assert first(3)[0] == "0.bmp"
    with pytest.raises(TooLarge, match="smaller zips"):
        first(150)


def test_what_is_no_picture_in_a_zip_is_counted_by_kind_and_a_picture_is_known_by_its_content() -> None:
    left_out: list[str] = []
    zipped = archive(
        ("a.png", picture()),
        ("b.txt", b"x"),
        ("c.txt", b"x"),
        ("__MACOSX/._a.png", b"x"),
        ("d", picture()),
        ("e/", b""),
    )
    taken = pictures_in("a.zip", io.BytesIO(zipped), largest=10**6, room=10**6, left_out=left_out)
    assert [name for name, _ in taken] == ["a.png", "d"]
    assert sorted(left_out) == [".txt", ".txt", "system file"]


def test_a_long_name_keeps_its_suffix() -> None:
    assert safe_name("x" * 300 + ".png") == "x" * 96 + ".png"
    assert safe_name("../a./b\\..\\c?.png") == "a/b/c.png"


# What is sent back

CLASHES = [
    ["a.png", "a.png/b.png"],
    ["a.png/b.png", "a.png"],
    ["A.png", "a.png"],
    ["x/A.png", "X/a.png"],
    ["e\u0301.png", "\u00e9.png"],
    ["a.png", "a.jpg", "a (2).png"],
    ["a.png", "A.PNG/b.png", "a (2).png"],
    ["a.png/b.png", "A.png/B.png", "a.png"],
]


@pytest.mark.parametrize("names", CLASHES, ids=repr)
def test_no_name_in_a_zip_of_results_stands_in_the_way_of_another(names: list[str]) -> None:
    free, given = Names(), []
    for number, name in enumerate(names):
        item = Item(job="", number=number, picture=number, name=name, seed=None, state="done", result="r.png")
        given.append(free.free(item).casefold())
    files = set(given)
    assert len(files) == len(names)
    assert not files & {str(parent) for name in given for parent in PurePosixPath(name).parents}


def test_a_zip_of_results_is_made_while_it_is_sent(tmp_path: Path) -> None:
    (tmp_path / "r0.png").write_bytes(os.urandom(1_000_000))
    (tmp_path / "r2.png").write_bytes(b"two")
    items = [
        Item(job="", number=n, picture=n, name=f"{n}.jpg", seed=None, state="done", result=f"r{n}.png")
        for n in range(3)
    ]
    pieces = zipped(items, tmp_path)
    assert len(next(pieces)) < 200_000
    assert len(list(tmp_path.iterdir())) == 2
    whole = zipfile.ZipFile(io.BytesIO(b"".join(zipped(items, tmp_path))))
    assert whole.testzip() is None
    assert whole.namelist() == ["0.png", "2.png"]
    assert whole.read("0.png") == (tmp_path / "r0.png").read_bytes()


def test_a_reader_that_goes_away_leaves_no_file_open(tmp_path: Path) -> None:
    (tmp_path / "r.png").write_bytes(bytes(1_000_000))
    item = Item(job="", number=0, picture=0, name="a.jpg", seed=None, state="done", result="r.png")

    def opened() -> int:
        files = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]
        return [str(file.resolve()) for file in files].count(str(tmp_path / "r.png"))

    async def check() -> None:
        count = 0

        async def send(message: Any) -> None:
            nonlocal count
            if message.get("body"):
                count = opened()
                raise OSError("the client is gone")

        response = Pieces(zipped([item], tmp_path), media_type="application/zip")
        with pytest.raises((OSError, ExceptionGroup, ClientDisconnect)):
            await response({"type": "http", "asgi": {"spec_version": "2.4"}}, asyncio.Event().wait, send)
        assert (count, opened()) == (1, 0)

    asyncio.run(check())
