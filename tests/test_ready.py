"""Ready models are used by their names, from anywhere; a name that is wrong or means two things gets words."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from commands import diptych
from models import model, picture

from diptych import Translator
from diptych.cli.ready import at_hand
from diptych.errors import ModelError
from diptych.methods import find
from diptych.model import ready
from diptych.model.folder import CARD, WEIGHTS, examples, inspect_card, load_method, manifest, read_version, state
from diptych.nn.hollow import hollow
from diptych.serve.engine.versions import named
from diptych.storage.files import SUMS
from diptych.training.recipe import resolve

RECIPES = Path(__file__).parents[1] / "recipes" / "ready"
MOST = 22_000_000
"""Bytes of all ready models together."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the ready models are, one called moths; the user is elsewhere."""
    installed = tmp_path / "installed"
    model(installed / "moths")
    monkeypatch.setattr(ready, "HERE", installed)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("a.png").write_bytes(picture())
    return installed


def test_those_that_come_with_the_package_are_whole_and_together_small() -> None:
    for name in (path.parent.name for path in ready.HERE.glob("*/card.json")):
        card = inspect_card(Path(f"{ready.MARK}{name}"))
        assert (card.licence, card.scores, card.data_origin) != ("not stated", {}, "not stated"), name
        assert examples(ready.folders()[name]), name
    assert sum(path.stat().st_size for path in ready.HERE.rglob("*") if path.is_file()) < MOST


def test_each_has_a_recipe_and_all_that_have_one_are_together_small() -> None:
    size = 0
    for path in RECIPES.glob("*.yaml"):
        recipe = resolve(yaml.safe_load(path.read_text()))
        with hollow():
            method = find(recipe.name)(**recipe.method)
        size += sum(2 * weight.numel() for part in method.keep for weight in getattr(method, part).parameters())
    assert size < 0.95 * MOST  # examples and previews take the rest
    assert set(ready.folders()) <= {path.stem for path in RECIPES.glob("*.yaml")}


def test_they_are_listed_with_size_licence_score_and_what_to_type(place: Path) -> None:
    score = {"value": 0.5, "low": 0.4, "high": 0.6, "count": 3}
    change_card(place / "moths", licence="CC0", scores={"psnr": score, "ssim": score})
    said = diptych("models").out
    assert "moths: the source to the target, by pix2pix" in said
    assert "MB; licence: CC0; ssim 0.5000\n" in said
    assert f"diptych translate moths {place / 'moths' / 'example-1.png'}" in said


def change_card(folder: Path, **changes: object) -> None:
    (folder / CARD).write_text(json.dumps(json.loads((folder / CARD).read_text()) | changes))
    (folder / SUMS).write_text(manifest({name: (folder / name).read_bytes() for name in (CARD, WEIGHTS)}))


def test_a_damaged_one_is_named_in_the_list_and_hides_no_other(place: Path) -> None:
    model(place / "bees")
    (place / "bees" / "weights.safetensors").write_bytes(b"")
    said = diptych("models")
    assert said.code == 0
    assert "bees: " in said.out
    assert "sha256 differs" in said.out
    assert "moths: the source" in said.out


def test_without_any_the_list_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "HERE", tmp_path)
    assert "no ready model is installed" in diptych("models").out


def test_a_picture_is_translated_by_name_as_by_the_folder(place: Path) -> None:
    said = diptych("translate", "moths", "a.png", "--out", "by-name")
    assert said.code == 0, said.err
    assert diptych("translate", place / "moths", "a.png", "--out", "by-folder").code == 0
    assert Path("by-name/a.png").exists()
    translated = [Translator.load(given)("a.png").array for given in ("moths", "ready:moths", place / "moths")]
    assert all(np.array_equal(translated[0], each) for each in translated)


@pytest.mark.parametrize(
    "command",
    [("info", "moths"), ("bench", "moths", "--size", 32, "--rounds", 1, "--only", "plain"), ("card", "moths")],
)
def test_other_commands_take_the_name_too(command: tuple[object, ...], place: Path) -> None:
    said = diptych(*command)
    assert said.code == 0, said.err


def test_what_a_command_writes_is_called_after_the_model_alone(place: Path) -> None:
    assert at_hand(Path("ready:moths")) == at_hand(Path("moths")) == place / "moths"


def test_a_server_takes_names_and_calls_models_by_them(place: Path) -> None:
    assert named(["moths", "other=ready:moths"]) == {"moths": place / "moths", "other": place / "moths"}


def test_a_training_begins_from_a_ready_model(place: Path) -> None:
    assert next(load_method("moths").parameters()).abs().sum() > 0


@pytest.mark.parametrize("given", ["mots", "ready:mots"])
def test_a_mistyped_name_is_answered_with_the_nearest(given: str, place: Path) -> None:
    said = diptych("translate", given, "a.png")
    assert said.code == 2
    assert "did you mean 'moths'?" in said.err
    with pytest.raises(ModelError, match="did you mean 'moths'"):
        Translator.load(given)


def test_a_name_unlike_all_is_answered_with_all(place: Path) -> None:
    assert "there are: moths" in diptych("info", "spaceship").err


def test_a_path_is_never_taken_for_a_name(place: Path) -> None:
    said = diptych("info", Path("there") / "moths")
    assert said.code == 2
    assert "ready" not in said.err


def test_a_models_folder_of_the_same_name_wins_and_that_is_said(place: Path) -> None:
    model(Path("moths"), seed=7)
    said = diptych("info", "moths")
    assert said.code == 0
    assert "moths means the folder of that name here; the ready model is ready:moths" in said.err
    assert read_version("moths") == read_version(Path.cwd() / "moths") != read_version("ready:moths")
    assert diptych("info", "ready:moths").err == ""


def test_a_folder_of_the_same_name_without_a_model_is_no_reason_to_guess(place: Path) -> None:
    Path("moths").mkdir()
    said = diptych("translate", "moths", "a.png")
    assert said.code == 2
    assert "moths holds no translator" in said.err
    assert "the ready model of this name is ready:moths" in said.err


def test_without_a_picture_an_example_is_named(place: Path) -> None:
    said = diptych("translate", "moths")
    assert said.code == 2
    assert f"one that comes with the model: {place / 'moths' / 'example-1.png'}" in said.err


def test_what_is_said_of_a_ready_model_is_said_of_a_copy(place: Path) -> None:
    with pytest.raises(ModelError, match="diptych models pack"):
        state("moths", {"licence": "mine"})
    assert diptych("models", "pack", "moths", "--out", "mine").code == 0
    assert state("mine", {"licence": "mine"}).licence == "mine"


def test_an_installed_package_announces_models_and_is_not_imported(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    (site / "their_models").mkdir(parents=True)
    (site / "their_models" / "__init__.py").write_text("raise SystemExit('imported')")
    shutil.copytree(place / "moths", site / "their_models" / "bees")
    (site / "theirs-1.dist-info").mkdir()
    (site / "theirs-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    points = "[diptych.models]\nbees = their_models.bees\nmoths = their_models.bees\ngone = their_models.gone\n"
    (site / "theirs-1.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(site))
    assert ready.folders() == {"bees": site / "their_models" / "bees", "moths": place / "moths"}
    assert Translator.load("bees").card.method == "pix2pix"
    assert "their_models" not in sys.modules


def test_a_ready_model_that_is_changed_is_refused(place: Path) -> None:
    weights = place / "moths" / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(ModelError, match="sha256 differs"):
        Translator.load("moths")
