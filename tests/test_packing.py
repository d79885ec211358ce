"""A packed model is half as large, loads as float32, and says in its card what the rounding changes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from commands import diptych
from models import model, picture

from diptych import Translator, images
from diptych.errors import ConfigError, DataError, ModelError
from diptych.export.packing import pack, read_scores
from diptych.model.folder import TRAINING, WEIGHTS, begin_from, examples, inspect_card


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    return model(tmp_path / "model")


def test_half_the_bytes_load_as_float32(origin: Path, tmp_path: Path) -> None:
    packed = pack(origin, tmp_path / "small", half=True)
    stored = safetensors.torch.load_file(tmp_path / "small" / WEIGHTS)
    assert {tensor.dtype for tensor in stored.values() if tensor.is_floating_point()} == {torch.float16}
    assert (tmp_path / "small" / WEIGHTS).stat().st_size < 0.6 * (origin / WEIGHTS).stat().st_size
    assert {weight.dtype for weight in packed.method.parameters()} == {torch.float32}


def test_a_large_preview_becomes_a_small_one(origin: Path, tmp_path: Path) -> None:
    images.write(origin / "preview.png", np.zeros((900, 1280, 3), np.uint8))
    pack(origin, tmp_path / "small")
    assert images.read(tmp_path / "small" / "preview.png").array.shape == (450, 640, 3)


def test_the_stated_difference_is_that_of_the_examples(origin: Path, tmp_path: Path) -> None:
    packed, whole = pack(origin, tmp_path / "small", half=True), Translator.load(origin)
    off = []
    for path in examples(origin):
        x = torch.from_numpy(images.read(path).array).float().movedim(-1, 0)[None] / 127.5 - 1
        off.append((packed.batch(x) - whole.batch(x)).abs())
    largest = max(float(one.max()) for one in off)
    assert 0 < largest < 0.05
    assert f"in float16: on its examples, values in [-1, 1] change by {largest:.1g} at most" in packed.card.stored
    assert packed.card.stored in (tmp_path / "small" / "README.md").read_text()


def test_without_half_a_copy_gives_the_same_pictures(origin: Path, tmp_path: Path) -> None:
    a = np.full((32, 32, 3), 90, np.uint8)
    copy = pack(origin, tmp_path / "copy")
    assert np.array_equal(copy(a).array, Translator.load(origin)(a).array)
    assert copy.card == Translator.load(origin).card
    names = [path.name for path in examples(origin)]
    assert [path.name for path in examples(tmp_path / "copy")] == names
    assert all(np.array_equal(images.read(tmp_path / "copy" / name).array, images.read(origin / name).array)
               for name in names)  # fmt: skip


def test_what_only_training_needs_is_left_out_and_a_training_begins_from_the_rest(tmp_path: Path) -> None:
    whole = Translator.load(model(tmp_path / "model"))
    whole.save(tmp_path / "all", everything=True)
    assert (tmp_path / "all" / TRAINING).exists()
    packed = pack(tmp_path / "all", tmp_path / "small", half=True)
    assert not (tmp_path / "small" / TRAINING).exists()
    method = type(packed.method)(**packed.card.options)
    begin_from(method, tmp_path / "small")
    assert {weight.dtype for weight in method.parameters()} == {torch.float32}


def test_weights_beyond_float16_are_refused_by_name(origin: Path, tmp_path: Path) -> None:
    translator = Translator.load(origin)
    name, weight = next(iter(translator.method.named_parameters()))
    weight.data.view(-1)[0] = 1e6
    translator.save(tmp_path / "wild")
    with pytest.raises(ModelError, match=f"{name} holds values beyond 65504"):
        pack(tmp_path / "wild", tmp_path / "small", half=True)
    assert not (tmp_path / "small").exists()


def test_examples_and_scores_take_the_place_of_the_models_own(origin: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(5))
    scores = {"metrics": {"psnr": {"value": 20.5, "low": 20.0, "high": 21.0, "count": 9, "protocol": "words"}}}
    (tmp_path / "scores.json").write_text(json.dumps(scores))
    said = diptych(
        "models", "pack", origin, "--out", tmp_path / "small", "--half", "--example", tmp_path / "a.png",
        "--scores", tmp_path / "scores.json",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert "weights stored in float16" in said.out
    assert "licence: not stated; say it by diptych card" in said.out
    assert len(examples(tmp_path / "small")) == 1
    assert np.array_equal(
        images.read(tmp_path / "small" / "example-1.png").array, images.read(tmp_path / "a.png").array
    )
    assert inspect_card(tmp_path / "small").scores == {"psnr": {"value": 20.5, "low": 20.0, "high": 21.0, "count": 9}}


def test_scores_that_are_none_and_too_many_examples_are_refused(origin: Path, tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text("{}")
    with pytest.raises(DataError, match=r"scores\.json holds no scores"):
        read_scores(tmp_path / "scores.json")
    with pytest.raises(ConfigError, match="at most 3"):
        pack(origin, tmp_path / "small", examples=[tmp_path / "a.png"] * 4)
