"""Files appear whole under any name that the system allows; what is no file is refused, and nothing waits for it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import diptych
from models import model
from pictures import noise

from diptych import images
from diptych.errors import ConfigError, DataError, StorageError
from diptych.inference.video.reading import Clip
from diptych.options.recipes import read_recipe
from diptych.provenance.certificate import read_certificate
from diptych.storage.files import UNFINISHED, atomic_folder, older, recover_folder, storing, unfinished, write_bytes

LONG = {"ascii": "n" * 251, "accents": "é" * 125 + "n", "kanji": "写" * 83 + "nn", "235": "n" * 231, "234": "n" * 230}


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("model") / "model")


@pytest.mark.parametrize("stem", LONG.values(), ids=LONG)
def test_a_name_as_long_as_the_system_allows_is_written(stem: str, tmp_path: Path) -> None:
    path = tmp_path / f"{stem}.png"
    images.write(path, noise())
    assert images.read(path).array.shape == (12, 16, 3)
    assert unfinished(path).suffix == ".png"
    with atomic_folder(tmp_path / f"{stem}.old") as folder:
        (folder / "a").write_text("a")
    assert sorted(os.listdir(tmp_path)) == sorted([path.name, f"{stem}.old"])


def test_a_long_folder_that_was_being_replaced_comes_back(tmp_path: Path) -> None:
    folders = [tmp_path / (letter + "n" * 250) for letter in "ab"]
    older(folders[0]).mkdir()
    recover_folder(folders[1])
    assert not folders[1].exists(), "the older folder of another name with the same end"
    recover_folder(folders[0])
    assert folders[0].exists()


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EACCES, "Check the folder's permissions"),
        (errno.ENAMETOOLONG, "Choose a shorter name: at most 255 bytes"),
        (errno.ENOTDIR, "Something else has this name, or that of a folder above it"),
        (errno.EIO, "Free some space, or check the folder's permissions"),
    ],
)
def test_the_remedy_is_that_of_the_fault(number: int, remedy: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=remedy), storing(tmp_path / "a"):
        raise OSError(number, os.strerror(number))


def test_a_name_that_is_too_long_is_said_to_be(tmp_path: Path) -> None:
    for path in (tmp_path / ("n" * 256), tmp_path / ("n" * 300) / "a.png"):
        with pytest.raises(StorageError, match=r"File name too long.*Choose a shorter name"):
            write_bytes(path, b"")
    assert not list(tmp_path.rglob(f"{UNFINISHED}*"))


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def listening(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def device(path: Path) -> Path:
    path.symlink_to("/dev/zero")
    return path


IRREGULAR = [pipe, listening, folder, device]


@pytest.mark.parametrize("make", IRREGULAR)
def test_what_is_no_file_is_refused_and_not_waited_for(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name is short
    for look in (images.read, images.header):
        with pytest.raises(DataError, match=r"a\.png: is a (pipe|socket|folder|device): name a file"):
            look(Path("a.png") if Path("a.png").exists() else make(Path("a.png")))
    with pytest.raises(DataError, match=r"b\.mp4 is a (pipe|socket|folder|device): name a file"):
        Clip(make(Path("b.mp4")), limit_mp=1)


@pytest.mark.parametrize("make", [pipe, listening, device])
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.mp4", "a", "a.dcm"])
def test_translate_leaves_with_2_for_what_is_no_file(
    make: Callable[[Path], Path], name: str, translator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path(name))
    done = diptych("translate", translator, name, "--out", "out")
    assert done.code == 2
    assert name in done.err
    assert "name a file" in done.err
    assert not list(Path().rglob("out/*"))


@pytest.mark.parametrize("place", ["/dev/full", "/dev/null", "/dev/full/a.png"])
def test_a_device_is_no_place_for_results(place: str, translator: Path, tmp_path: Path) -> None:
    images.write(tmp_path / "a.png", noise(32, 32))
    done = diptych("translate", translator, tmp_path / "a.png", "--out", place)
    assert done.code == 2
    assert place in done.err
    assert "choose another" in done.err or "give a folder" in done.err


@pytest.mark.parametrize("make", [pipe, device])
def test_a_recipe_or_a_certificate_that_is_no_file_is_refused(make: Callable[[Path], Path], tmp_path: Path) -> None:
    for name, read in {"a.yaml": read_recipe, "b.pem": read_certificate}.items():
        with pytest.raises(ConfigError, match=r"the (recipe|certificate) .*(yaml|pem) is a (pipe|device): name a file"):
            read(make(tmp_path / name))
