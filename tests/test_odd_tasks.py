"""Tasks of others, one file each, go from a folder to a training, a translator folder, and every way to use it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import clips
import numpy as np
import pytest
from commands import diptych
from pictures import noise, save

from diptych import Translator, images, tasks
from diptych.data.opening import open_data
from diptych.errors import ConfigError
from diptych.inference.tiff import translate_large
from diptych.inference.video import translate_video
from diptych.serve.engine.worker import Batch, Done, Models, Plan, answer

TASKS = {"odd.twice": {}, "odd.holes": {"box": "4,6,8,10"}}
SCALE = {"odd.twice": 2, "odd.holes": 1}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(6):
        save(folder / f"{number}.png", noise(40, 48, 3, seed=number))
    return folder


@pytest.fixture(scope="module", params=list(TASKS))
def trained(request: pytest.FixtureRequest, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    out = tmp_path_factory.mktemp("run") / "run"
    small = ["method.width=4", "method.levels=2", "method.network=none", "method.discriminator_width=4", "data.size=32"]
    options = [f"task.name={request.param}", "data.kind=photos", "data.val=0.3", "train.images=8", "train.batch=2"]
    given = ["train", "paired", "--data", photos, "--plugin", request.param, "--out", out, *small, *options]
    said = diptych(*given)
    assert said.code == 0, said.err
    return request.param, out


def controls(task: str) -> list[str]:
    return [word for name, value in TASKS[task].items() for word in (f"--{name}", value)]


def check(task: str, source: np.ndarray, result: np.ndarray) -> None:
    """What is true of a result, however it was made."""
    height, width = source.shape[:2]
    assert result.shape == (SCALE[task] * height, SCALE[task] * width, 3)
    if task == "odd.holes":
        outside = np.ones((height, width), bool)
        outside[6:16, 4:12] = False
        assert np.array_equal(result[outside], source[outside])
        assert not np.array_equal(result, source)


def test_the_command_line_and_the_server_translate_it(trained: tuple[str, Path], photos: Path, tmp_path: Path) -> None:
    task, run = trained
    source = images.read(photos / "0.png").array
    said = diptych("translate", run, photos / "0.png", *controls(task), "--plugin", task, "--out", tmp_path / "a.png")
    assert said.code == 0, said.err
    check(task, source, images.read(tmp_path / "a.png").array)
    models = Models(Plan({"m": run / "model"}, provenance=False))
    with ThreadPoolExecutor(1) as pool:
        (served,) = answer(models, Batch("m", [(photos / "0.png").read_bytes()], dict(TASKS[task]), None), pool)
    assert isinstance(served, Done)
    assert np.array_equal(images.read(served.data).array, images.read(tmp_path / "a.png").array)


def test_batches_tiles_and_videos_translate_it(trained: tuple[str, Path], tmp_path: Path) -> None:
    task, run = trained
    translator = Translator.load(run)
    pictures = [noise(40, 48, 3, seed=9), noise(40, 48, 3, seed=10), noise(20, 24, 3, seed=11)]
    for source, made in zip(pictures, translator.many(pictures, **TASKS[task]), strict=True):
        check(task, source, made.array)
    clips.write(tmp_path / "in.mp4", count=4, size=(48, 32), sound=None)
    translate_video(translator, tmp_path / "in.mp4", tmp_path / "out.mp4", controls=TASKS[task], batch=2, quality=1)
    height, width = clips.read(tmp_path / "out.mp4").frames[0].shape[:2]
    assert (width, height) == (48 * SCALE[task], 32 * SCALE[task])
    large, checked = save(tmp_path / "large.tif", pictures[0]), translator.checked(TASKS[task])
    if SCALE[task]:
        with pytest.raises(ConfigError, match=f"{task} looks at the whole of a picture"):
            translate_large(translator, large, tmp_path / "out.tif", checked)
    else:
        translate_large(translator, large, tmp_path / "out.tif", checked)
        check(task, pictures[0], images.read(tmp_path / "out.tif").array)


def test_it_is_evaluated_as_it_is_used(trained: tuple[str, Path], photos: Path, tmp_path: Path) -> None:
    task, run = trained
    given = ["evaluate", run, "--data", photos, "--split", "train", "--plugin", task, "--out", tmp_path / "seen"]
    once, again = (diptych(*given, "--json") for _ in range(2))
    assert once.code == 0, once.err
    scores = [json.loads(said.out)["metrics"] for said in (once, again)]
    assert scores[0] == scores[1], "what is left to chance is drawn in the same way"


def test_each_draw_is_another_one_and_the_same_whenever_it_is_asked_for(photos: Path) -> None:
    data = open_data(tasks.make("odd.holes"), folder=str(photos), kind="photos", size=32, val=0)
    batches = data.loader(seed=3, batch=6)
    first, second = (next(batches)["source"].numpy() for _ in range(2))
    assert first.shape == (6, 32, 32, 4)
    holes = {one[..., 3].tobytes() for one in (*first, *second)}
    assert len(holes) > 6
    assert np.array_equal(next(data.loader(seed=3, batch=6, start=6))["source"].numpy(), second)


def test_a_wrong_control_of_a_task_is_said(trained: tuple[str, Path], photos: Path, tmp_path: Path) -> None:
    task, run = trained
    given = ["translate", run, photos / "0.png", "--box", "1,2,x,4", "--plugin", task, "--out", tmp_path / "a.png"]
    said = diptych(*given)
    assert said.code == 2
    assert ("give four numbers" if task == "odd.holes" else "box is not an option") in said.err


def test_a_task_is_given_a_mask_by_every_way(trained: tuple[str, Path], photos: Path, tmp_path: Path) -> None:
    task, run = trained
    if task != "odd.holes":
        return
    source = images.read(photos / "0.png").array
    hole = np.zeros((40, 48, 1), np.uint8)
    hole[6:16, 4:12] = 255
    check(task, source, Translator.load(run)(source, mask=hole).array)
    place = save(tmp_path / "hole.png", hole)
    given = ["translate", run, photos / "0.png", "--mask", place, "--plugin", task, "--out", tmp_path / "a.png"]
    assert diptych(*given).code == 0
    check(task, source, images.read(tmp_path / "a.png").array)
    models = Models(Plan({"m": run / "model"}, provenance=False))
    with ThreadPoolExecutor(1) as pool:
        batch = Batch("m", [(photos / "0.png").read_bytes()] * 2, {"mask": place.read_bytes()}, None)
        for served in answer(models, batch, pool):
            assert isinstance(served, Done)
            check(task, source, images.read(served.data).array)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_grey_picture_is_one_as_any_other(dtype: str, trained: tuple[str, Path], tmp_path: Path) -> None:
    task, run = trained
    grey = save(tmp_path / "grey.png", noise(40, 48, 1, dtype=dtype))
    given = ["translate", run, grey, *controls(task), "--plugin", task, "--out", tmp_path / "a.png"]
    said = diptych(*given)
    assert said.code == 0, said.err
    assert images.read(tmp_path / "a.png").array.shape == (SCALE[task] * 40, SCALE[task] * 48, 3)
