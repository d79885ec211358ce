"""From a folder of pictures to a translator in use, by the command line alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from pictures import noise, ramp, rotated, save, side_by_side

from diptych import images
from diptych.methods import names

SMALL = [
    *("data.size=32", "method.generator=unet_32", "method.width=4"),
    *("method.discriminator_width=4", "method.discriminator_layers=1"),
    *("train.batch=4", "train.images=16", "train.ema=0.9", "train.validate_every=8", "train.sample_every=16"),
]


def labels_to_day(work: Path) -> list[object]:
    return ["pix2pix", "--data", work / "street", "--direction", "labels2day"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sample pictures, `street`, and a model trained on them, `run`."""
    place = tmp_path_factory.mktemp("work")
    assert diptych("data", "samples", "street", "--count", 10, "--size", 32, "--out", place / "street").code == 0
    said = diptych(
        "train", "pix2pix", "--data", place / "street", "--direction", "labels2day", "--out", place / "run", *SMALL
    )
    assert (said.code, said.out) == (0, ""), said.err
    assert "labels to day" in said.err
    assert "16 images in batches of 4" in said.err
    return place


# --- Data and training -----------------------------------------------------------------------------------------------


def test_a_folder_is_checked_in_words_and_in_json(work: Path) -> None:
    said = diptych("data", "check", work / "street")
    assert said.code == 0
    assert "pairs, by name in two folders" in said.out
    found = json.loads(diptych("data", "check", work / "street", "--json").out)
    assert found["counts"] == {"train": [8], "val": [1], "test": [1]}


def test_of_three_folders_the_direction_chooses_two(tmp_path: Path) -> None:
    sides = "labels,day,night"
    assert (
        diptych("data", "samples", "street", "--count", 3, "--size", 32, "--sides", sides, "--out", tmp_path).code == 0
    )
    said = diptych("data", "check", tmp_path)
    assert said.code == 2
    assert "direction=day2labels" in said.err
    said = diptych("data", "check", tmp_path, "--direction", "day2night")
    assert said.code == 0
    assert "labels" not in said.out


def test_a_run_holds_what_it_promises(work: Path) -> None:
    run = work / "run"
    expected = (
        "recipe.yaml log.jsonl samples/00000016.png checkpoint/latest.json model/card.json last/weights.safetensors"
    )
    assert [name for name in expected.split() if not (run / name).exists()] == []
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert records[-1]["images"] == 16
    assert any("G.l1" in record for record in records)


def test_the_recipe_of_a_run_runs_again(work: Path, tmp_path: Path) -> None:
    said = diptych("train", work / "run" / "recipe.yaml", "--out", tmp_path / "again", "train.images=8")
    assert said.code == 0, said.err
    assert "8 images in batches of 4" in said.err


def test_a_run_that_is_complete_says_so_and_stays(work: Path) -> None:
    before = (work / "run" / "model" / "weights.safetensors").read_bytes()
    said = diptych("train", "--resume", "--out", work / "run")
    assert said.code == 0
    assert "complete" in said.err
    assert (work / "run" / "model" / "weights.safetensors").read_bytes() == before


def test_a_dry_run_says_what_would_happen_and_writes_nothing(work: Path, tmp_path: Path) -> None:
    said = diptych("train", "pix2pix", "--data", work / "street", "--out", tmp_path / "new", "--dry-run", *SMALL)
    assert said.code == 0
    assert "parameters: G" in said.err
    assert "memory" in said.err
    assert not (tmp_path / "new").exists()


def test_fine_tuning_takes_the_options_of_the_model_it_starts_from(work: Path, tmp_path: Path) -> None:
    start = f"train.start={work / 'run'}"
    said = diptych("train", *labels_to_day(work), "--out", tmp_path / "fine", start, "data.size=32", "train.images=4")
    assert said.code == 0, said.err


def test_an_out_that_holds_another_run_is_left_alone(work: Path) -> None:
    said = diptych(
        "train",
        "pix2pix",
        "--data",
        work / "street",
        "--direction",
        "labels2day",
        "--out",
        work / "run",
        *SMALL,
        "train.seed=1",
    )
    assert said.code == 2
    assert "train.seed" in said.err


