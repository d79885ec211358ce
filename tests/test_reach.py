"""A value that lies far from all others sets the range of a whole training: it is named, with the option against it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from commands import diptych
from pictures import noise, save, side_by_side

from diptych import Translator
from diptych.data import open_data
from diptych.data.reach import reach
from diptych.errors import ConfigError

TINY = ("data.size=32", "method.generator=unet_32", "method.width=4", "method.discriminator_width=4", "data.val=0",
        "train.images=2", "speed.bf16=false")  # fmt: skip
LOWEST = float(np.finfo(np.float32).min)


def heights(seed: int, dtype: str = "float32") -> np.ndarray:
    """Hills of 40 to 900 metres."""
    y, x = np.mgrid[0:48, 0:48] / 48
    hills = 400 + 300 * np.sin(5 * x + seed) * np.cos(4 * y) + 20 * noise(48, 48, 1, "float32", seed)[..., 0]
    return hills.astype(dtype)[..., None]


def folder(root: Path, value: float | None, share: float, dtype: str = "float32", files: int = 2) -> Path:
    """Pictures and heights, of which `files` have `value` in a share of their pixels."""
    for i in range(8):
        array = heights(i, dtype)
        if value is not None and i < files:
            array.reshape(-1)[: max(1, round(share * array.size))] = value
        save(root / "height" / f"{i}.tif", array)
        save(root / "photo" / f"{i}.png", noise(48, 48, seed=i))
    return root


@pytest.mark.parametrize(
    ("value", "share", "dtype"),
    [
        (-9999, 0.2, "float32"), (-9999, 0.6, "float32"), (-9999, 0, "float32"), (LOWEST, 0.1, "float32"),
        (-LOWEST, 0.3, "float32"), (1e20, 0.02, "float32"), (65535, 0.1, "uint16"), (65535, 0, "uint16"),
        (-32768, 0.05, "float32"), (250000, 0, "float32"),
    ],
)  # fmt: skip
def test_no_data_or_a_hot_pixel_is_named_with_its_file_its_share_and_the_option(
    tmp_path: Path, value: float, share: float, dtype: str
) -> None:
    root = folder(tmp_path, value, share, dtype)
    said = diptych("data", "check", root).out
    notes = " ".join(open_data(folder=str(root), size=32, val=0).notes)
    for text in (said, notes):
        assert f"height: {value:g} in " in text
        assert "of 0.tif and in 1 other file" in text
        assert "data.ranges.height=[" in text
    low, high = json.loads(said.partition("data.ranges.height=")[2].partition(" ")[0])
    assert (-1 if dtype == "uint16" else 50) < low < high < 1100
    data = open_data(folder=str(root), size=32, val=0, ranges={"height": [low, high]})
    assert data.range[0] == (low, high)
    assert not any("data.ranges" in note for note in data.notes)
    batch = next(data.loader(seed=0, batch=4))
    assert data.tensors(("source", "target"), batch)["source"].abs().max() <= 1


@pytest.mark.parametrize("dtype", ["float32", "uint16"])
def test_of_plain_pictures_nothing_is_said_of_ranges(tmp_path: Path, dtype: str) -> None:
    root = folder(tmp_path, None, 0, dtype)
    assert "data.ranges" not in diptych("data", "check", root).out
    assert not any("data.ranges" in note for note in open_data(folder=str(root), size=32, val=0).notes)


@pytest.mark.parametrize("values", [np.array([0.0, 1.0]), np.array([0.0, 50.0, 100.0]), np.array([7.0])])
def test_masks_and_constants_have_nothing_that_lies_apart(values: np.ndarray) -> None:
    picture = values[np.arange(400) % len(values)].astype(np.float32).reshape(20, 20, 1)
    assert reach(picture).apart == ()
    assert reach(picture).inner == (values.min(), values.max())


def test_what_a_file_itself_calls_no_data_is_said(tmp_path: Path) -> None:
    root = folder(tmp_path, -9999, 0.2)
    for path in (root / "height").iterdir():
        array = tifffile.imread(path)
        tifffile.imwrite(path, array, extratags=[(42113, "s", 0, "-9999", True)])
    assert "which the file itself calls no data" in diptych("data", "check", root).out


def test_one_picture_of_another_depth_among_all_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path, None, 0, "uint16")
    for i in range(8, 12):
        save(root / "height" / f"{i}.tif", heights(i, "uint16") * (64 if i == 9 else 1))
        save(root / "photo" / f"{i}.png", noise(48, 48, seed=i))
    said = diptych("data", "check", root).out
    assert "height: 9.tif reaches from " in said
    assert "data.ranges.height=[0,1023]" in said


def test_a_range_is_cut_before_resizing_and_travels_with_the_model(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", -9999, 0.1, files=8)
    options = ("data.ranges.height=[0,900]", *TINY)
    said = diptych(
        "train", "pix2pix", "--data", root, "--direction", "photo2height", "--out", tmp_path / "run", *options
    )
    assert said.code == 0, said.err
    card = Translator.load(tmp_path / "run").card
    assert (card.target.low, card.target.high) == (0, 900)
    data = open_data(folder=str(root), size=32, val=0, ranges={"target": [0, 900]}, direction="photo2height")
    assert all(target.array.min() >= 0 for _, _, target in data.pairs("train"))
    scores = [
        json.loads(diptych("evaluate", tmp_path / "run", "--data", root, "--split", "train", "--json", *more).out)
        for more in ((), ("--direction", "photo2height"))
    ]
    assert scores[0]["metrics"]["psnr"]["value"] < 30, "scored in a range of 11000"
    again = diptych(
        "train", "pix2pix", "--data", root, "--direction", "photo2height", "--out", tmp_path / "run", *options
    )
    assert "this run is complete" in again.err


@pytest.mark.parametrize(
    ("ranges", "says"),
    [
        ({"depth": [0, 1]}, r"data\.ranges=depth is no side"),
        ({"left": [3, 1]}, r"data\.ranges\.left=\[3,1\] is no range"),
    ],
)
def test_a_range_of_no_side_or_upside_down_is_refused(
    tmp_path: Path, ranges: dict[str, list[float]], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        open_data(folder=str(side_by_side(tmp_path)), size=16, ranges=ranges)
