"""`diptych recommend`: what a folder is good for, and commands that can be typed as they are."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from commands import diptych
from labelled import folder as labelled
from pictures import heaps, noise, save, side_by_side, two_folders

from diptych import tasks


def photos(root: Path) -> Path:
    for n in range(6):
        save(root / f"{n} a.png", noise(40, 40, seed=n))
    return root


def several(root: Path) -> Path:
    return heaps(root, day=4, dusk=4, night=4)


ALONE = [name for name in tasks.names() if tasks.find(name).alone and name != "itself"]
FOLDERS = {
    "side by side": (lambda root: side_by_side(root, side=40), ["paired", "multimodal"]),
    "two folders": (lambda root: two_folders(root, side=300), ["paired", "multimodal"]),
    "labels": (labelled, ["paired", "segment"]),
    "unpaired": (lambda root: heaps(root, cats=5, dogs=5), ["unpaired", "cyclegan"]),
    "domains": (several, ["unpaired", "unpaired"]),
    "photos": (photos, [tasks.find(name).method for name in ALONE] + ["autoencoder"]),
}


@pytest.mark.parametrize("layout", FOLDERS)
def test_each_layout_gets_methods_that_fit_and_commands_that_work(layout: str, tmp_path: Path) -> None:
    make, methods = FOLDERS[layout]
    root = make(tmp_path / "my data")
    said = diptych("recommend", root, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert [choice["method"] for choice in found["choices"]] == methods
    assert found["memory"] > 0
    for choice in (*found["choices"][:2], *found["choices"][2:][-1:]):
        words = shlex.split(choice["command"])
        assert words[0] == "diptych"
        tried = diptych(*words[1:], "--dry-run", "train.device=cpu", "--out", tmp_path / "run")
        assert tried.code == 0, (choice["command"], tried.err)


def test_label_maps_are_told_from_pictures_and_named(tmp_path: Path) -> None:
    said = diptych("recommend", labelled(tmp_path)).out
    assert "label: 8 pictures, 32x32, 1 channel, uint8, label maps" in said
    assert "diptych train --task segment" in said


def test_two_folders_are_taken_and_nothing_is_refused_in_words(tmp_path: Path) -> None:
    heaps(tmp_path, cats=5, dogs=5)
    train = tmp_path / "train"
    said = diptych("recommend", "--a", train / "cats", "--b", train / "dogs")
    assert f"diptych train unpaired --a {train / 'cats'} --b {train / 'dogs'}" in said.out
    (tmp_path / "empty").mkdir()
    assert diptych("recommend", tmp_path / "empty").code == 2
    assert diptych("recommend").code == 2
