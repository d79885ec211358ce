"""Methods and tasks of others in a real browser: masks, domains, words, samplers, holes, results of another size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import give, needs_browser, opened, result
from odd import holes, twice
from odd.domains import AnyDomain
from odd.masked import Masked
from odd.prompted import Prompted
from odd.same import Same
from odd.sampler import Sampler
from odd.worded import Worded
from pictures import noise, save
from serving import Server, serving

from diptych import Translator, images
from diptych.testing import bundle

ODD = {
    "masked": Masked,
    "domains": AnyDomain,
    "prompted": Prompted,
    "sampler": Sampler,
    "twice": Same,
    "holes": Worded,
}

TASKS = {"twice": twice, "holes": holes}

pytestmark = needs_browser


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("odd")
    for name, method in ODD.items():
        made = bundle(method, {"source_channels": 4} if name == "holes" else {})
        if name in TASKS:
            made.card.task = TASKS[name].__name__
        made.save(place / name)
    save(place / "photo.png", noise(48, 64, 3))
    save(place / "reference.png", np.full((48, 64, 3), 255, np.uint8))
    mask = np.zeros((48, 64, 1), np.uint8)
    mask[:24] = 255
    save(place / "mask.png", mask)
    return place


@pytest.fixture(scope="module")
def server(place: Path) -> Any:
    plugins = [word for name in (*ODD, "same", "worded") for word in ("--plugin", f"odd.{name}")]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(Path(__file__).parent)
        with serving(place / "server", *(place / name for name in ODD), *plugins) as client:
            yield client


def fill(name: str, value: str) -> Callable[[Any], Any]:
    return lambda page: page.locator(f"input[name={name}]").fill(value)


def choose(name: str, value: str) -> Callable[[Any], Any]:
    return lambda page: page.locator(f"select[name={name}]").select_option(value)


def attach(name: str, file: str) -> Callable[[Any], Any]:
    return lambda page: page.locator(f"input[name={name}]").set_input_files(file)


@pytest.mark.parametrize(
    ("name", "controls", "scale"),
    [
        ("masked", {"mask": "mask.png"}, 1),
        ("domains", {"to": "the 2", "reference": "reference.png"}, 1),
        ("prompted", {"prompt": "ein blaues Haus"}, 1),
        ("sampler", {"steps": 2, "seed": 5}, 1),
        ("twice", {}, 2),
        ("holes", {"box": "4,6,8,10"}, 1),
    ],
)
def test_the_page_shows_its_controls_and_gives_what_python_gives(
    name: str, controls: dict[str, Any], scale: int, browser: Any, server: Server, place: Path
) -> None:
    files = {control for control, value in controls.items() if str(value).endswith(".png")}
    given = {control: str(place / value) if control in files else value for control, value in controls.items()}
    with opened(browser, server, model=name) as page:
        if name == "sampler":  # numbers alone
            page.click("summary:has-text('Settings')")
        for control, value in given.items():
            (attach if control in files else choose if control == "to" else fill)(control, str(value))(page)
        give(page, place / "photo.png")
        made = images.read(result(page, lambda: page.click("#translate"))).array
    assert made.shape == (scale * 48, scale * 64, 3)
    assert np.array_equal(made, Translator.load(place / name)(place / "photo.png", **given).array)
