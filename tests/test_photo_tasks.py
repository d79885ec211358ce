"""The tasks that learn from photos alone: what a pair is, and what a user's picture is given back as, by every way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import diptych
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import noise, save

from diptych import images, tasks
from diptych.errors import ConfigError, DataError
from diptych.evaluation.command import open_for
from diptych.evaluation.evaluate import evaluate
from diptych.export import export_model, open_exported
from diptych.images import Picture
from diptych.images.lines import STYLES, drawn
from diptych.methods import find
from diptych.model import folder as model_folder
from diptych.model.card import Domain
from diptych.model.controls import Form
from diptych.model.translator import Translator
from diptych.serve.engine.worker import Batch, Done, Models, Plan, answer
from diptych.tasks.enlarge import Enlarge
from diptych.tasks.extend import MOST
from diptych.tasks.fill import random_hole
from diptych.testing import bundle
from diptych.tiling import Tiling

ALONE = [name for name in tasks.names() if tasks.find(name).alone]
MADE = [name for name in ALONE if name != "itself"]
CONTROLS: dict[str, dict[str, Any]] = {"fill": {"box": "10,8,20,12"}, "extend": {"left": 9, "bottom": 30}}
KEPT = [name for name in MADE if name not in ("colorize", "sketch")]
"""Those whose results have the channels and the depth of a user's picture."""
EIGHT = 0.0, 255.0
SMALL = {"width": 4, "levels": 2, "detail": 4, "network": "none", "discriminator_width": 4, "discriminator_levels": 2}
FORMATS = [("PNG", 3, "uint8"), ("PNG", 1, "uint8"), ("PNG", 3, "uint16"), ("TIFF", 3, "float32"), ("WEBP", 3, "uint8")]


def translator(name: str, **options: Any) -> Translator:
    """Random weights with a task."""
    task = tasks.make(name, options)
    source, target = task.channels(3, 3)
    made = bundle(find("paired"), {**SMALL, "source_channels": source, "target_channels": target})
    domains = [Domain(name="photo", channels=3)]
    card = made.card.model_copy(
        update={"task": name, "task_options": options, "domains": domains, "directions": [("photo", "photo")]}
    )
    return Translator(made.method, card, device="cpu")


@pytest.mark.parametrize("name", MADE)
def test_a_pair_is_of_one_size_and_has_the_channels_that_it_says(name: str) -> None:
    task, photo = tasks.make(name), Picture(noise(45, 38, 3))
    for number in range(4):
        source, target = task.pair({"source": photo, "target": photo}, np.random.default_rng(number))
        assert (source.array.shape[2], target.array.shape[2]) == task.channels(3, 3)
        assert source.array.shape[:2] == target.array.shape[:2] == (45, 38)
        assert source.array.dtype == np.uint8
        again, _ = task.pair({"source": photo, "target": photo}, np.random.default_rng(number))
        assert np.array_equal(source.array, again.array)
        assert not np.array_equal(source.array[..., :1], photo.array[..., :1])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("name", [name for name in MADE if name not in ("colorize", "sketch")])
def test_photos_of_any_depth_and_of_any_channels_make_pairs(name: str, channels: int, dtype: str) -> None:
    photo = Picture(noise(32, 40, channels, dtype=dtype))
    task = tasks.make(name)
    source, target = task.pair({"source": photo, "target": photo}, np.random.default_rng(0))
    assert source.array.dtype == target.array.dtype == np.dtype(dtype)
    assert (source.array.shape[2], target.array.shape[2]) == task.channels(channels, channels)


