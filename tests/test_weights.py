"""Pretrained parts: found, fetched over a real connection, verified; and nothing left behind when that fails."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from diptych import weights
from diptych.errors import StorageError, WeightsError
from diptych.weights import Part, fetch, locate

SHARED = Path(os.environ.get("DIPTYCH_WEIGHTS") or Path(__file__).parents[2] / "shared" / "weights")
CONTENT = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Publisher(BaseHTTPRequestHandler):
    """Serves the content at /good, something else at /other, the first half of it at /broken, nothing elsewhere."""

    def do_GET(self) -> None:
        body = {"/good": CONTENT, "/other": CONTENT[::-1], "/broken": CONTENT}.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write((body or b"")[: len(CONTENT) // 2 if self.path == "/broken" else None])

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture(scope="module")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Publisher)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch, address):
    """An empty cache, and two parts known by the name of toy and helper, the helper needed to use the toy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DIPTYCH_WEIGHTS", raising=False)
    helper = Part("a helper", f"{address}/good", {"helper.pth": (DIGEST,)}, "free")
    other = hashlib.sha256(CONTENT[::-1]).hexdigest()
    toy = Part("a toy", f"{address}/good", {"toy.pth": (DIGEST,), "toy.safetensors": (other,)}, "free", ("helper",))
    monkeypatch.setattr(weights, "PARTS", {"toy": toy, "helper": helper})
    return tmp_path / "diptych" / "weights"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_what_is_fetched_is_what_was_published_and_is_found_afterwards(cache):
    steps: list[tuple[int, int | None]] = []
    path = fetch("toy", progress=lambda done, total: steps.append((done, total)))
    assert path == cache / "toy.pth" == locate("toy")
    assert path.read_bytes() == CONTENT
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert files(cache) == ["helper.pth", "toy.pth"]


def test_what_is_there_already_is_not_fetched_again(cache, address):
    fetch("toy")
    assert fetch("toy", url=f"{address}/nowhere") == cache / "toy.pth"


def test_a_damaged_file_is_named_and_replaced_by_fetching(cache):
    fetch("toy").write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match=r"toy\.pth is damaged.*diptych weights fetch toy"):
        locate("toy")
    assert fetch("toy").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("page", "fault"),
    [("/other", "not the published file"), ("/broken", "broke off after 128000 of 256000"), ("/nowhere", "404")],
)
def test_a_failed_download_says_why_and_leaves_nothing_behind(cache, address, page, fault):
    with pytest.raises(WeightsError, match=fault):
        fetch("helper", url=address + page)
    assert files(cache) == []


def test_without_a_network_it_says_so_and_leaves_nothing_behind(cache):
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}/good"
        with pytest.raises(WeightsError, match=r"could not be fetched.*check the connection"):
            fetch("helper", url=url)
    assert files(cache) == []


def test_a_mirror_that_is_no_address_is_a_clear_error(cache):
    with pytest.raises(WeightsError, match="could not be fetched"):
        fetch("helper", url="mirror")


def test_an_interrupted_download_leaves_nothing_behind(cache):
    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("helper", progress=interrupt)
    assert files(cache) == []


def test_a_cache_that_cannot_be_written_is_a_clear_error(cache, tmp_path):
    (tmp_path / "diptych").write_text("a file where the folder would be")
    with pytest.raises(StorageError, match=r"helper\.pth"):
        fetch("helper")


def test_the_folder_that_the_user_names_comes_first(cache, tmp_path, monkeypatch):
    fetch("toy")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "toy.safetensors").write_bytes(CONTENT[::-1])
    monkeypatch.setenv("DIPTYCH_WEIGHTS", str(mine))
    assert locate("toy") == mine / "toy.safetensors"
    (mine / "toy.safetensors").write_bytes(b"damaged")
    assert locate("toy") == cache / "toy.pth"


def test_a_missing_part_is_answered_with_the_folders_and_the_command(cache):
    with pytest.raises(WeightsError) as caught:
        locate("toy")
    assert str(cache) in str(caught.value)
    assert "a toy" in str(caught.value)
    assert str(caught.value).endswith("diptych weights fetch toy")


@pytest.mark.parametrize("name", ["part.pth", "part.safetensors"])
def test_the_tensors_of_a_part_are_read_only_from_a_file_that_is_verified(cache, monkeypatch, name):
    cache.mkdir(parents=True)
    given = {"features.0.weight": torch.arange(6.0).view(2, 3)}
    (torch.save if name.endswith(".pth") else save_file)(given, cache / name)
    monkeypatch.setattr(weights, "PARTS", {"part": Part("a part", "", {name: (weights.sha256(cache / name),)}, "free")})
    (found,) = weights.tensors("part").items()
    assert found[0] == "features.0.weight"
    assert torch.equal(found[1], given["features.0.weight"])
    (cache / name).write_bytes((cache / name).read_bytes() + b" ")
    with pytest.raises(WeightsError, match="damaged or another file"):
        weights.tensors("part")


def test_an_unknown_part_is_answered_with_those_there_are(cache):
    with pytest.raises(WeightsError, match="'tyo'; there are: toy, helper"):
        fetch("tyo")


def test_every_part_is_pinned_by_whole_digests():
    for part in weights.PARTS.values():
        assert (part.url or "").startswith("https://") or part.package
        assert all(len(digest) == 64 for digests in part.files.values() for digest in digests)
        assert set(part.alongside) <= set(weights.PARTS)
    files = [(file, digests[0]) for part in weights.PARTS.values() for file, digests in part.files.items()]
    promised = [(match[1], digest) for file, digest in files if (match := re.search(r"-([0-9a-f]{8})\.pth$", file))]
    assert len(promised) >= 2
    assert all(digest.startswith(start) for start, digest in promised)  # the publisher's own promise


@pytest.mark.parametrize("name", list(weights.PARTS))
def test_the_real_files_are_those_that_are_pinned(name, monkeypatch):
    if not any((SHARED / file).exists() for file in weights.PARTS[name].files):
        pytest.skip(f"needs the weights of {name} in DIPTYCH_WEIGHTS")
    monkeypatch.setenv("DIPTYCH_WEIGHTS", str(SHARED))
    assert locate(name).parent == SHARED


def test_a_file_is_hashed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"weights"
    part = weights.Part("some weights", "", {"some.pth": (hashlib.sha256(data).hexdigest(),)}, "")
    monkeypatch.setitem(weights.PARTS, "some", part)
    monkeypatch.setenv("DIPTYCH_WEIGHTS", str(tmp_path))
    hashed: list[Path] = []
    original = weights.sha256
    monkeypatch.setattr(weights, "sha256", lambda path: hashed.append(path) or original(path))
    (tmp_path / "some.pth").write_bytes(data)
    for _ in range(3):
        assert weights.locate("some") == tmp_path / "some.pth"
    assert len(hashed) == 1
    (tmp_path / "some.pth").write_bytes(b"weightz")
    os.utime(tmp_path / "some.pth", ns=(1, 1))
    with pytest.raises(WeightsError, match="is damaged or another file"):
        weights.locate("some")
    assert len(hashed) == 2
