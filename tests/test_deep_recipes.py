"""Recipes and options nested without sense are refused in a sentence, however they come in."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import diptych

from diptych.data.labels import read_legend
from diptych.errors import DiptychError
from diptych.options.recipes import LEVELS, shallow

DEEP = {
    "a list": "[" * 3000,
    "a closed list": "[" * 200 + "]" * 200,
    "mappings": "{a: " * 3000,
    "blocks": "\n".join(" " * i + "a:" for i in range(400)),
    "a number": "1" * 5000,
    "a date": "2024-13-45",
}


@pytest.mark.parametrize("kind", DEEP)
def test_a_recipe_that_makes_no_sense_is_no_traceback(kind: str, tmp_path: Path) -> None:
    inner = "\n  ".join(DEEP[kind].split("\n"))
    (tmp_path / "recipe.yaml").write_text(f"method: pix2pix\ndata:\n  legend:\n  {inner}\n")
    said = diptych("train", tmp_path / "recipe.yaml", "--out", tmp_path / "run")
    assert said.code == 2
    assert len(said.err) < 1500
    assert "recipe" in said.err


@pytest.mark.parametrize("option", ["data.legend=" + text for text in DEEP.values()] + [".".join("a" * 5000) + "=1"])
def test_an_option_that_makes_no_sense_is_no_traceback(option: str, tmp_path: Path) -> None:
    said = diptych("train", "pix2pix", option, "--out", tmp_path / "run")
    assert said.code == 2
    assert len(said.err) < 1500


def test_a_legend_too_deep_is_refused(tmp_path: Path) -> None:
    (tmp_path / "legend.yaml").write_text("classes: " + "[" * 3000)
    with pytest.raises(DiptychError, match="levels deep"):
        read_legend(tmp_path / "legend.yaml")


def test_what_is_named_again_and_again_is_looked_at_once() -> None:
    laughs: list[object] = ["ha"]
    for _ in range(LEVELS - 1):
        laughs = [laughs] * 1000
    assert shallow(laughs) is laughs
    with pytest.raises(RecursionError):
        shallow([[laughs]])
