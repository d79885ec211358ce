"""The card of a model holds what only a person can say, and saying it makes another version of the model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import diptych
from pictures import side_by_side
from runs import NETWORKS, recipe, train

from diptych.errors import ConfigError, ModelError, StorageError
from diptych.methods import find
from diptych.model import folder as model_folder
from diptych.model.card import NOT_STATED, SCHEMA_VERSION, WORDS
from diptych.model.folder import CARD, SUMS, WEIGHTS, inspect_card, manifest, read_version, state
from diptych.model.translator import Translator
from diptych.testing import bundle
from diptych.training.run import DONE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return bundle(find("pix2pix"), NETWORKS).save(tmp_path / "model", everything=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_words_are_stated_and_shown_and_change_the_version_alone(folder: Path) -> None:
    before, version = contents(folder), read_version(folder)
    said = diptych("card", folder, "licence=CC BY 4.0", "limits=tried on streets only = no forests")
    assert said.code == 0, said.err
    assert f"version {version} is now {read_version(folder)}" in said.out
    assert read_version(folder) != version
    card = Translator.load(folder).card
    assert (card.licence, card.limits, card.author) == ("CC BY 4.0", "tried on streets only = no forests", NOT_STATED)
    assert "- Licence: CC BY 4.0\n" in (folder / "README.md").read_text()
    after = contents(folder)
    assert {name for name in before if before[name] != after.get(name)} == {CARD, SUMS, "README.md"}
    assert set(after) == set(before)


def test_words_can_be_added_and_taken_back(folder: Path) -> None:
    state(folder, {"author": "A", "licence": "B"})
    assert state(folder, {"author": ""}).words() == {"licence": "B"}


def test_all_that_can_be_said_is_named_in_the_card(folder: Path) -> None:
    card = state(folder, {name: f"the {name} in words" for name in WORDS})
    assert [name for name in WORDS if f"the {name} in words" not in card.to_markdown()] == []
    shown = diptych("card", folder).out
    assert [about for about in WORDS.values() if about not in shown] == []


@pytest.mark.parametrize(
    ("words", "fault"),
    [(["license=MIT"], "did you mean licence"), (["licence"], "licence='...'"), (["method=spade"], "is not an option")],
)
def test_other_words_are_named_and_change_nothing(words: list[str], fault: str, folder: Path) -> None:
    before = contents(folder)
    said = diptych("card", folder, *words)
    assert said.code == 2
    assert fault in said.err
    assert contents(folder) == before


def test_a_card_from_before_there_were_such_words_still_loads(folder: Path) -> None:
    old = json.loads((folder / CARD).read_text())
    for name in ("author", "data_origin", "excluded_use", "limits"):
        del old[name]
    (folder / CARD).write_text(json.dumps(old | {"schema_version": 1}))
    files = {name: (folder / name).read_bytes() for name in (CARD, WEIGHTS)}
    (folder / SUMS).write_text(manifest(files))
    assert inspect_card(folder).words() == {}
    assert state(folder, {"limits": "many"}).words() == {"limits": "many"}
    assert json.loads((folder / CARD).read_text())["schema_version"] == SCHEMA_VERSION


def test_where_the_disk_is_full_the_model_stays_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(folder)

    def full(path: Path, text: str) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_folder, "write_text", full)
    with pytest.raises(StorageError, match="No space left"):
        state(folder, {"licence": "MIT"})
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_where_links_are_impossible_files_are_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError(1, "Operation not permitted")))
    state(folder, {"licence": "MIT"})
    assert Translator.load(folder).card.licence == "MIT"


def test_a_folder_with_other_things_in_it_is_left_alone(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="something else"):
        state(folder, {"licence": "MIT"})
    with pytest.raises(ConfigError):
        state(folder, {"colour": "red"})


def test_a_training_that_goes_on_keeps_the_words(tmp_path: Path) -> None:
    given, out = recipe(side_by_side(tmp_path / "pairs", side=64), images=4, validate_every=2), tmp_path / "run"
    train(given, out)
    state(out / "last", {"licence": "MIT"})
    (out / DONE).unlink()
    assert "going on at 4 of 4 images" in train(given, out)
    assert inspect_card(out / "last").licence == "MIT"