@pytest.mark.parametrize("name", MADE)
def test_a_folder_of_photos_is_trained_used_and_scored_by_the_tasks_name_alone(name: str, tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / "photos" / f"{number}.png", noise(40, 48, 3, seed=number))
    small = [f"method.{option}={value}" for option, value in SMALL.items()]
    length = ["train.images=4", "train.batch=2", "data.size=32", "data.load=32", "train.ema=0", "data.val=0.3"]
    said = diptych(
        "train", "--task", name, "--data", tmp_path / "photos", "--out", tmp_path / "run", *small, *length,
        "train.validate_every=2",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert (tmp_path / "run" / "recipe.yaml").read_text().count(f"name: {name}\n") == 1
    made = Translator.load(tmp_path / "run")
    assert made.card.method == "paired"
    evaluation = evaluate(made, open_for(made, str(tmp_path / "photos")), "train", metrics=("psnr",))
    assert np.isfinite(evaluation.metrics["psnr"]["value"])
    said = diptych(
        "translate", tmp_path / "run", tmp_path / "photos" / "0.png", "--out", tmp_path / "a.png",
        *(word for option, value in CONTROLS.get(name, {}).items() for word in (f"--{option}", value)),
    )  # fmt: skip
    assert said.code == 0, said.err
    example, *_ = model_folder.examples(next((tmp_path / "run").rglob("example-1.*")).parent)
    size = (20, 24) if name == "enlarge" else (40, 48)
    assert images.read(example).array.shape[:2] == size, "an example is such a picture as users have"
    assert made(example, **CONTROLS.get(name, {})).array.shape[2] == 3


@pytest.mark.parametrize(("format", "channels", "dtype"), FORMATS)
@pytest.mark.parametrize("name", KEPT)
def test_a_result_has_the_channels_and_the_depth_of_a_users_picture(
    name: str, format: str, channels: int, dtype: str, tmp_path: Path
) -> None:
    array = noise(40, 48, channels, dtype=dtype)
    path = save(tmp_path / f"a{images.SUFFIX_OF[format]}", array)
    given_as = images.read(path).array
    made = translator(name)(path, **CONTROLS.get(name, {}))
    scale = tasks.make(name).scale
    assert made.array.shape[2:] == given_as.shape[2:]
    assert made.array.dtype == given_as.dtype
    if name == "extend":
        assert made.array.shape[:2] == (70, 57)
    else:
        assert made.array.shape[:2] == (scale * 40, scale * 48)


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("float32", -1000, 2000), ("int16", -1024, 3071), ("uint16", 0, 4095)]
)
@pytest.mark.parametrize("name", KEPT)
def test_measured_numbers_are_made_worse_and_given_back_in_their_own_unit(
    name: str, dtype: str, low: int, high: int
) -> None:
    array = (low + noise(40, 48, 1, dtype="float32") * (high - low)).astype(dtype)
    picture, task = Picture(array, span=(low, high)), tasks.make(name)
    source, target = task.pair({"source": picture, "target": picture}, np.random.default_rng(0))
    beside = source.array[..., :1].astype(float)
    assert low <= beside.min() < low + 0.4 * (high - low)
    assert low + 0.6 * (high - low) < beside.max() <= high
    assert np.array_equal(target.array, array)
    made = bundle(find("paired"), {**SMALL, "source_channels": task.channels(1, 1)[0], "target_channels": 1})
    domains = [Domain(name="ct", channels=1, dtype=dtype, low=low, high=high)]
    card = made.card.model_copy(update={"task": name, "domains": domains, "directions": [("ct", "ct")]})
    result = Translator(made.method, card, device="cpu")(array, **CONTROLS.get(name, {}))
    assert result.array.dtype == np.dtype(dtype)
    assert result.array.astype(float).mean() == pytest.approx(array.astype(float).mean(), abs=0.3 * (high - low))
    if task.keeps:
        assert np.isin(array, result.array).mean() > 0.7


# --- Untouched means untouched ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("format", "channels", "dtype"), [*FORMATS, ("JPEG", 3, "uint8"), ("TIFF", 3, "uint16")])
@pytest.mark.parametrize("name", ["fill", "extend"])
def test_what_is_not_asked_for_stays_bit_by_bit_from_file_to_file(
    name: str, format: str, channels: int, dtype: str, tmp_path: Path
) -> None:
    path = save(tmp_path / f"a{images.SUFFIX_OF[format]}", noise(40, 48, channels, dtype=dtype))
    before = images.read(path).array
    model = translator(name).save(tmp_path / "model")
    said = diptych(
        "translate", model, path, "--out", tmp_path / "out",
        *(word for option, value in CONTROLS[name].items() for word in (f"--{option}", value)),
    )  # fmt: skip
    assert said.code == 0, said.err
    (written,) = (tmp_path / "out").iterdir()
    after = images.read(written).array
    if name == "fill":
        hole = np.zeros((40, 48), bool)
        hole[8:20, 10:30] = True
        assert np.array_equal(after[~hole], before[~hole])
        assert not np.array_equal(after[hole], before[hole])
    else:
        assert after.shape[:2] == (70, 57)
        assert np.array_equal(after[:40, 9:], before)


