"""Models one after the other are one model: used, served and described as any other."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import clips
import numpy as np
import pytest
from commands import diptych
from odd.worded import Worded
from pictures import noise, save
from test_photo_tasks import translator

from diptych import Translator, images
from diptych.errors import ConfigError, ModelError
from diptych.export import Report, export_model, open_exported
from diptych.export.acceleration import open_translator
from diptych.inference.tiff import translate_large
from diptych.inference.video import translate_video
from diptych.methods import find
from diptych.model.card import Domain
from diptych.model.chain import chain
from diptych.model.controls import Form
from diptych.model.folder import inspect_card
from diptych.serve.engine.worker import Batch, Done, Models, Plan, answer
from diptych.testing import bundle


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    place = tmp_path_factory.mktemp("parts")
    first, second = translator("colorize"), translator("enlarge")
    first.card.licence, first.card.limits, second.card.licence = "CC0", "no people", "CC0"
    return [first.save(place / "colorize"), second.save(place / "enlarge")]


@pytest.fixture(scope="module")
def made(parts: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("chain") / "chain"
    said = diptych("chain", *parts, "--out", out)
    assert said.code == 0, said.err
    return out


def after_another(parts: list[Path], picture: np.ndarray) -> np.ndarray:
    for part in parts:
        picture = Translator.load(part)(picture).array
    return picture


def test_it_gives_what_its_models_give_after_another_by_every_way(
    made: Path, parts: list[Path], tmp_path: Path
) -> None:
    picture = noise(40, 48, 1)
    expected = after_another(parts, picture)
    assert expected.shape == (80, 96, 3)
    model = Translator.load(made)
    assert np.array_equal(model(picture).array, expected)
    batch = [picture, noise(20, 24, 1), picture]
    assert [one.array.shape for one in model.many(batch, batch=2)] == [(80, 96, 3), (40, 48, 3), (80, 96, 3)]
    source = save(tmp_path / "a.png", picture)
    said = diptych("translate", made, source, "--out", tmp_path / "b.png")
    assert said.code == 0, said.err
    assert np.array_equal(images.read(tmp_path / "b.png").array, expected)
    models = Models(Plan({"m": made}, provenance=False))
    with ThreadPoolExecutor(1) as pool:
        (served,) = answer(models, Batch("m", [source.read_bytes()], {}, None), pool)
    assert isinstance(served, Done)
    assert np.array_equal(images.read(served.data).array, expected)
    clips.write(tmp_path / "in.mp4", count=3, size=(48, 32), sound=None)
    translate_video(model, tmp_path / "in.mp4", tmp_path / "out.mp4", controls={}, batch=2, quality=1)
    assert clips.read(tmp_path / "out.mp4").frames[0].shape[:2] == (64, 96)


def test_its_card_joins_what_is_said_of_its_models(made: Path) -> None:
    card = inspect_card(made)
    assert [part.task for part in card.parts] == ["colorize", "enlarge"]
    assert card.scale == 2
    assert card.licence == "CC0", "said once, where all say the same"
    assert card.limits == "1: no people; 2: not stated"
    assert diptych("info", made).code == 0


def test_it_has_the_controls_of_its_models_each_by_its_name(tmp_path: Path) -> None:
    one = bundle(Worded, {}).save(tmp_path / "one")
    other = bundle(Worded, {}).save(tmp_path / "other")
    chain([one, other], tmp_path / "chain")
    model = Translator.load(tmp_path / "chain")
    assert {"caption", "mood", "caption_2", "mood_2"} <= model.controls.keys()
    picture = noise(32, 32, 3)
    expected = Translator.load(other)(Translator.load(one)(picture, mood="no"), caption="night").array
    assert np.array_equal(model(picture, mood="no", caption_2="night").array, expected)
    form = Form(model.method, model.card)
    assert form.read({"mood": "no", "caption_2": "night"}) == {"mood": "no", "caption_2": "night"}
    with pytest.raises(ConfigError, match="mood_2"):
        form.read({"mood_2": "maybe"})
    with pytest.raises(ConfigError, match="moody is not an option"):
        model(picture, moody="no")


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (Domain(name="b", channels=5), "the numbers of channels differ"),
        (Domain(name="b", channels=3, dtype="uint16", high=4095), ""),
        (Domain(name="b", channels=3, dtype="float32", low=-1000, high=1000), "their values mean other things"),
    ],
)
def test_models_that_do_not_fit_are_refused_by_name(second: Domain, message: str, tmp_path: Path) -> None:
    one = translator("dejpeg").save(tmp_path / "one")
    options = {"width": 4, "levels": 2, "detail": 4, "network": "none", "source_channels": second.channels}
    other = bundle(find("paired"), options)
    domains = [second, Domain(name="c", channels=3)]
    card = other.card.model_copy(update={"domains": domains, "directions": [(second.name, "c")]})
    place = Translator(other.method, card, device="cpu").save(tmp_path / "other")
    said = diptych("chain", one, place, "--out", tmp_path / "chain")
    assert said.code == (2 if message else 0), said.err
    assert message in said.err


@pytest.fixture(scope="module")
def exported(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("exported") / "old.json"
    said = diptych("export", made, "--to", "openvino", "--out", file)
    assert said.code == 0, said.err
    assert "old-1.xml, old-2.xml, old-1.xml.parity.json" in said.out
    return file


def test_exported_it_gives_what_the_folder_gives(exported: Path, made: Path, parts: list[Path], tmp_path: Path) -> None:
    picture = noise(40, 48, 1)
    expected = after_another(parts, picture)
    source = save(tmp_path / "a.png", picture)
    said = diptych("translate", exported, source, "--out", tmp_path / "b.png")
    assert said.code == 0, said.err
    assert np.abs(images.read(tmp_path / "b.png").array.astype(int) - expected).max() <= 1
    assert Translator.load(made).version == open_exported(exported).version


def test_it_is_served_in_another_runtime(
    exported: Path, made: Path, parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def export(translator: Translator, runtime: str, place: Path, controls: dict[str, Any]) -> None:
        asked.append(place)
        shutil.copytree(exported.parent, place.parent)
        shutil.copy(exported, place)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("diptych.export.acceleration.export_model", export)  # which takes seconds, and has been tried
    picture = noise(40, 48, 1)
    for _ in range(2):  # made, and found
        model = open_translator(made, "openvino")
        assert np.abs(model(picture).array.astype(int) - after_another(parts, picture)).max() <= 1
    assert [place.suffix for place in asked] == [".json"]


def test_exported_files_that_do_not_belong_together_are_refused(exported: Path, tmp_path: Path) -> None:
    def copied(name: str) -> Path:
        return shutil.copytree(exported.parent, tmp_path / name) / exported.name

    missing = copied("missing")
    missing.with_name("old-2.xml").unlink()
    swapped = copied("swapped")
    shutil.copy(swapped.with_name("old-1.xml"), swapped.with_name("old-2.xml"))
    shutil.copy(swapped.with_name("old-1.bin"), swapped.with_name("old-2.bin"))
    astray = copied("astray")
    astray.write_text(astray.read_text().replace('"old-1.xml"', '"../missing/old-1.xml"'))
    other = copied("other")
    other.write_text('{"a": 1}')
    for file, words in {
        missing: "old-2.xml is missing",
        swapped: "old-2.xml is not the one that the chain was made with",
        astray: "is not a file beside it",
        other: "is no exported chain",
        tmp_path / "none.json": "cannot be read",
    }.items():
        said = diptych("translate", file, tmp_path / "a.png", "--out", tmp_path / "b.png")
        assert said.code == 2
        assert words in said.err


def test_an_export_that_fails_leaves_no_file(
    exported: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def second_fails(part: Translator, runtime: str, place: Path, controls: dict[str, Any]) -> Report:
        if place.stem.endswith("-2"):
            raise ModelError("no")
        for name in (place.name, f"{place.stem}.bin", f"{place.name}.parity.json"):
            shutil.copy(exported.parent / name, place.with_name(name))
        return Report(place.name, "", runtime, {}, [], 1.0)

    monkeypatch.setattr("diptych.export.chains.export_graph", second_fails)
    with pytest.raises(ModelError, match="no"):
        export_model(Translator.load(made), "openvino", tmp_path / "old.json", {})
    assert list(tmp_path.iterdir()) == []


def test_what_a_chain_is_not_for_is_said(made: Path, parts: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two models or more"):
        chain(parts[:1], tmp_path / "a")
    with pytest.raises(ConfigError, match="is a chain itself"):
        chain([made, parts[1]], tmp_path / "a")
    with pytest.raises(ModelError, match="holds no translator"):
        chain([parts[0], tmp_path / "nothing"], tmp_path / "a")
    model = Translator.load(made)
    for command in (["bench", made, "--only", "plain"], ["models", "pack", made, "--half", "--out", tmp_path / "half"]):
        said = diptych(*command)
        assert said.code == 2, said.out
        assert "one by one" in said.err
    with pytest.raises(ConfigError, match=r"several files, and the one that names them ends in \.json"):
        export_model(model, "onnx", tmp_path / "m.onnx", {})
    large = save(tmp_path / "large.tif", noise(40, 48, 1))
    with pytest.raises(ConfigError, match="looks at the whole of a picture"):
        translate_large(model, large, tmp_path / "out.tif", {})