def test_every_mistyped_option_is_named_at_once(work: Path) -> None:
    said = diptych("train", "pix2pix", "--data", work / "street", "method.widht=4", "data.siz=32", "train.bach=1")
    assert said.code == 2
    for right in ("method.width", "data.size", "train.batch"):
        assert f"did you mean {right}" in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["data", "check", "nowhere"],
        ["train", "pix2pix", "--data", "nowhere"],
        ["train", "pixpix", "--data", "nowhere"],
        ["translate", "nowhere", "picture.png", "--out", "out"],
        ["evaluate", "nowhere", "--data", "nowhere"],
        ["info", "nowhere"],
        ["options", "pixpix"],
        ["convert", "nowhere.pth", "--out", "out"],
        ["weights", "fetch"],
        ["train", "--resume"],
        ["train", "nothing.yaml"],
        ["frobnicate"],
    ],
)
def test_a_fault_is_one_message_and_exit_code_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = diptych(*arguments)
    assert said.code == 2
    assert said.err.strip()
    assert "Traceback" not in said.err
    assert list(tmp_path.iterdir()) == []


def test_an_installed_command_answers_a_fault_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "diptych", "data", "check", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (2, "diptych: nowhere does not exist: give a folder of pictures\n")


# --- Methods and models ----------------------------------------------------------------------------------------------


def test_the_options_of_a_method_are_listed_with_default_and_type() -> None:
    said = diptych("options", "pix2pix")
    assert said.code == 0
    for line in ("method.generator = unet_256", "data.size = 256", "train.batch = 1", "speed.bf16 = auto"):
        assert line in said.out
    assert "one of vanilla, lsgan, hinge" in said.out


def test_methods_are_listed_with_a_sentence_each() -> None:
    lines = [line for line in diptych("methods").out.splitlines() if line and line != "as published:"]
    said = dict(line.split(maxsplit=1) for line in lines)
    assert list(said)[:2] == ["paired", "unpaired"]
    assert said.keys() == set(names())
    assert all(sentence.endswith(".") for sentence in said.values())


def test_info_shows_the_card_and_the_controls(work: Path) -> None:
    said = diptych("info", work / "run")
    assert said.code == 0
    assert "labels to day, by pix2pix" in said.out
    assert "--seed  a number (0 by default): another one, another answer" in said.out


def test_a_model_goes_to_another_project_and_comes_back(work: Path, tmp_path: Path) -> None:
    assert diptych("convert", work / "run", "--to", "junyanz", "--out", tmp_path / "latest_net_G.pth").code == 0
    assert diptych("convert", tmp_path / "latest_net_G.pth", "--out", tmp_path / "back").code == 0
    picture = save(tmp_path / "picture.png", noise(32, 32))
    for model in (work / "run", tmp_path / "back"):
        assert diptych("translate", model, picture, "--out", tmp_path / f"{model.name}.png").code == 0
    np.testing.assert_array_equal(*(images.read(tmp_path / f"{name}.png").array for name in ("run", "back")))


# --- Evaluation ------------------------------------------------------------------------------------------------------


def test_an_evaluation_in_json_has_value_interval_count_and_protocol(work: Path, tmp_path: Path) -> None:
    said = diptych("evaluate", work / "run", "--data", work / "street", "--split", "train", "--out", tmp_path, "--json")
    assert said.code == 0, said.err
    metrics = json.loads(said.out)["metrics"]
    assert {"psnr", "ssim", "l1"} <= set(metrics)
    for score in metrics.values():
        assert set(score) == {"value", "low", "high", "count", "protocol", "better"} | ({"meaning"} & set(score))
        assert score["low"] <= score["value"] <= score["high"]
        assert score["count"] == 8


def test_an_evaluation_in_words_names_its_report(work: Path, tmp_path: Path) -> None:
    said = diptych("evaluate", work / "run", "--data", work / "street", "--out", tmp_path)
    assert said.code == 0
    assert "95 % interval" in said.out
    assert f"report: {tmp_path / 'report.html'}" in said.out.splitlines()
    assert (tmp_path / "report.html").exists()
    assert (tmp_path / "grid.png").exists()


# --- Translation -----------------------------------------------------------------------------------------------------


