"""The author of a method sees their own error, where it is; only a true want of pixels asks for larger pictures."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import pytest
from odd import faulty
from pictures import side_by_side
from runs import recipe, start, train

from diptych.errors import ConfigError

OWN = {
    "value": (ValueError, "the weights do not add up"),
    "runtime": (RuntimeError, "no progress was set"),
    "memory": (RuntimeError, "the memory bank is empty"),
    "shapes": (RuntimeError, "must have same reduction dim|cannot be multiplied"),
}


def given(pairs: Path, fault: str) -> dict[str, dict[str, object]]:
    return recipe(pairs, images=2, ema=0) | {"method": {"name": "odd.faulty", "fault": fault}}


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return side_by_side(tmp_path / "pairs", 6, 64)


@pytest.mark.parametrize("fault", OWN)
def test_an_authors_own_error_keeps_its_type_its_text_and_its_line(fault: str, pairs: Path, tmp_path: Path) -> None:
    kind, said = OWN[fault]
    with pytest.raises(kind, match=said) as raised:
        train(given(pairs, fault), tmp_path / "run")
    assert type(raised.value) is kind
    lines = [f"{frame.filename}: {frame.line}" for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert any(line.startswith(f"{faulty.__file__}: ") and line.endswith("# the author's line") for line in lines)


def test_a_complaint_about_options_is_passed_on_as_it_is(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^beta must be below alpha$"):
        train(given(pairs, "config"), tmp_path / "run")


@pytest.mark.parametrize("fault", ["small", "deep"])
def test_pictures_too_small_for_the_steps_are_said_to_be(fault: str, pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot take pictures of 64x64 .*: choose larger pictures"):
        train(given(pairs, fault), tmp_path / "run")


def test_steps_that_need_numbers_train_though_nobody_can_say_their_memory(pairs: Path, tmp_path: Path) -> None:
    said = train(given(pairs, "item"), tmp_path / "run")
    assert "memory: not known beforehand" in said
    assert (tmp_path / "run" / "done").exists()


def test_an_error_that_speaks_of_memory_is_no_want_of_it(pairs: Path, tmp_path: Path) -> None:
    process = start(
        "train", "odd.faulty", "method.fault=memory", "--data", str(pairs), "data.size=64", "--out",
        str(tmp_path / "run"), PYTHONPATH=os.pathsep.join(sys.path),
    )  # fmt: skip
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 1
    assert "the memory bank is empty" in said
    assert "out of memory" not in said
