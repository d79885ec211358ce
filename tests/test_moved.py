"""A run whose pictures have moved goes on with them, and with no others."""

from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import heaps, noise, save, side_by_side
from runs import outcome, recipe, train
from test_resume import train_and_die

from diptych.data import cache as caching
from diptych.data import open_data
from diptych.errors import ConfigError
from diptych.training.loop import Loop
from diptych.training.trainer import Trainer


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run that was killed after its first checkpoint, on pictures in `before`."""
    train_and_die(recipe(side_by_side(tmp_path / "before", 10, 64)), tmp_path / "run", Trainer, "step",
                  lambda trainer: trainer.images_seen == 8)  # fmt: skip
    return tmp_path / "run"


def to(place: Path) -> dict[str, Any]:
    return {"data": {"folder": str(place)}}


def test_a_run_goes_on_where_its_pictures_have_moved_to(stopped: Path, tmp_path: Path) -> None:
    train(recipe(tmp_path / "before"), tmp_path / "undisturbed")
    (tmp_path / "before").rename(tmp_path / "after")
    with pytest.raises(ConfigError, match=r"the pictures of .*run are not in .*before: say where they are by --data"):
        train({}, stopped, resume=True)
    said = train(to(tmp_path / "after"), stopped, resume=True, dry_run=True)
    assert "going on" not in said
    said = train(to(tmp_path / "after"), stopped, resume=True)
    assert f"the pictures are in {tmp_path / 'after'} now, no longer in {tmp_path / 'before'}: the same" in said
    assert "going on at 6 of 12" in said
    assert outcome(stopped) == outcome(tmp_path / "undisturbed")
    assert "this run is complete" in train({}, stopped, resume=True)


def test_a_moved_folder_is_not_decoded_again(stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "before").rename(tmp_path / "after")
    monkeypatch.setattr(caching, "_Writer", None)
    train(to(tmp_path / "after"), stopped, resume=True)


@pytest.mark.parametrize("change", ["one more", "one less", "other bytes", "another name"])
def test_other_pictures_are_refused_and_the_run_is_left_as_it_was(stopped: Path, tmp_path: Path, change: str) -> None:
    after = shutil.copytree(tmp_path / "before", tmp_path / "after")
    first = after / "train" / "000.png"
    if change == "one more":
        save(after / "train" / "new.png", noise(64, 128))
    elif change == "one less":
        first.unlink()
    elif change == "other bytes":
        save(first, np.zeros((64, 128, 3), np.uint8))
    else:
        first.rename(first.with_name("other.png"))
    before = (stopped / "recipe.yaml").read_bytes()
    with pytest.raises(ConfigError, match=r"the pictures in .*after are not those that .*run was trained on so far"):
        train(to(after), stopped, resume=True)
    assert (stopped / "recipe.yaml").read_bytes() == before


def test_without_resume_another_folder_is_another_recipe(stopped: Path, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "before", tmp_path / "after")
    with pytest.raises(ConfigError, match=r"another recipe \(data\.folder"):
        train(recipe(tmp_path / "after"), stopped)


def test_two_folders_can_move_as_well(tmp_path: Path) -> None:
    heaps(tmp_path / "x", cats=3, dogs=3)
    given = recipe(tmp_path, images=4, best="last", checkpoint_every=2)
    given["method"] = {"name": "cyclegan", "blocks": 1, "width": 4, "discriminator_width": 4, "discriminator_layers": 1}
    given["data"] = {"a": str(tmp_path / "x/train/cats"), "b": str(tmp_path / "x/train/dogs"), "size": 16, "load": 16}
    train_and_die(given, tmp_path / "run", Loop, "finish")
    (tmp_path / "x").rename(tmp_path / "y")
    places = {name: str(tmp_path / "y" / "train" / of) for name, of in (("a", "cats"), ("b", "dogs"))}
    assert "the same, by name and size" in train({"data": places}, tmp_path / "run", resume=True)


def test_names_that_another_system_writes_otherwise_are_the_same_pictures(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        for name in ("Zürich", "Orléans", "Åre"):
            save(tmp_path / form / f"{unicodedata.normalize(form, name)}.png", noise(16, 32))
    here, there = (open_data(folder=str(tmp_path / form), size=16, val=0.3) for form in ("NFC", "NFD"))
    assert here.fingerprint == there.fingerprint
    assert [unicodedata.normalize("NFC", item.name) for item in there.val] == [item.name for item in here.val]
