"""Words, and example pictures by any name, are controls as others are: on the command line, in forms, in a worker."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from models import picture
from odd.worded import Worded

from diptych import images
from diptych.errors import ConfigError
from diptych.model.controls import Form, describe_controls
from diptych.model.translator import Translator
from diptych.options.controls import control
from diptych.serve.api.openapi import schema_of
from diptych.serve.engine.worker import Batch, Done, Models, Plan, answer
from diptych.testing import bundle

NIGHT, DARK = "night", np.zeros((32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def worded() -> Translator:
    return bundle(Worded, {})


@pytest.fixture
def folder(worded: Translator, tmp_path: Path) -> Path:
    return worded.save(tmp_path / "model")


def brightness(file: Path | bytes) -> float:
    return float(images.read(file).array.mean())


def test_a_control_of_words_has_a_schema_and_a_form(worded: Translator) -> None:
    shown = {one.name: one for one in describe_controls(worded.method, worded.card)[:4]}
    assert {name: one.kind for name, one in shown.items()} == {
        "caption": "text", "note": "text", "mood": "choice", "look": "picture",
    }  # fmt: skip
    assert schema_of(shown["caption"])["type"] == schema_of(shown["note"])["type"] == "string"
    assert schema_of(shown["look"])["format"] == "binary"
    assert (shown["caption"].default, shown["note"].optional) == ("day", True)
    given = {"caption": "12", "note": "yes", "mood": "no", "look": b"file"}
    assert Form(worded.method, worded.card).read(given) == given


def test_words_reach_the_method_from_the_command_line_as_they_are(folder: Path, tmp_path: Path) -> None:
    source, dark = tmp_path / "a.png", tmp_path / "dark.png"
    source.write_bytes(picture())
    images.write(dark, DARK)
    for name, controls in {
        "plain": ["--caption", "7", "--mood", "no"],  # neither a number nor a switch: words
        "night": ["--caption", NIGHT],
        "look": ["--look", dark],
        "note": ["--note", "true"],
    }.items():
        said = diptych("translate", folder, source, *controls, "--out", tmp_path / f"{name}.png")
        assert said.code == 0, said.err
    plain, night, look, note = (brightness(tmp_path / f"{name}.png") for name in ("plain", "night", "look", "note"))
    assert night < plain - 30
    assert look < night - 30
    assert note > plain + 10


def test_a_worker_takes_an_example_picture_by_any_name(folder: Path) -> None:
    models, dark = Models(Plan({"m": folder}, provenance=False)), images.encode(DARK, "PNG")
    with ThreadPoolExecutor(1) as pool:
        (plain,), (look,), (broken,) = (
            answer(models, Batch("m", [picture()], controls, None), pool)
            for controls in ({"caption": "7"}, {"look": dark}, {"look": b"nothing"})
        )
    assert isinstance(plain, Done)
    assert isinstance(look, Done)
    assert brightness(look.data) < brightness(plain.data) - 30
    assert "the look picture" in str(broken)


def test_a_type_that_no_form_can_show_is_named(worded: Translator) -> None:
    with pytest.raises(ConfigError, match=r"the control sizes is of the type list\[int\], which no form can show"):
        control("sizes", list[int], None)
