"""NaN or infinity from a network is an error that names image, model and remedy, and never a black picture."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import clips
import numpy as np
import pytest
import torch
from commands import diptych
from models import model
from odd.same import Same
from pictures import noise, save
from torch import Tensor

from diptych import images
from diptych.errors import OutputError
from diptych.evaluation.command import open_for, score
from diptych.inference.batch import translate_files
from diptych.inference.destinations import plan
from diptych.inference.tiff import translate_large
from diptych.inference.video import translate_video
from diptych.model.preparing import first_unsound
from diptych.model.translator import Translator
from diptych.runtime.speed import Speed
from diptych.serve.engine.worker import Batch, Done, Fault, Translation
from diptych.testing import bundle
from diptych.tiling import Tiling

TILES = Tiling("exact", size=32, halo=16, blend=8)
VALUES = {"nan": float("nan"), "inf": float("inf"), "-inf": -float("inf")}


class Overflowing(Same):
    """Gives no number for white pixels."""

    value = float("nan")

    def translate(self, x: Tensor) -> Tensor:
        return torch.where(x > 0.9, self.value, super().translate(x))


@pytest.fixture(params=VALUES.values(), ids=VALUES)
def overflowing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Translator]:
    monkeypatch.setattr(Overflowing, "value", request.param)

    def make(**options: object) -> Translator:
        made = bundle(Overflowing, {})
        return Translator(made.method, made.card, version="v7", device="cpu", **options)

    return make


def grey(value: int) -> np.ndarray:
    return np.full((48, 48, 3), value, np.uint8)


SAID = r"the network gives NaN or infinity, and no picture \(the source to the target, by .*, version v7\): take an "


def test_the_picture_is_named_whatever_the_batch(overflowing: Callable[..., Translator], tmp_path: Path) -> None:
    dark, white = save(tmp_path / "dark.png", grey(9)), save(tmp_path / "white.png", grey(255))
    with pytest.raises(OutputError, match=rf"white\.png: {SAID}"):
        overflowing()(white)
    with pytest.raises(OutputError, match=f"picture 1: {SAID}"):
        overflowing()(grey(255))
    for batch in (1, 2, 8):
        with pytest.raises(OutputError, match=f"picture 4: {SAID}") as error:
            list(overflowing().many([dark, grey(1), grey(2), grey(255), dark], batch=batch))
        assert error.value.number == 3
        with pytest.raises(OutputError, match=f"white.png: {SAID}"):
            list(overflowing().many([dark, grey(1), white, grey(255)], batch=batch))


def test_batches_of_tensors_are_looked_at_too(overflowing: Callable[..., Translator]) -> None:
    with pytest.raises(OutputError, match="NaN or infinity") as error:
        overflowing().batch(torch.stack([torch.zeros(3, 16, 16), torch.ones(3, 16, 16)]))
    assert error.value.number == 1


@pytest.mark.parametrize("mode", ["exact", "approximate"])
def test_tiles_are_looked_at_too(mode: str, overflowing: Callable[..., Translator]) -> None:
    made = overflowing(tiling=Tiling(mode, size=32, halo=16, blend=8))
    assert made(grey(9)).array.max() == 9
    with pytest.raises(OutputError, match=f"picture 1: {SAID}"):
        made(grey(255))


def test_large_tiffs_are_named_and_nothing_is_left(overflowing: Callable[..., Translator], tmp_path: Path) -> None:
    pytest.importorskip("pyvips")
    made = overflowing(tiling=TILES)
    with pytest.raises(OutputError, match=rf"white\.tif: {SAID}"):
        translate_large(made, save(tmp_path / "white.tif", grey(255)), tmp_path / "out" / "a.tif", made.checked({}))
    assert list((tmp_path / "out").iterdir()) == []


def test_of_many_files_the_others_are_written(overflowing: Callable[..., Translator], tmp_path: Path) -> None:
    for number, value in enumerate((1, 2, 255, 3)):
        save(tmp_path / "in" / f"{number}.png", grey(value))
    results = translate_files(overflowing(), plan([tmp_path / "in"], tmp_path / "out").jobs, controls={})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.png", "1.png", "3.png"]
    (fault,) = (result.fault for result in results if result.fault)
    assert "2.png could not be translated: the network gives NaN or infinity" in fault


def test_an_evaluation_names_the_picture(overflowing: Callable[..., Translator], tmp_path: Path) -> None:
    for number, value in enumerate((1, 2, 255, 3)):
        for side in "ab":
            save(tmp_path / "test" / side / f"{number}.png", grey(value))
    made = overflowing()
    with pytest.raises(OutputError, match=f"^2: {SAID}"):
        score(made, open_for(made, str(tmp_path)), "test", answers=1, controls={})
    made.card.data = {"kind": "unpaired"}
    with pytest.raises(OutputError, match=f"2.*: {SAID}"):
        score(made, open_for(made, str(tmp_path), kind="unpaired"), "test", answers=1, controls={})


def test_a_server_blames_the_model_and_serves_the_others(overflowing: Callable[..., Translator]) -> None:
    batch = Batch("model", [images.encode(grey(value), "PNG") for value in (1, 255, 2)], {}, None)
    with ThreadPoolExecutor(1) as pool:
        first, second, third = Translation(overflowing(), None, batch, 50, pool).outcomes()
    assert isinstance(first, Done)
    assert isinstance(third, Done)
    assert isinstance(second, Fault)
    assert second.blame == "model"
    assert "the network gives NaN or infinity" in second.message


def test_a_video_names_the_frame(overflowing: Callable[..., Translator], tmp_path: Path) -> None:
    clips.write(
        tmp_path / "a.mp4", count=6, size=(48, 48), sound=None, picture=lambda number: grey(255 if number == 4 else 9)
    )
    with pytest.raises(OutputError, match=rf"a\.mp4, frame 5: {SAID}"):
        translate_video(overflowing(), tmp_path / "a.mp4", tmp_path / "out" / "b.mp4", controls={}, batch=4)
    assert list((tmp_path / "out").iterdir()) == []


def test_with_bf16_the_remedy_is_to_do_without(overflowing: Callable[..., Translator]) -> None:
    with pytest.raises(OutputError, match=r"try it in float32 \(without --bf16\)"):
        overflowing(speed=Speed(bf16=True))(grey(255))


@pytest.mark.parametrize("value", [3e38, -3e38])
def test_large_numbers_are_numbers(value: float) -> None:
    assert first_unsound(torch.full((2, 3, 8, 8), value)) is None


def test_a_network_that_overflows_makes_the_command_fail(tmp_path: Path) -> None:
    folder = model(tmp_path / "model")
    made = Translator.load(folder)
    with torch.no_grad():
        for weight in made.method.g.parameters():
            weight.mul_(1e30)
    made.save(tmp_path / "loud")
    save(tmp_path / "a.png", noise(32, 32))
    said = diptych("translate", tmp_path / "loud", tmp_path / "a.png", "--out", tmp_path / "out")
    assert said.code == 2
    assert "a.png could not be translated: the network gives NaN or infinity" in said.err
    assert not list(tmp_path.glob("out/*"))
