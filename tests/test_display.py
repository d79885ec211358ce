"""A picture is shown where there is a screen, and saved where there is none."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pictures import noise
from PIL import ImageShow

from diptych import Picture, display_image, load_image


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_without_a_screen_it_is_saved_whole_and_nothing_is_replaced(
    dtype: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = [Picture(noise(8, 9, 3, dtype, seed)) for seed in (0, 1)]
    places = [display_image(picture) for picture in pictures]
    assert capsys.readouterr().out.split() == [str(place) for place in places]
    for picture, place in zip(pictures, places, strict=True):
        assert np.array_equal(load_image(place).array, picture.array)


def test_what_no_png_holds_is_saved_as_it_can_be_seen() -> None:
    place = display_image(Picture(noise(8, 9, 5, "float32")))
    assert load_image(place).array.shape == (8, 9, 3)


@pytest.mark.parametrize("found", [True, False])
def test_a_desktop_opens_its_viewer_if_it_has_one(found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(ImageShow, "show", lambda image: found)  # there is no desktop here
    assert (display_image(Picture(noise(8, 9))) is None) == found


def test_a_notebook_shows_it_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Picture] = []
    kernel = SimpleNamespace(kernel=object())  # there is no notebook here
    notebook = SimpleNamespace(get_ipython=lambda: kernel, display=SimpleNamespace(display=shown.append))
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    picture = Picture(noise(8, 9))
    assert display_image(picture) is None
    assert shown == [picture]
