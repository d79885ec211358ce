"""Values outside the range that a model knows are said, by their share, and refused where they are most."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import diptych
from models import with_ends
from odd.same import Same
from pictures import save
from torch import Tensor

from diptych import images
from diptych.errors import DataError
from diptych.evaluation.command import open_for, score
from diptych.methods import find
from diptych.model.translator import Translator
from diptych.serve.engine.worker import Batch, Done, Fault, Translation
from diptych.testing import bundle

SIDES: dict[str, dict[str, Any]] = {
    "12 bits": {"dtype": "uint16", "low": 0.0, "high": 4095.0, "channels": 1},
    "14 bits, colour": {"dtype": "uint16", "low": 0.0, "high": 16383.0, "channels": 3},
    "floats": {"dtype": "float32", "low": -2.0, "high": 7.5, "channels": 1},
    "floats to one": {"dtype": "float32", "low": 0.0, "high": 1.0, "channels": 3},
}


def of_range(method: type, side: dict[str, Any], **options: object) -> Translator:
    channels = {"source_channels": side["channels"], "target_channels": side["channels"]}
    made = bundle(method, {**options, **channels})
    sides = {name: getattr(made.card, name).model_copy(update=side) for name in ("source", "target")}
    return Translator(made.method, with_ends(made.card, **sides), device="cpu")


def scan(side: dict[str, Any], outside: float) -> np.ndarray:
    """A picture of 40x50 pixels; a share of them lies above the range, and as floats also below it."""
    array = np.full((40, 50, side["channels"]), side["high"], side["dtype"])
    array[: round(20 * outside), :, -1] = side["high"] + 1
    array[20 : 20 + round(20 * outside), :, 0] = side["low"] - 0.5 if side["dtype"] == "float32" else side["high"] + 9
    return array


@pytest.fixture(params=SIDES.values(), ids=SIDES)
def side(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


def said(side: dict[str, Any], share: str) -> str:
    return f"{share} of the pixels lie outside the model's range, {side['low']:g} to {side['high']:g}, and are cut off"


def test_the_share_is_noted_and_most_is_refused(side: dict[str, Any], tmp_path: Path) -> None:
    made = of_range(Same, side)
    assert made(scan(side, 0)).notes == ()
    assert made(scan(side, 0.25)).notes == (said(side, "25 %"),)
    assert made(scan(side, 0.5)).notes == (said(side, "50 %"),)
    with pytest.raises(DataError, match=r"the picture has 60% of its pixels outside the model's range, .*: scale its"):
        made(scan(side, 0.6))
    with pytest.raises(DataError, match=r"scan\.tif has 100% of its pixels outside"):
        made(save(tmp_path / "scan.tif", scan(side, 1)))
    one = scan(side, 0)
    one[3, 4] = side["high"] + 1
    assert made(one).notes == (said(side, "less than 1 %"),)


class Strict(Same):
    """Sees nothing beyond its range."""

    def translate(self, x: Tensor) -> Tensor:
        assert x.abs().max() <= 1
        return super().translate(x)


def test_a_network_sees_nothing_outside_its_range(side: dict[str, Any]) -> None:
    made = of_range(Strict, side)
    array = scan(side, 0.5)
    expected = array.clip(np.array(side["low"], array.dtype), np.array(side["high"], array.dtype))
    np.testing.assert_allclose(made(array).array, expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_all_numbers_of_a_type_and_other_types_are_never_outside(dtype: str) -> None:
    high = np.iinfo(dtype).max
    made = of_range(Same, {"dtype": dtype, "low": 0.0, "high": float(high), "channels": 1})
    assert made(np.full((16, 16), high, dtype)).notes == ()
    scans = of_range(Same, SIDES["12 bits"])
    assert scans(np.full((16, 16), 255, np.uint8)).array.max() == 4095


def test_a_server_says_it_and_refuses_the_picture(side: dict[str, Any]) -> None:
    files = [images.encode(scan(side, share), "TIFF") for share in (0, 0.25, 1)]
    with ThreadPoolExecutor(1) as pool:
        fine, some, most = Translation(of_range(Same, side), None, Batch("model", files, {}, None), 50, pool).outcomes()
    assert isinstance(fine, Done)
    assert fine.notes == ()
    assert isinstance(some, Done)
    assert some.notes == (said(side, "25 %"),)
    assert isinstance(most, Fault)
    assert most.blame == "picture"
    assert "100% of its pixels" in most.message


def test_an_evaluation_says_it_and_refuses_the_picture(side: dict[str, Any], tmp_path: Path) -> None:
    for number, share in enumerate((0, 0.25, 0.25)):
        for letter in "ab":
            save(tmp_path / "test" / letter / f"{number}.tif", scan(side, share))
    made = of_range(Same, side)
    found = score(made, open_for(made, str(tmp_path)), "test", answers=1, controls={})
    assert found.notes == {said(side, "25 %"): 2}
    assert f"{said(side, '25 %')} (of 2 pictures)" in found.to_text()
    assert found.to_dict()["notes"] == found.notes
    for letter in "ab":
        save(tmp_path / "test" / letter / "3.tif", scan(side, 1))
    with pytest.raises(DataError, match=r"^3: the picture has 100% of its pixels outside"):
        score(made, open_for(made, str(tmp_path)), "test", answers=1, controls={})


@pytest.mark.parametrize("large", [(), ("--limit-mp", 0.001)], ids=["whole", "large"])
def test_the_command_says_it_and_refuses_the_picture(
    large: tuple[object, ...], side: dict[str, Any], tmp_path: Path
) -> None:
    if large:
        pytest.importorskip("pyvips")
    small = {"code": 4, "width": 4, "downs": 2}
    of_range(find("autoencoder"), side, **small).save(tmp_path / "model")
    for name, share in {"fine": 0, "some": 0.25, "most": 0.75}.items():
        save(tmp_path / "in" / f"{name}.tif", scan(side, share))
    done = diptych("translate", tmp_path / "model", tmp_path / "in", *large, "--out", tmp_path / "out")
    assert done.code == 1
    assert f"some.tif: {said(side, '25 %')}" in done.err
    assert "most.tif has 75% of its pixels outside the model's range" in done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["fine.tif", "some.tif"]


def test_a_training_goes_on_where_what_it_validates_with_lies_outside(tmp_path: Path) -> None:
    for split, value in {"train": 4000, "val": 60000}.items():
        for number in range(3):
            for letter in "ab":
                array = np.full((32, 32, 1), value + number, np.uint16)
                save(tmp_path / "data" / split / letter / f"{number}.png", array)
    networks = ["method.generator=unet_32", "method.width=4", "method.discriminator_width=4", "data.size=32"]
    options = ["train.images=2", "train.batch=2", "train.best=l1", "method.discriminator_layers=1", "speed.bf16=false"]
    said = diptych("train", "pix2pix", "--data", tmp_path / "data", "--out", tmp_path / "run", *networks, *options)
    assert said.code == 0, said.err