def test_one_bad_file_does_not_stop_a_folder(work: Path, tmp_path: Path) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    for name in ("a.png", "b.png", "deep/c.jpg"):
        save(pictures / name, ramp())
    (pictures / "broken.png").write_bytes((pictures / "a.png").read_bytes()[:90])
    said = diptych("translate", work / "run", pictures, "--out", out)
    assert said.code == 1
    assert "broken.png" in said.out + said.err
    assert "3 of 4 pictures translated" in said.out
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.*")) == ["a.png", "b.png", "deep/c.jpg"]


def test_when_every_file_is_bad_it_is_exit_code_2(work: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    assert diptych("translate", work / "run", tmp_path / "bad.png", "--out", tmp_path / "out").code == 2


def test_size_and_format_come_back_as_they_were(work: Path, tmp_path: Path) -> None:
    sizes = [(32, 32), (37, 51), (5, 70), (1, 1), (33, 200)]
    names = [f"{height}x{width}.{suffix}" for height, width in sizes for suffix in ("png", "jpg", "webp", "bmp", "tif")]
    for name, size in zip(names, [size for size in sizes for _ in range(5)], strict=True):
        save(tmp_path / "in" / name, noise(*size))
    assert diptych("translate", work / "run", tmp_path / "in", "--out", tmp_path / "out").code == 0
    for name in names:
        was, became = images.header(tmp_path / "in" / name), images.header(tmp_path / "out" / name)
        assert (became.width, became.height, became.format) == (was.width, was.height, was.format)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_model_of_8_bit_colour_takes_16_bits_and_grey(work: Path, tmp_path: Path, channels: int) -> None:
    source = save(tmp_path / "deep.png", noise(32, 32, channels, "uint16"))
    assert diptych("translate", work / "run", source, "--out", tmp_path / "out.png").code == 0
    result = images.read(tmp_path / "out.png").array
    assert (result.shape, result.dtype) == ((32, 32, 3), np.uint8)


def test_alpha_comes_back_unchanged(work: Path, tmp_path: Path) -> None:
    alpha = noise(20, 30, 1)[..., 0]
    images.write(tmp_path / "cut.png", noise(20, 30), alpha=alpha)
    assert diptych("translate", work / "run", tmp_path / "cut.png", "--out", tmp_path / "out.png").code == 0
    np.testing.assert_array_equal(images.read(tmp_path / "out.png").alpha, alpha)


def test_a_picture_turned_by_exif_comes_out_upright(work: Path, tmp_path: Path) -> None:
    rotated(tmp_path / "turned.jpg", ramp(32, 48), 6)
    said = diptych("translate", work / "run", tmp_path / "turned.jpg", "--out", tmp_path / "out.jpg")
    assert said.code == 0
    assert "turned upright (EXIF 6)" in said.err
    assert images.header(tmp_path / "out.jpg")[:2] == (32, 48)
    assert images.header(tmp_path / "out.jpg").orientation == 1


def test_a_control_is_an_option(work: Path, tmp_path: Path) -> None:
    source = save(tmp_path / "picture.png", noise(32, 32))
    assert diptych("translate", work / "run", "--seed", "7", source, "--out", tmp_path / "out.png").code == 0
    for wrong, answer in (["--sede=1"], "did you mean seed"), (["--seed"], "--seed needs a value, as in --seed VALUE"):
        said = diptych("translate", work / "run", source, "--out", tmp_path / "other.png", *wrong)
        assert said.code == 2
        assert answer in said.err


def test_results_never_fall_on_their_sources(work: Path, tmp_path: Path) -> None:
    source = save(tmp_path / "picture.png", noise(32, 32))
    before = source.read_bytes()
    assert diptych("translate", work / "run", tmp_path, "--out", tmp_path).code == 2
    assert source.read_bytes() == before


def test_grey_stays_grey_from_file_to_file(tmp_path: Path) -> None:
    side_by_side(tmp_path / "scans", count=6, side=32, channels=1)
    said = diptych("train", "pix2pix", "--data", tmp_path / "scans", "--out", tmp_path / "run", *SMALL)
    assert said.code == 0, said.err
    assert "1 to 1 channels" in said.err
    save(tmp_path / "scan.png", noise(40, 40, 1))
    assert diptych("translate", tmp_path / "run", tmp_path / "scan.png", "--out", tmp_path / "out.png").code == 0
    assert images.header(tmp_path / "out.png").channels == 1
