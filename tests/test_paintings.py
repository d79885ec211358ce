"""Made-up paintings, to try styles on: alike for one seed, in three manners, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import diptych

from diptych import images
from diptych.data.samples import painting
from diptych.data.samples.paintings import MANNERS
from diptych.errors import ConfigError


@pytest.mark.parametrize("manner", MANNERS)
def test_a_seed_is_one_painting_and_another_seed_another(manner: str) -> None:
    one, again, other = (painting(seed, 64, manner=manner) for seed in (4, 4, 5))
    assert one.shape == (64, 64, 3)
    assert one.dtype == np.uint8
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_manners_take_turns() -> None:
    assert all(np.array_equal(painting(n, 64), painting(n, 64, manner=manner)) for n, manner in enumerate(MANNERS))


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"seed": 0, "size": 16}, {"seed": 0, "manner": "cubist"}])
def test_what_cannot_be_painted_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"seed|size|manner"):
        painting(**wrong)  # type: ignore[arg-type]


def test_the_command_writes_as_many_as_asked_from_the_seed_on(tmp_path: Path) -> None:
    said = diptych("data", "samples", "paintings", "--count", 2, "--size", 64, "--seed", 7, "--out", tmp_path / "p")
    assert said.code == 0, said.err
    assert [path.name for path in sorted((tmp_path / "p").iterdir())] == ["0007.png", "0008.png"]
    assert np.array_equal(images.read(tmp_path / "p" / "0008.png").array, painting(8, 64))


@pytest.mark.parametrize("option", [("--unpaired",), ("--sides", "day,night"), ("--from", "x")])
def test_what_is_of_streets_or_emoji_is_refused(option: tuple[str, ...], tmp_path: Path) -> None:
    assert diptych("data", "samples", "paintings", "--out", tmp_path / "p", *option).code == 2
    assert not (tmp_path / "p").exists()
