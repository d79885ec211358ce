"""Value ranges by policy: numbers, percentiles of the training, a unit; kept in the card, and undone in results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from pictures import noise, save
from scans import same

from diptych import Translator, images
from diptych.data import check, open_data
from diptych.data.ranges import Policy, parse
from diptych.errors import ConfigError, DataError

TINY = ["method.width=4", "method.levels=2", "method.network=none", "method.discriminator_width=4", "data.size=32"]
SHORT = ["data.val=0.3", "train.images=4", "train.batch=2"]


def scans(root: Path, suffix: str = "tif") -> Path:
    """Heights of 0 to 100 with a few far away, to Hounsfield units."""
    for number in range(5):
        rng = np.random.default_rng(number)
        height = rng.uniform(0, 100, (32, 32, 1)).astype(np.float32)
        height[0, :2] = 30000
        height[5:13] = np.nan
        save(root / "train" / "height" / f"{number}.{suffix}", height)
        save(root / "train" / "ct" / f"{number}.{suffix}", rng.integers(-2000, 3000, (32, 32, 1)).astype(np.int16))
    return root


def test_what_is_written_is_what_is_meant() -> None:
    assert parse("a", [0, 900]) == Policy(0, 900)
    assert parse("a", "p1-p99") == Policy(1, 99, percents=True)
    assert parse("a", "p0.5-p100") == Policy(0.5, 100, percents=True)
    assert parse("a", "hu:-1000,1000") == parse("a", " HU : -1e3, 1000. ") == Policy(-1000, 1000, unit="HU")
    assert parse("a", "m/s:0,5.5") == Policy(0, 5.5, unit="m/s")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("p99-p1", "write the smaller number first"),
        ("p1-p101", "percentiles lie between p0 and p100"),
        ("hu:5,5", "write the smaller number first"),
        ("1-99", r"is no range: write \[0,900\], p1-p99, or hu:-1000,1000"),
        ("hu", "is no range"),
        ([3, 1], r"data\.ranges\.a=\[3,1\] is no range: write the smaller number first"),
    ],
)
def test_what_means_no_range_is_refused(given: str | list[float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse("a", given)


def test_percentiles_are_those_of_the_training_without_what_holds_nothing(tmp_path: Path) -> None:
    data = open_data(folder=str(scans(tmp_path)), direction="height2ct", size=32, val=0, ranges={"height": "p10-p90"})
    low, high = data.range[0]
    assert 7 < low < 13
    assert 87 < high <= 100
    assert data.range[1] != data.range[0]
    source = next(data.pairs("train"))[1].array
    assert source.min() >= np.float32(low)
    assert source.max() <= np.float32(high)


def test_a_check_looks_at_what_has_nothing_in_places(tmp_path: Path) -> None:
    found = check(str(scans(tmp_path)))
    assert "30000 in" in found.to_text()
    assert not found.faults


def test_a_unit_that_pictures_cannot_have_is_refused(tmp_path: Path) -> None:
    for side in ("a", "b"):
        for number in range(2):
            save(tmp_path / side / f"{number}.png", noise(16, 16, 1, "uint16"))
    with pytest.raises(ConfigError, match=r"data\.ranges\.b: its pictures are uint16, .* no Hounsfield units"):
        open_data(folder=str(tmp_path), size=16, ranges={"b": "hu:-1000,1000"})
    for number in range(2):
        save(tmp_path / "b" / f"{number}.png", np.full((16, 16, 1), 7, np.uint16))
    with pytest.raises(ConfigError, match=r"both are 7 in the training pictures: take percentiles further apart"):
        open_data(folder=str(tmp_path), size=16, ranges={"b": "p1-p99"})


def test_a_training_keeps_them_and_results_have_their_unit(tmp_path: Path) -> None:
    folder = scans(tmp_path / "data")
    ranges = ["data.ranges.height=p1-p99", "data.ranges.ct=hu:-1000,1000"]
    given = ["train", "paired", "--data", folder, "--direction", "height2ct", "--out", tmp_path / "run"]
    said = diptych(*given, *TINY, *SHORT, *ranges)
    assert said.code == 0, said.err
    made = Translator.load(tmp_path / "run")
    source, target = made.card.source, made.card.target
    assert (target.low, target.high, target.unit, target.chosen) == (-1000, 1000, "HU", True)
    assert 0 <= source.low < 5 < 90 < source.high <= 100
    assert "values -1000 to 1000 HU" in made.card.to_markdown()
    picture = folder / "train" / "height" / "0.tif"
    said = diptych("translate", tmp_path / "run", picture, "--out", tmp_path / "ct.tif")
    assert said.code == 0, said.err
    assert f"outside the model's range, {source.low:g} to {source.high:g}" in said.err
    result = images.read(tmp_path / "ct.tif").array
    assert result.dtype == np.int16
    assert -1000 <= result.min() <= result.max() <= 1000
    assert result.max() > 1 or result.min() < -1
    said = diptych("evaluate", tmp_path / "run", "--data", folder, "--split", "train", "--metric", "psnr")
    assert said.code == 0, said.err


def test_beyond_a_range_that_was_chosen_a_picture_is_cut_and_not_refused() -> None:
    made = same("float32", -1, 1)
    with pytest.raises(DataError, match="has 100% of its pixels outside"):
        made(np.full((16, 16), 5, np.float32))
    made.card.source.chosen = True
    made.card.source.unit = "HU"
    picture = made(np.full((16, 16), 5, np.float32))
    assert picture.notes == ("100 % of the pixels lie outside the model's range, -1 to 1 HU, and are cut off",)
    assert (picture.array == 1).all()
