"""The wheel, installed beside what it needs and away from this clone, does what the README's first rungs say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import noise, save

from diptych import __version__

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what `pip install` of the wheel puts there."""
    place = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    wheel = place / "wheels" / f"diptych-{__version__}-py3-none-any.whl"
    for words in (["wheel", "-w", wheel.parent, ROOT], ["install", "--target", place / "site", wheel]):
        done = subprocess.run([*pip, *map(str, words), "-q", "--no-deps"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return place / "site"


def run(installed: Path, place: Path, *words: object) -> str:
    """What the installed command prints, run in an empty folder."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "XDG_CONFIG_HOME": str(place / "config")}
    done = subprocess.run(
        [sys.executable, "-m", "diptych", *map(str, words)],
        env=environment, cwd=place, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_it_holds_the_package_and_its_recipes(installed: Path, tmp_path: Path) -> None:
    code = "import diptych; print(diptych.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    said = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert Path(said.stdout.strip()).is_relative_to(installed)
    ours = {path.relative_to(ROOT) for path in (ROOT / "recipes").rglob("*.yaml")}
    assert ours
    assert all((installed / "diptych" / path).exists() for path in ours)
    assert not (installed / "tests").exists()


def test_the_first_rungs_run(installed: Path, tmp_path: Path) -> None:
    assert "street-night" in run(installed, tmp_path, "models")
    picture = save(tmp_path / "day.png", noise(48, 64, 3))
    run(installed, tmp_path, "translate", "street-night", picture, "--out", "night.png")
    assert (tmp_path / "night.png").exists()
    run(installed, tmp_path, "data", "samples", "street", "--count", 8, "--size", 32, "--out", "street")
    assert "pairs" in run(installed, tmp_path, "data", "check", "street")
    small = ["data.size=32", "data.load=32", "train.images=4", "train.batch=2", "method.network=none", "method.width=4"]
    run(installed, tmp_path, "train", "recipes/street.yaml", "--data", "street", "--out", "run", *small)
    run(installed, tmp_path, "evaluate", "run", "--data", "street")
    run(installed, tmp_path, "translate", "run", "street/test/labels", "--out", "made")
    assert list((tmp_path / "made").iterdir())


def test_a_recipe_that_came_with_the_package_finds_its_legend(installed: Path, tmp_path: Path) -> None:
    labels = np.kron(np.arange(4, dtype=np.uint8).reshape(2, 2), np.ones((16, 16), np.uint8))[..., None] + 1
    for number in range(4):
        save(tmp_path / "facades" / "train" / "photo" / f"{number}.png", noise(32, 32, 3, seed=number))
        save(tmp_path / "facades" / "train" / "label" / f"{number}.png", labels)
    options = ["--direction", "label2photo", "data.size=32", "--dry-run", "method.network=none"]
    said = run(installed, tmp_path, "train", "recipes/facades.yaml", "--data", "facades", "--out", "run", *options)
    assert "12 classes" in said


def test_without_credentials_neither_them_nor_a_compiler_is_loaded_and_no_key_is_made(
    installed: Path, tmp_path: Path
) -> None:
    picture = save(tmp_path / "day.png", noise(32, 32, 3))
    words = ["diptych", "translate", "street-night", str(picture), "--no-provenance", "--out", str(tmp_path / "a.png")]
    code = (
        "import atexit, sys; unwanted = {'c2pa', 'cryptography', 'torch._dynamo'};"
        "atexit.register(lambda: print(unwanted & set(sys.modules)));"
        f"sys.argv = {words!r}; from diptych.cli import main; main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "set()"
    assert not (tmp_path / "config").exists()