def test_a_hole_may_leave_little_of_a_picture() -> None:
    array, hole = noise(48, 64, 3), np.full((48, 64, 1), 255, np.uint8)
    hole[22:26, 20:44] = 0
    made = translator("fill")(array, mask=hole).array
    assert np.array_equal(made[22:26, 20:44], array[22:26, 20:44])


@pytest.mark.parametrize("where", ["mask", "alpha"])
def test_a_hole_is_a_mask_or_what_is_transparent(where: str) -> None:
    array, hole = noise(40, 48, 3), np.zeros((40, 48, 1), np.uint8)
    hole[5:15, 20:40] = 255
    if where == "mask":
        made = translator("fill")(array, mask=hole)
    else:
        made = translator("fill")(Picture(array, alpha=255 - hole[..., 0]))
        assert (made.alpha == 255).all(), "what was filled is there"
    assert np.array_equal(made.array[hole[..., 0] == 0], array[hole[..., 0] == 0])
    assert not np.array_equal(made.array, array)


def test_what_is_half_transparent_elsewhere_stays_so() -> None:
    alpha = np.full((40, 48), 200, np.uint8)
    alpha[5:15, 20:40] = 0
    made = translator("fill")(Picture(noise(40, 48, 3), alpha=alpha))
    assert made.alpha is not None
    assert (made.alpha[alpha == 200] == 200).all()
    assert (made.alpha[alpha == 0] == 255).all()


