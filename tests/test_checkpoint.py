"""A checkpoint is whole or not there: whatever happens while it is written, the previous one can be read."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from diptych.errors import ModelError, StorageError
from diptych.storage import files
from diptych.storage.files import UNFINISHED, HashingFile
from diptych.training import checkpoint


def state(images: int, size: int = 20_000) -> dict[str, Any]:
    return {"images_seen": images, "weights": torch.full((size,), float(images)), "best": {"l1": {"value": 0.5}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    checkpoint.write(tmp_path / "checkpoint", state(1))
    return tmp_path / "checkpoint"


def is_whole(folder: Path, images: int) -> bool:
    found = checkpoint.read(folder)
    return (
        found is not None and found["images_seen"] == images and torch.equal(found["weights"], state(images)["weights"])
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_state_comes_back_as_it_was(folder: Path) -> None:
    assert is_whole(folder, 1)
    checkpoint.write(folder, state(2))
    assert is_whole(folder, 2)


def test_an_empty_folder_has_no_state(tmp_path: Path) -> None:
    assert checkpoint.read(tmp_path) is None
    assert checkpoint.read(tmp_path / "nowhere") is None


def test_the_previous_checkpoint_goes_when_the_next_is_complete(folder: Path) -> None:
    checkpoint.write(folder, state(2))
    assert names(folder) == ["0000000002.pt", "latest.json"]


class Full:
    """A disk that takes `room` more bytes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, file: HashingFile, data: Any) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        file.sha256.update(data)
        return file.file.write(data)


@pytest.mark.parametrize("share", [0, 0.001, 0.01, 0.6, 0.98, 1])  # 1: the state has room, its note has not
def test_a_disk_that_fills_up_anywhere_leaves_the_previous_checkpoint(
    share: float, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Full(int(share * (folder / "0000000001.pt").stat().st_size))
    monkeypatch.setattr(HashingFile, "write", lambda file, data: disk.write(file, data))
    with pytest.raises(StorageError, match=r"could not be written: No space left on device.*Free some space"):
        checkpoint.write(folder, state(2))
    monkeypatch.undo()
    assert is_whole(folder, 1)
    checkpoint.write(folder, state(2))
    assert names(folder) == ["0000000002.pt", "latest.json"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("time", [1, 2, 3])
def test_a_disk_that_fails_at_any_call_leaves_a_whole_checkpoint(
    call: str, time: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, original = [time], getattr(os, call)

    def failing(*args: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        original(*args)

    monkeypatch.setattr(files.os, call, failing)
    try:
        checkpoint.write(folder, state(2))
    except StorageError as error:
        assert "Input/output error" in str(error)  # noqa: PT017 (whether it is raised depends on the number of calls)
    monkeypatch.undo()
    assert is_whole(folder, 1) or is_whole(folder, 2)
    assert not list(folder.glob(f"{UNFINISHED}*"))


@pytest.mark.parametrize("point", range(0, 40, 3))
def test_killed_anywhere_in_writing_a_whole_checkpoint_is_left(point: int, folder: Path) -> None:
    """Every write, fsync, rename and unlink is a point at which a forked process is gone, with what it wrote so far."""
    child = os.fork()
    if not child:
        die_at(point)
        checkpoint.write(folder, state(2))
        os._exit(0)
    os.waitpid(child, 0)
    assert is_whole(folder, 1) or is_whole(folder, 2)
    checkpoint.clean(folder)
    assert len(names(folder)) == 2


def die_at(point: int) -> None:
    left = iter(range(point))

    def deadly(original: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            if next(left, None) is None:
                os._exit(9)
            return original(*args, **options)

        return call

    for owner, name in ((os, "fsync"), (os, "replace"), (os, "unlink"), (HashingFile, "write"), (HashingFile, "flush")):
        setattr(owner, name, deadly(getattr(owner, name)))


LIMITED = """
import resource, signal, sys
from pathlib import Path
from test_checkpoint import state
from diptych.errors import StorageError
from diptych.training import checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    checkpoint.write(Path(sys.argv[1]), state(2, size=200_000))
except StorageError as error:
    print(error)
"""


def test_a_limit_of_the_system_itself_is_said_in_words(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(folder)], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert "0000000002.pt could not be written: File too large; what was there before is untouched" in done.stdout
    assert done.stderr == ""
    assert is_whole(folder, 1)


def test_a_place_that_takes_no_files_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", Path("/proc/diptych")):
        with pytest.raises(StorageError, match=f"{place}.* could not be written.*(Something else|check the folder)"):
            checkpoint.write(place, state(1))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into read-only folders")
def test_a_read_only_folder_keeps_its_checkpoint(folder: Path) -> None:
    folder.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        checkpoint.write(folder, state(2))
    assert is_whole(folder, 1)
    folder.chmod(0o700)


@pytest.mark.parametrize("name", ["0000000001.pt", "latest.json"])
def test_every_damage_is_noticed_and_named(name: str, folder: Path) -> None:
    path = folder / name
    whole = path.read_bytes()
    generator = torch.Generator().manual_seed(0)
    for position in torch.randint(len(whole) * 8, (60,), generator=generator).tolist():
        path.write_bytes(flipped(whole, position))
        with pytest.raises(ModelError, match="damaged"):
            assert not is_whole(folder, 1)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="damaged"):
        checkpoint.read(folder)
    path.write_bytes(whole)
    assert is_whole(folder, 1)


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "0000000001.pt").unlink()
    with pytest.raises(ModelError, match=r"0000000001\.pt is missing or damaged: remove .* to begin again"):
        checkpoint.read(folder)


class Trap:
    """Leaves a file where it is unpickled by a loader that runs what it reads."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self.mark,)


def test_nothing_in_a_checkpoint_is_executed(folder: Path) -> None:
    torch.save({"images_seen": 2, "trap": Trap(folder / "executed")}, folder / "0000000002.pt")
    note = {"file": "0000000002.pt", "sha256": checkpoint.sha256(folder / "0000000002.pt")}
    (folder / "latest.json").write_text(json.dumps(note))
    with pytest.raises(ModelError, match="is not a checkpoint"):
        checkpoint.read(folder)
    assert not (folder / "executed").exists()
