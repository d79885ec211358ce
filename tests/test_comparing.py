"""Two models on the same images, and folders of results that another program made."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from models import model, with_ends
from pictures import noise, save, side_by_side, two_folders
from test_photo_tasks import translator as of_task

from diptych import Translator, images
from diptych.metrics.interval import share

COUNT = 12


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_folders(tmp_path_factory.mktemp("pairs"), count=COUNT, side=32, split="test", channels=(3, 3))


def targets(pairs: Path) -> dict[str, np.ndarray]:
    return {path.stem: images.read(path).array for path in sorted((pairs / "test" / "photo").iterdir())}


def results(place: Path, pairs: Path, error: float, *, seed: int = 0, named: str = "{name}") -> Path:
    """The targets with noise of that deviation."""
    rng = np.random.default_rng(seed)
    for name, array in targets(pairs).items():
        wrong = array + rng.normal(0, error, array.shape) + rng.normal(0, error / 4)
        save(place / f"{named.replace('{name}', name)}.png", wrong.clip(0, 255).round().astype(np.uint8))
    return place


def named(place: Path, source: str, target: str) -> Path:
    """A model with other names of its domains."""
    made = Translator.load(place)
    ends = {"source": made.card.source.model_copy(update={"name": source})}
    ends["target"] = made.card.target.model_copy(update={"name": target})
    made.card = with_ends(made.card, **ends)
    return made.save(place)


def compared(*arguments: object) -> dict:
    said = diptych("compare", *arguments, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_the_better_one_is_named_with_an_interval_of_the_difference(pairs: Path, tmp_path: Path) -> None:
    near, far = results(tmp_path / "near", pairs, 4), results(tmp_path / "far", pairs, 24)
    found = compared(near, far, "--data", pairs, "--out", tmp_path / "out")
    psnr, l1 = found["metrics"]["psnr"], found["metrics"]["l1"]
    rows = found["pictures"]
    apart = [row["first"]["psnr"] - row["second"]["psnr"] for row in rows]
    assert psnr["value"] == pytest.approx(np.mean(apart))
    assert psnr["value"] == pytest.approx(psnr["first"] - psnr["second"])
    assert 0 < psnr["low"] < psnr["value"] < psnr["high"]
    assert l1["low"] < l1["value"] < l1["high"] < 0, "less is better"
    assert psnr["surely"] == l1["surely"] == "near"
    assert psnr["wins"][0] == l1["wins"][0] == 1
    turned = compared(far, near, "--data", pairs, "--out", tmp_path / "out")["metrics"]["psnr"]
    assert (turned["value"], turned["surely"], turned["wins"][0]) == (pytest.approx(-psnr["value"]), "near", 0)
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "far against near" in page
    assert page.count("<img ") == 4 * COUNT


def test_the_difference_is_surer_than_the_means_where_both_find_the_same_hard(pairs: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, array in targets(pairs).items():
        hard = rng.uniform(2, 60)
        for place, more in (("one", 0.0), ("other", 1.5)):
            wrong = array + np.where(np.indices(array.shape).sum(axis=0) % 2, 1, -1) * (hard + more)
            save(tmp_path / place / f"{name}.png", wrong.clip(0, 255).round().astype(np.uint8))
    l1 = compared(tmp_path / "one", tmp_path / "other", "--data", pairs, "--out", tmp_path)["metrics"]["l1"]
    alone = json.loads(diptych("evaluate", tmp_path / "one", "--data", pairs, "--out", tmp_path, "--json").out)
    mean = alone["metrics"]["l1"]
    assert l1["high"] - l1["low"] < (mean["high"] - mean["low"]) / 4
    assert l1["surely"] == "one"
    assert mean["low"] < l1["second"] < mean["high"], "which the means alone would not tell"


def test_equal_ones_are_told_apart_by_nothing(pairs: Path, tmp_path: Path) -> None:
    one = results(tmp_path / "one" / "run", pairs, 8)
    found = compared(one, results(tmp_path / "other" / "run", pairs, 8), "--data", pairs, "--out", tmp_path)
    assert (found["first"], found["second"]) == ("one/run", "other/run")
    for score in found["metrics"].values():
        assert (score["value"], score["low"], score["high"], score["surely"]) == (0, 0, 0, "")
        assert score["wins"][0] == 0.5
    said = diptych("compare", one, one, "--data", pairs, "--out", tmp_path)
    assert "run (1) against run (2)" in said.out
    assert "neither is surely better; run (1) is ahead on 50 % of the pictures" in said.out


def test_a_models_results_score_as_the_model_does(pairs: Path, tmp_path: Path) -> None:
    made = model(tmp_path / "made")
    assert diptych("translate", made, pairs / "test" / "label", "--out", tmp_path / "results").code == 0
    scores = [
        json.loads(diptych("evaluate", one, "--data", pairs, "--out", tmp_path / "out", "--json").out)
        for one in (made, tmp_path / "results")
    ]
    assert scores[0]["metrics"] == scores[1]["metrics"]
    assert scores[0]["pictures"] == scores[1]["pictures"]
    said = diptych("evaluate", made, "--data", pairs, "--out", tmp_path / "out", "--csv", tmp_path / "scores.csv")
    assert said.code == 0, said.err
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{"name": row.pop("picture"), **{name: float(value) for name, value in row.items()}} for row in rows] == (
        scores[0]["pictures"]
    )
    found = compared(made, tmp_path / "results", "--data", pairs, "--out", tmp_path / "out", "--limit", 5)
    assert len(found["pictures"]) == 5
    assert found["metrics"]["psnr"]["value"] == 0


def test_few_pictures_tell_nothing_surely(pairs: Path, tmp_path: Path) -> None:
    sides = [results(tmp_path / str(error), pairs, error) for error in (2, 40)]
    few, enough = (compared(*sides, "--data", pairs, "--out", tmp_path, "--limit", count) for count in (5, 6))
    assert (few["metrics"]["psnr"]["surely"], enough["metrics"]["psnr"]["surely"]) == ("", "2")
    said = diptych("compare", *sides, "--data", pairs, "--out", tmp_path, "--limit", 1)
    assert "neither is surely better, of 1 pictures; 2 is ahead on 100 % of the pictures" in said.out


def test_models_of_two_targets_are_not_compared(tmp_path: Path) -> None:
    data = two_folders(tmp_path / "data", count=3, side=32, split="test", channels=(3, 3))
    one, other = (
        named(model(tmp_path / f"{target} maker"), source, target)
        for source, target in (("label", "photo"), ("photo", "label"))
    )
    said = diptych("compare", one, other, "--data", data, "--out", tmp_path)
    assert said.code == 2
    assert "photo maker makes photo and label maker makes label: compare two that make the same" in said.err


def test_models_that_are_given_other_sources_are_not_compared(pairs: Path, tmp_path: Path) -> None:
    one, other = (of_task(task).save(tmp_path / task) for task in ("denoise", "dejpeg"))
    said = diptych("compare", one, other, "--data", pairs, "--out", tmp_path)
    assert said.code == 2
    assert "their tasks are dejpeg and denoise: compare two models that are given the same" in said.err


def test_results_are_found_by_their_sources_names(pairs: Path, tmp_path: Path) -> None:
    other = results(tmp_path / "other", pairs, 8, named="{name}_fake_B")
    results(other, pairs, 0, named="{name}_real_B")
    said = diptych("evaluate", other, "--data", pairs, "--out", tmp_path, "--named", "{name}_fake_B", "--json")
    assert json.loads(said.out)["metrics"]["l1"]["value"] > 0
    first = next(iter(targets(pairs)))
    for arguments, words in {
        (): f"no {first} for the source {first} and {COUNT - 1} more; there are {first}_fake_B",
        ("--named", "fake"): "say with {name} where the source's name stands",
        ("--to", "x"): "--to is for a model",
        ("--split", "train"): "has no train split",
    }.items():
        said = diptych("evaluate", other, "--data", pairs, "--out", tmp_path, *arguments)
        assert said.code == 2
        assert words in said.err
    save(other / f"{first}_fake_B.bmp", noise(32, 32, 3))
    said = diptych("evaluate", other, "--data", pairs, "--out", tmp_path, "--named", "{name}_fake_B")
    assert f"{first}_fake_B.png are both {first}_fake_B" in said.err
    (tmp_path / "empty").mkdir()
    assert "holds no pictures" in diptych("evaluate", tmp_path / "empty", "--data", pairs, "--out", tmp_path).err


def test_results_of_another_size_are_brought_to_the_size_that_is_asked_for(pairs: Path, tmp_path: Path) -> None:
    for name, array in targets(pairs).items():
        save(tmp_path / "half" / f"{name}.png", images.resize(array, 16, 16))
    said = diptych("evaluate", tmp_path / "half", "--data", pairs, "--out", tmp_path)
    assert said.code == 2
    assert "--size" in said.err
    said = diptych("evaluate", tmp_path / "half", "--data", pairs, "--out", tmp_path, "--size", 16, "--json")
    assert json.loads(said.out)["metrics"]["l1"]["value"] == 0


def test_what_has_no_pairs_is_scored_as_sets_and_not_compared(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number in range(6):
        for side in ("trainA", "trainB", "testA", "testB"):
            save(data / side / f"{side}{number}.png", noise(32, 32, 3, seed=number))
        save(tmp_path / "results" / f"testA{number}.png", noise(32, 32, 3, seed=number + 1))
    said = diptych("evaluate", tmp_path / "results", "--data", data, "--out", tmp_path, "--json")
    assert said.code == 0, said.err
    assert "fd_squeezenet" in {**json.loads(said.out)["metrics"], **json.loads(said.out)["left_out"]}
    said = diptych("compare", tmp_path / "results", tmp_path / "results", "--data", data, "--out", tmp_path)
    assert said.code == 2
    assert "the test split has no pairs" in said.err


def test_side_by_side_pairs_have_results_as_well(tmp_path: Path) -> None:
    data = side_by_side(tmp_path / "data", count=4, side=32, split="test")
    for path in (data / "test").iterdir():
        save(tmp_path / "results" / path.name, images.read(path).array[:, 32:])
    said = diptych("evaluate", tmp_path / "results", "--data", data, "--out", tmp_path, "--json")
    assert json.loads(said.out)["metrics"]["l1"]["value"] == 0


def test_the_interval_of_a_share_is_wilsons() -> None:
    """Its ends are the shares from which the one that was seen is 1.96 of their own standard errors away."""
    z = 1.959963984540054
    for seen, count in ((0.8, 10), (0.5, 7), (0.0, 10), (1.0, 24), (0.125, 4)):
        ends = np.roots([1 + z * z / count, -2 * seen - z * z / count, seen * seen])
        assert share(seen, count) == pytest.approx(sorted(ends.real), abs=1e-9)