def test_a_picture_that_a_box_lies_beside_stops_no_folder(tmp_path: Path) -> None:
    model = translator("fill").save(tmp_path / "m")
    for name, side in (("a", 40), ("b", 8), ("c", 40)):
        save(tmp_path / "in" / f"{name}.png", noise(side, side, 3))
    said = diptych("translate", model, tmp_path / "in", "--box", "10,10,9,9", "--out", tmp_path / "out")
    assert said.code == 1
    assert "b.png" in said.err
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == ["a", "c"]


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ({}, "what is to be filled"),
        ({"box": "1,2,3"}, "give four numbers"),
        ({"box": "500,2,3,4"}, "has nothing there"),
        ({"box": "0,0,48,40"}, "all of the picture"),
        ({"mask": np.zeros((40, 48, 1), np.uint8)}, "no white in it"),
        ({"mask": np.full((40, 48, 1), 255, np.uint8)}, "all of the picture"),
        ({"mask": np.zeros((20, 20, 1), np.uint8)}, "needs the same size"),
        ({"mask": np.eye(40, 48, dtype=np.uint8)[..., None], "box": "1,1,2,2"}, "give one of them"),
    ],
)
def test_a_wrong_hole_is_said(controls: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        translator("fill")(noise(40, 48, 3), **controls)


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ({}, "nowhere is anything to be added"),
        ({"aspect": "wide"}, "give width and height"),
        ({"aspect": "6:5"}, "nowhere is anything to be added"),
        ({"aspect": "16:9", "left": 3}, "give one of them"),
        ({"left": -3}, "greater than or equal to 0"),
        ({"left": 2_000_000}, "million pixels"),
    ],
)
def test_wrong_borders_are_said(controls: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        translator("extend")(noise(40, 48, 3), **controls)


def test_an_aspect_is_reached_on_both_sides_alike() -> None:
    made = translator("extend")(array := noise(36, 48, 3), aspect="16:9")
    assert made.array.shape == (36, 64, 3)
    assert np.array_equal(made.array[:, 8:56], array)


def test_large_borders_are_made_in_rounds_and_borders_may_be_wider_than_the_picture() -> None:
    task, picture = tasks.make("extend"), Picture(noise(20, 24, 3))
    rounds = task.rounds(picture, right=60, top=3)
    assert sum(one["right"] for one in rounds) == 60
    assert sum(one["top"] for one in rounds) == 3
    width = 24
    for one in rounds:
        assert one["right"] <= MOST * width
        width += one["right"]
    made = translator("extend")(picture, right=60, top=3)
    assert made.array.shape == (23, 84, 3)
    assert np.array_equal(made.array[3:, :24], picture.array)


def test_neighbours_in_a_batch_each_have_their_own_rounds() -> None:
    model, pictures = translator("extend"), [noise(24, 24, 3), noise(40, 24, 3), noise(24, 60, 3)]
    for picture, made in zip(pictures, model.many(pictures, left=12), strict=True):
        assert np.array_equal(made.array, model(picture, left=12).array)


def test_coordinates_of_a_larger_picture_are_those_of_its_pixels() -> None:
    from diptych.images.metadata import PIXEL_SCALE, TIE_POINTS, Metadata, Tag

    tags = Tag(PIXEL_SCALE, "d", 3, (2.0, 2.0, 0.0)), Tag(TIE_POINTS, "d", 6, (0.0, 0.0, 0.0, 500.0, 900.0, 0.0))
    picture = Picture(noise(32, 32, 3), metadata=Metadata((300, 300), tags))
    larger = translator("enlarge")(picture).metadata
    assert larger.dpi == (600, 600)
    assert larger.tags[0].value == (1.0, 1.0, 0.0)
    assert larger.tags[1].value == (0.0, 0.0, 0.0, 500.0, 900.0, 0.0)
    wider = translator("extend")(picture, left=5, top=4).metadata
    assert wider.dpi == (300, 300)
    assert wider.tags[1].value == (5.0, 4.0, 0.0, 500.0, 900.0, 0.0)


# --- Colours ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_colours_keep_the_lightness_of_the_picture(channels: int, dtype: str) -> None:
    array = noise(40, 48, channels, dtype=dtype)
    made = translator("colorize")(array).array
    assert made.shape == (40, 48, 3)
    grey, again = images.match_channels(array, 1), images.match_channels(made, 1)
    assert np.abs(grey.astype(int) - again.astype(int)).max() <= 1
    assert np.ptp(made.astype(int), axis=2).max() > 0, "it has colours"


def test_a_grey_photo_with_a_cast_is_taken_by_its_lightness() -> None:
    grey = noise(40, 48, 1)
    cast = (grey * np.array([1.0, 0.9, 0.7])).round().astype(np.uint8)
    made = translator("colorize")(cast).array
    assert np.abs(cast @ images.LUMA - made @ images.LUMA).max() <= 1


# --- Lines -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_lines_are_where_edges_are(style: str) -> None:
    photo = np.full((64, 64, 3), 200, np.uint8)
    photo[20:44, 20:44] = 60
    drawing = drawn(Picture(photo), style)[..., 0]
    border = np.zeros((64, 64), bool)
    border[16:48, 16:48] = True
    border[24:40, 24:40] = False
    assert drawing.shape == (64, 64)
    assert drawing[~border].min() > 0.85, "paper"
    assert drawing[border].min() < 0.5, "ink"


def test_more_detail_draws_more() -> None:
    photo = noise(96, 96, 1) // 4
    photo[20:70, 20:70] += 120
    for style in STYLES:
        assert drawn(Picture(photo), style, detail=1.0).mean() < drawn(Picture(photo), style, detail=0.0).mean()


def test_a_drawing_is_read_whatever_its_paper() -> None:
    line = np.full((40, 48, 1), 255, np.uint8)
    line[20] = 0
    task = tasks.make("sketch")
    plain = task.source(Picture(line)).array
    assert np.array_equal(task.source(Picture(255 - line)).array, plain), "chalk on a blackboard"
    assert np.array_equal(task.source(Picture((60 + line * 0.5).astype(np.uint8))).array, plain), "grey paper"


def test_a_photo_may_be_drawn_first() -> None:
    made = translator("sketch")
    photo = noise(40, 48, 3)
    assert not np.array_equal(made(photo, draw="canny").array, made(photo).array)


# --- Masks, sizes, degradations --------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 60), st.integers(4, 60), st.floats(0.1, 0.8))
def test_holes_of_training_leave_the_most_that_is_asked_for(seed: int, height: int, width: int, most: float) -> None:
    hole = random_hole(np.random.default_rng(seed), height, width, most)
    assert hole.any()
    assert hole.mean() <= max(most, 1 / 9 + 2 / min(height, width))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_result_is_larger_by_the_factor_in_files_batches_and_tiles(scale: int, tmp_path: Path) -> None:
    model = translator("enlarge", scale=scale)
    path = save(tmp_path / "a.png", noise(30, 22, 3))
    assert model(path).array.shape == (30 * scale, 22 * scale, 3)
    place = model.save(tmp_path / "model")
    said = diptych("translate", place, path, "--out", tmp_path / "b.png")
    assert said.code == 0, said.err
    assert images.read(tmp_path / "b.png").array.shape == (30 * scale, 22 * scale, 3)
    tiled = Translator(model.method, model.card, device="cpu", tiling=Tiling("exact", size=32, halo=32, blend=0))
    assert np.abs(tiled(path).array.astype(int) - model(path).array.astype(int)).max() <= 1


def test_an_unknown_factor_or_range_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"task\.scale = 5"):
        tasks.make("enlarge", {"scale": 5})
    with pytest.raises(ConfigError, match=r"task\.least=40 is above task\.most=20"):
        tasks.make("denoise", {"least": 40, "most": 20})
    with pytest.raises(ConfigError, match=r"task\.sigma is not an option"):
        tasks.make("denoise", {"sigma": 25})


