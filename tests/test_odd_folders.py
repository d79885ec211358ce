"""Odd names, links, files that are none and mixed label maps: said by the check and by training, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from labelled import LEGEND, folder, ids
from pictures import noise, save, side_by_side
from PIL import Image

from diptych.data import open_data, recognise
from diptych.images.listing import counted
from diptych.inference.destinations import plan

NAMES = [
    "山水 🏔",
    "مدينة",
    "a" * 240,
    "Ω" * 110,
    "new\nline",
    "tab\there",
    "\x1b[31mred",
    "per%cent",
    "quote'\"",
    "\udcff\udcfe",
]


def check(root: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    """The check in a process whose console knows only Western letters."""
    command = [sys.executable, "-m", "diptych", "data", "check", str(root), *options]
    return subprocess.run(command, capture_output=True, check=False, env=os.environ | {"PYTHONIOENCODING": "cp1252"})


def named(root: Path, name: str) -> Path:
    """A picture under any name: the package's own writer is not asked."""
    path = root / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(16, 32)).save(path, "PNG")
    return path


def test_names_in_any_script_and_of_any_length_are_read_and_printed(tmp_path: Path) -> None:
    root = side_by_side(tmp_path, 2)
    for name in NAMES:
        named(root / "train", name)
    (root / "train" / f"{'z' * 240}.jpg").write_bytes(b"text")
    (root / "train" / "\udcfc.jpg").write_bytes(b"text")
    for options in ((), ("--json",)):
        done = check(root, *options)
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr
        assert b"\x1b" not in done.stdout
    assert json.loads(done.stdout)["counts"] == {"train": [2 + len(NAMES)]}
    data = open_data(folder=str(root), size=16, val=0.3)
    data.prepare(cache_dir=tmp_path / "cache")
    assert len(data.train) + len(data.val) == 2 + len(NAMES)
    assert len(data.fingerprint) == 64


def test_names_that_differ_in_case_alone_are_two_pictures_and_said(tmp_path: Path) -> None:
    for name in ("Sea", "sea", "hill"):
        for side in ("a", "b"):
            save(tmp_path / side / f"{name}.png", noise(16, 16))
    if len(list((tmp_path / "a").iterdir())) < 3:
        pytest.skip("this disk does not tell capitals from small letters")
    said = diptych("data", "check", tmp_path).out
    assert "3 pairs" in said
    assert "2 name(s) differ in case alone, as Sea.png and sea.png" in said


def test_links_in_circles_and_what_is_no_file_are_said_and_end(tmp_path: Path) -> None:
    root = side_by_side(tmp_path / "data", 3)
    train = root / "train"
    (train / "again").symlink_to(root)
    (train / "itself.png").symlink_to(train / "itself.png")
    (train / "gone.png").symlink_to(train / "nowhere.png")
    os.mkfifo(train / "pipe.png")
    (train / "folder.png").mkdir()
    (train / "device.png").symlink_to("/dev/zero")
    said = diptych("data", "check", root)
    assert said.code == 0
    assert "3 pairs" in said.out
    assert "Left out by kind: 2 broken links, 1 FIFO, 1 circular link, 1 device, 1 misnamed folder" in said.out
    for words in ("leads back to a folder above it", "link to what is gone", "is a FIFO, not a file", "is a device"):
        assert words in said.out
    assert len(open_data(folder=str(root), size=16, val=0).train) == 3


def test_translation_and_data_agree_on_what_belongs_to_a_folder(tmp_path: Path) -> None:
    root = side_by_side(tmp_path / "data", 3, split=".")
    hidden = "._0.png .DS_Store .thumbnails/1.png .ipynb_checkpoints/0.png"
    others = "Thumbs.db __MACOSX/0.png @eaDir/1.jpg previews/0.png x.heic old.png~ raw.NEF scan.psd notes.txt"
    for name in f"{hidden} {others}".split():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes((root / "000.png").read_bytes() if name not in ("scan.psd", "notes.txt") else b"text")
    (root / "empty").mkdir()
    save(root / "y.jpg", noise(16, 32)).rename(root / "y.jfif")
    jobs, left_out = plan([root], tmp_path / "out")
    folder = recognise(root)
    assert sorted(job.source for job in jobs) == sorted(folder.files(0)) == sorted(item.a for item in folder.items())
    assert {job.source.name for job in jobs} == {"000.png", "001.png", "002.png", "x.heic", "y.jfif"}
    assert counted(entry.kind for entry in left_out) == folder.left_out


def test_linked_folders_are_data(tmp_path: Path) -> None:
    side_by_side(tmp_path / "elsewhere", 3)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train").symlink_to(tmp_path / "elsewhere" / "train")
    assert len(open_data(folder=str(tmp_path / "data"), size=16, val=0).train) == 3


def test_a_folder_that_may_not_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = side_by_side(tmp_path, 3)
    (root / "train" / "secret").mkdir()
    scan = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    said = diptych("data", "check", root)
    assert said.code == 0
    assert "train/secret: cannot be looked into: check its permissions" in said.out


@pytest.mark.parametrize("name", ["photo.jfif", "photo.jpe", "photo", "photo.jpg_large"])
def test_a_picture_with_another_suffix_belongs_to_the_folder(tmp_path: Path, name: str) -> None:
    save(tmp_path / "x.jpg", noise(16, 32)).rename(tmp_path / name)
    save(tmp_path / "000.png", noise(16, 32))
    assert len(open_data(folder=str(tmp_path), size=16, val=0).train) == 2
    assert "2 pairs" in diptych("data", "check", tmp_path).out


def test_label_maps_that_are_stored_in_different_ways_are_said_to_be(tmp_path: Path) -> None:
    root = folder(tmp_path)
    image = Image.fromarray(ids(seed=3)[..., 0], "P")
    image.putpalette(LEGEND.palette.tobytes())
    image.save(root / "train" / "label" / "3.png")
    Image.fromarray(LEGEND.palette[ids(seed=4)[..., 0]]).save(root / "train" / "label" / "4.png")
    says = "1 as palette (as train/label/3.png), 1 as colours (as train/label/4.png)"
    assert says in diptych("data", "check", root, "--labels", "label").out
    notes = open_data(folder=str(root), direction="label2photo", labels="label", size=16).notes
    assert any(says in note and "as numbers (as train/label/0.png)" in note for note in notes)


def test_label_maps_that_are_stored_in_one_way_are_not(tmp_path: Path) -> None:
    assert "different ways" not in diptych("data", "check", folder(tmp_path), "--labels", "label").out


def test_partners_of_damaged_pictures_are_in_no_sum(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / "a" / f"{number}.png", noise(16, 16, seed=number))
        save(tmp_path / "b" / f"{number}.png", np.zeros((16, 16, 3), np.uint8))
    whole = (tmp_path / "a" / "2.png").read_bytes()
    (tmp_path / "a" / "2.png").write_bytes(whole[:-40])
    said = diptych("data", "check", tmp_path)
    assert said.code == 0
    assert "3 pairs" in said.out
    assert "b/0.png = b/1.png = b/3.png" in said.out
