"""Many files translated: every picture gets a place of its own, and nothing that nobody named is touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diptych import images
from diptych.bulk import plan
from diptych.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("x.png", "x.jpg", "deep/y.jpg"):
        images.write(tmp_path / "in" / name, np.zeros((4, 5, 3), np.uint8))
    return tmp_path / "in"


def never_jpeg(suffix: str) -> bool:
    return suffix != ".jpg"


def test_results_keep_the_folders_own_structure(folder: Path, tmp_path: Path) -> None:
    targets = {job.target.relative_to(tmp_path / "out").as_posix() for job in plan([folder], tmp_path / "out")}
    assert targets == {"x.png", "x.jpg", "deep/y.jpg"}


def test_a_format_that_cannot_hold_the_result_is_replaced_under_a_free_name(folder: Path, tmp_path: Path) -> None:
    jobs = plan([folder], tmp_path / "out", fits=never_jpeg)
    names = {job.source.name: job.target.name for job in jobs}
    assert names == {"x.png": "x.png", "x.jpg": "x.jpg.png", "y.jpg": "y.png"}
    assert [job.notes for job in jobs if job.source.name == "y.jpg"] == [("written as y.png: .jpg cannot hold it",)]


def test_a_file_that_nobody_named_is_not_replaced(folder: Path, tmp_path: Path) -> None:
    for name in ("y.png", "y.jpg.png"):
        images.write(tmp_path / "out" / name, np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(ConfigError, match=r"cannot hold the result for .*y\.jpg, and .*y\.jpg\.png exists"):
        plan([folder / "deep" / "y.jpg"], tmp_path / "out", fits=never_jpeg)


def test_sources_and_results_do_not_fall_on_one_another(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is one of the pictures to translate"):
        plan([folder], folder)
    with pytest.raises(ConfigError, match="would both become"):
        plan([folder / "x.png", *plan_copy(folder, tmp_path)], tmp_path / "out")


def plan_copy(folder: Path, tmp_path: Path) -> list[Path]:
    """The same name from another folder."""
    return [images.write(tmp_path / "other" / "x.png", images.read(folder / "x.png").array)]


def test_a_file_is_no_place_for_a_folder_of_results(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"notes\.txt is a file: give a folder"):
        plan([folder], tmp_path / "notes.txt")
    with pytest.raises(DataError, match="does not exist"):
        plan([folder / "z.png"], tmp_path / "out")