def test_degradations_are_those_that_are_asked_for() -> None:
    photo, rng = np.full((64, 64, 3), 120, np.uint8), np.random.default_rng(0)
    noisy = tasks.make("denoise", {"least": 25, "most": 25}).worse(photo, EIGHT, rng)
    assert abs(noisy.astype(float).std() - 25) < 1
    plain = Enlarge(scale=2).worse(noise(64, 64, 3), EIGHT, rng)
    rough = Enlarge(scale=2, noise=50, jpeg=20).worse(noise(64, 64, 3), EIGHT, rng)
    assert not np.array_equal(plain, rough)
    edge = np.zeros((64, 64, 1), np.uint8)
    edge[:, 32:] = 255
    soft = tasks.make("deblur", {"focus": 8, "motion": 30, "noise": 0})
    assert any(len(np.unique(soft.worse(edge, EIGHT, np.random.default_rng(k)))) > 8 for k in range(4))


def test_the_former_name_of_a_tasks_option_is_understood_with_a_warning(tmp_path: Path) -> None:
    from diptych.options.recipes import assignments, warn_of

    warn_of.cache_clear()
    with pytest.warns(FutureWarning, match=r"data\.task is now called task\.name"):
        assert assignments(["data.task=itself"]) == {"data": {}, "task": {"name": "itself"}}
    with pytest.raises(ConfigError, match="both are given"):
        assignments(["data.task=itself", "task.name=fill"])


# --- By every way ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MADE)
def test_a_server_gives_what_python_gives(name: str, tmp_path: Path) -> None:
    model, file = translator(name), images.encode(noise(40, 48, 3), "PNG")
    models = Models(Plan({"m": model.save(tmp_path / "m")}, provenance=False))
    given = {control: str(value) for control, value in CONTROLS.get(name, {}).items()}
    form = Form(model.method, model.card).read(given)
    with ThreadPoolExecutor(1) as pool:
        served = answer(models, Batch("m", [file] * 2, form, None), pool)
    expected = model(noise(40, 48, 3), **CONTROLS.get(name, {})).array
    for one in served:
        assert isinstance(one, Done)
        assert np.array_equal(images.read(one.data).array, expected)


@pytest.mark.parametrize("name", ["enlarge", "fill"])
def test_an_exported_model_has_its_task_and_controls(name: str, tmp_path: Path) -> None:
    model, array = translator(name), noise(64, 64, 3)
    export_model(model, "onnx", tmp_path / "m.onnx", {})
    made = open_exported(tmp_path / "m.onnx")(array, **CONTROLS.get(name, {})).array
    assert np.abs(made.astype(int) - model(array, **CONTROLS.get(name, {})).array.astype(int)).max() <= 1
