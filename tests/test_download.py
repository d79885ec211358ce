"""`diptych data download`, by its real code, from a server of this machine that can break off and go on."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from commands import diptych
from pictures import archive, noise

from diptych import images
from diptych.data import check, published
from diptych.errors import DataError
from diptych.storage.unpacking import unpack


class Server(ThreadingHTTPServer):
    """Serves one file. at_most: bytes after which the connection breaks off, once."""

    def __init__(self, data: bytes, tag: str = '"one"') -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.tag, self.at_most = data, tag, 0
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/facades.tar.gz"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers["Range"] or ""
        self.server.asked.append(asked)
        match = re.fullmatch(r"bytes=(\d+)-", asked)
        start = int(match[1]) if match and self.headers.get("If-Range", self.server.tag) == self.server.tag else 0
        data = self.server.data[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", self.server.tag)
        self.end_headers()
        if self.server.at_most:
            data, self.server.at_most = data[: self.server.at_most], 0
        with suppress(OSError):  # where the client wanted the headers only
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None: ...


def packed(*more: tarfile.TarInfo, count: int = 3, seed: int = 0) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tape:
        for n in range(count):
            data = images.encode(noise(40, 80, seed=seed + n), "PNG")
            member = tarfile.TarInfo(f"facades/train/{n}.png")
            member.size = len(data)
            tape.addfile(member, io.BytesIO(data))
        for member in more:
            tape.addfile(member)
    return stream.getvalue()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(packed()) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_data_set_is_fetched_unpacked_and_says_where_it_comes_from(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "facades"
    said = diptych("data", "download", "facades", "--out", out, "--yes", "--from", server.address)
    assert said.code == 0, said.err
    digest = hashlib.sha256(server.data).hexdigest()
    for words in (server.address, "research", "Tylecek", f"{len(server.data) / 1e3:.0f} kB", digest):
        assert words in said.out
    assert check(out).counts == {"train": (3,)}
    assert json.loads((out / "origin.json").read_text())["sha256"] == digest
    assert [path.name for path in tmp_path.iterdir()] == ["facades"]


def test_nothing_is_fetched_before_the_terms_are_agreed_to(server: Server, tmp_path: Path) -> None:
    said = diptych("data", "download", "facades", "--out", tmp_path / "x", "--from", server.address)
    assert (said.code, "give --yes" in said.err) == (2, True)
    assert "research" in said.out
    assert list(tmp_path.iterdir()) == []


def test_what_broke_off_goes_on_where_it_did(server: Server, tmp_path: Path) -> None:
    wanted = ("data", "download", "facades", "--out", tmp_path / "x", "--yes", "--from", server.address)
    break_off_after(server, 1000)
    said = diptych(*wanted)
    assert (said.code, "broke off" in said.err) == (2, True), said.err
    assert diptych(*wanted).code == 0
    assert server.asked[-1] == "bytes=1000-"
    assert check(tmp_path / "x").counts == {"train": (3,)}


def test_a_file_that_has_changed_since_is_fetched_from_its_beginning(server: Server, tmp_path: Path) -> None:
    wanted = ("data", "download", "facades", "--out", tmp_path / "x", "--yes", "--from", server.address)
    break_off_after(server, 1000)
    assert diptych(*wanted).code == 2
    server.data, server.tag = packed(count=2, seed=9), '"two"'
    assert diptych(*wanted).code == 0
    assert check(tmp_path / "x").counts == {"train": (2,)}


def break_off_after(server: Server, count: int) -> None:
    """At the second question, which is for the file; the first is for its size."""
    asked = len(server.asked)

    class Once(Handler):
        def do_GET(self) -> None:
            if len(server.asked) == asked + 1:
                server.at_most = count
                server.RequestHandlerClass = Handler
            super().do_GET()

    server.RequestHandlerClass = Once


def test_another_file_than_the_published_one_is_deleted(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {**published.PUBLISHED, "facades": replace(published.PUBLISHED["facades"], sha256="0" * 64)}
    monkeypatch.setattr(published, "PUBLISHED", known)
    said = diptych("data", "download", "facades", "--out", tmp_path / "x", "--yes", "--from", server.address)
    assert (said.code, "is not the published file, and is deleted" in said.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_it_says_which_file_to_bring_and_takes_it(tmp_path: Path) -> None:
    wanted = ("data", "download", "facades", "--out", tmp_path / "x", "--yes", "--from")
    said = diptych(*wanted, "http://127.0.0.1:9/facades.tar.gz")
    assert said.code == 2
    assert "bring https://efrosgans.eecs.berkeley.edu/pix2pix/datasets/facades.tar.gz here by other means" in said.err
    (tmp_path / "facades.tar.gz").write_bytes(packed())
    assert diptych(*wanted, tmp_path / "facades.tar.gz").code == 0
    assert (tmp_path / "facades.tar.gz").exists()


def test_unknown_names_and_those_that_only_a_person_can_fetch_are_refused(tmp_path: Path) -> None:
    assert "there are: facades, maps" in diptych("data", "download", "fasades").err
    assert "register at https://www.cityscapes-dataset.com" in diptych("data", "download", "cityscapes").err
    assert "horse2zebra" in diptych("data", "download").out
    assert "is there already" in diptych("data", "download", "facades", "--out", tmp_path, "--yes").err
    assert "neither a file nor" in diptych("data", "download", "facades", "--out", tmp_path / "x", "--from", "y").err


@pytest.mark.parametrize("name", ["../out.png", "/tmp/out.png", "a/../../out.png", "C:/out.png", "..\\out.png"])
def test_paths_out_of_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "a.zip").write_bytes(archive((name, b"x")))
    with pytest.raises(DataError, match="a path out of its folder"):
        unpack(tmp_path / "a.zip", tmp_path / "in")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "in"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(kind: bytes, tmp_path: Path) -> None:
    member = tarfile.TarInfo("facades/link.png")
    member.type, member.linkname = kind, "/etc/passwd"
    (tmp_path / "a.tar.gz").write_bytes(packed(member))
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="no plain file"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "in")


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    member = zipfile.ZipInfo("link.png")
    member.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr(member, "/etc/passwd")
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="no plain file"):
        unpack(tmp_path / "a.zip", tmp_path / "in")


@pytest.mark.parametrize("data", [b"", b"no archive", packed()[:-40], archive(("a.png", b"x" * 99))[:-30]])
def test_a_damaged_archive_leaves_no_folder(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(data)
    said = diptych("data", "download", "maps", "--out", tmp_path / "x", "--yes", "--from", tmp_path / "a.tar.gz")
    assert (said.code, "is damaged or no archive" in said.err) == (2, True), said.err
    assert not (tmp_path / "x").exists()
