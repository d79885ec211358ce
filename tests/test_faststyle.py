"""One painting's style in one pass: learnt from photos alone, kept in the run, and on the card."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import diptych
from pictures import noise, save
from runs import train

from diptych.errors import ConfigError, DataError, WeightsError
from diptych.methods.faststyle import FastStyle
from diptych.model.folder import inspect_card
from diptych.model.translator import Translator
from diptych.nn.efficientnet import EfficientNetLite0
from diptych.nn.style import StyleTarget, content_distance, moments, roughness, style_distance
from diptych.options.recipes import read_recipe

SMALL = ("method.width=4", "method.blocks=1", "data.size=32", "train.batch=2", "speed.bf16=false")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("photos")
    for number in range(4):
        save(place / f"{number}.png", noise(40, 40, seed=number))
    return place


@pytest.fixture(scope="module")
def painting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("art") / "painting.png", noise(50, 60, seed=9))


@pytest.fixture(scope="module")
def run(photos: Path, painting: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    said = diptych("train", "faststyle", "--style", painting, "--data", photos, "--out", out, "train.images=4", *SMALL)
    assert said.code == 0, said.err
    return out


def test_photos_alone_and_a_painting_are_enough(run: Path) -> None:
    assert Translator.load(run)(noise(32, 48)).array.shape == (32, 48, 3)
    assert "G.style" in (run / "log.jsonl").read_text()


def test_the_card_names_the_painting_and_its_digest(run: Path, painting: Path) -> None:
    assert (
        inspect_card(run).data["style"] == f"painting.png, sha256 {hashlib.sha256(painting.read_bytes()).hexdigest()}"
    )


def test_the_translator_holds_the_generator_alone(run: Path) -> None:
    names = [name for name, _ in Translator.load(run).method.named_children()]
    assert names == ["g"]


def test_a_run_goes_on_without_the_painting_from_its_own_copy(run: Path, painting: Path, tmp_path: Path) -> None:
    mine = shutil.copy(painting, tmp_path / "mine.png")
    given = ("train", "faststyle", "--style", mine, "--data", read_recipe(run / "recipe.yaml")["data"]["folder"])
    assert diptych(*given, "--out", tmp_path / "run", "train.images=4", *SMALL).code == 0
    mine.unlink()
    said = diptych("train", "--resume", tmp_path / "run", "train.images=6")
    assert said.code == 0, said.err
    assert inspect_card(tmp_path / "run").images_seen == 6


def test_a_run_does_not_go_on_with_another_painting(run: Path, photos: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    other = save(tmp_path / "other.png", noise(50, 60, seed=10))
    said = diptych("train", "--resume", copy, "--style", other, "train.images=6")
    assert said.code == 2
    assert "not those that" in said.err


def test_without_a_painting_the_option_is_named(photos: Path, tmp_path: Path) -> None:
    said = diptych("train", "faststyle", "--data", photos, "--out", tmp_path / "run", "data.size=32")
    assert said.code == 2
    assert "name it by --style FILE" in said.err


def test_a_method_without_a_style_refuses_one(photos: Path, painting: Path, tmp_path: Path) -> None:
    said = diptych("train", "autoencoder", "--style", painting, "--data", photos, "--task", "itself", "data.size=32",
                   "--out", tmp_path / "run")  # fmt: skip
    assert said.code == 2
    assert "leave --style (data.style) out" in said.err


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_painting_that_cannot_be_read_is_named(content: bytes | None, photos: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.png"
    if content:
        wrong.write_bytes(content)
    given: dict[str, Any] = {"method": {"name": "faststyle", "width": 4, "blocks": 1},
                             "data": {"folder": str(photos), "style": str(wrong), "size": 32}}  # fmt: skip
    with pytest.raises(DataError, match=r"wrong\.png"):
        train(given, tmp_path / "run")


def test_without_weights_it_says_what_to_install(
    photos: Path, painting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diptych.storage.packages.installed", lambda name: [])
    monkeypatch.setenv("DIPTYCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    given: dict[str, Any] = {"method": {"name": "faststyle"},
                             "data": {"folder": str(photos), "style": str(painting), "size": 32}}  # fmt: skip
    with pytest.raises(WeightsError, match=r"pip install 'diptych\[deep\]'"):
        train(given, tmp_path / "run")


def test_a_network_is_needed_to_learn_and_not_to_paint() -> None:
    method = FastStyle(width=4, blocks=1, network="none")
    x = torch.zeros(1, 3, 32, 32)
    assert method.translate(x).shape == x.shape
    with pytest.raises(ConfigError, match=r"leave method\.network=none out"):
        next(method.steps(x, x))


def test_a_picture_is_no_distance_from_itself_and_its_mirror_image_is_near() -> None:
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 64, 64).cumsum(3) / 32 - 1
    painting = StyleTarget(EfficientNetLite0(blocks=11))
    painting.fill(picture)
    own, turned, other = (painting.distance(painting.look(x)) for x in (picture, picture.flip(2), -picture))
    assert own < 1e-8
    assert turned < other


def test_moments_are_means_and_covariances() -> None:
    x = torch.randn(2, 3, 8, 9, generator=torch.Generator().manual_seed(0))
    mean, covariance = moments(x)
    assert torch.allclose(mean, x.mean((2, 3)), atol=1e-6)
    wanted = torch.stack([torch.cov(one.flatten(1), correction=0) for one in x])
    assert torch.allclose(covariance, wanted, atol=1e-5)


def test_distances_are_shares_of_what_is_wanted() -> None:
    wanted = [moments(torch.rand(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)))]
    nothing = [(0 * one, 0 * other) for one, other in wanted]
    square = (wanted[0][0] ** 2).sum() + wanted[0][1][0].trace()
    assert style_distance(nothing, wanted).item() == pytest.approx(
        1 + float((wanted[0][0] ** 2).sum() / square), rel=1e-3
    )
    features = torch.rand(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    means = features.mean((2, 3), keepdim=True).expand_as(features)
    assert content_distance(features, features).item() == 0
    assert content_distance(means, features).item() == pytest.approx(1, rel=1e-3)


def test_a_flat_picture_has_no_roughness() -> None:
    assert roughness(torch.ones(1, 3, 4, 4)).item() == 0
    assert roughness(torch.eye(4)[None, None]).item() > 0
