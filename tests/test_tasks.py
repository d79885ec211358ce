"""A task has its say once before the network and once after it, on whatever way a picture is translated."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import clips
import numpy as np
import pytest
from odd.counting import AFTER, BEFORE
from odd.same import Same
from pictures import save

from diptych import images
from diptych.evaluation.command import open_for, score
from diptych.evaluation.examples import examples
from diptych.images import Picture
from diptych.inference.batch import translate_files
from diptych.inference.destinations import plan
from diptych.inference.tiff import translate_large
from diptych.inference.video import translate_video
from diptych.model.translator import Translator
from diptych.serve.engine.worker import Batch, Done, Translation
from diptych.testing import bundle
from diptych.tiling import Tiling

GREY, SIZE = 100, 48


def counting(**options: object) -> Translator:
    made = bundle(Same, {})
    return Translator(made.method, made.card.model_copy(update={"task": "odd.counting"}), device="cpu", **options)


def grey(value: int = GREY, size: int = SIZE) -> np.ndarray:
    return np.full((size, size, 3), value, np.uint8)


def called(place: Path) -> np.ndarray:
    return counting()(grey()).array


def many(place: Path) -> np.ndarray:
    return np.concatenate(
        [one.array for one in counting().many([grey(), grey(), grey(size=20)[:, :SIZE]], batch=2)][:2]
    )


def in_tiles(place: Path) -> np.ndarray:
    return counting(tiling=Tiling("exact", size=32, halo=16, blend=8))(grey()).array


def approximately(place: Path) -> np.ndarray:
    return counting(tiling=Tiling("approximate", size=32, halo=16, blend=8))(grey()).array


def large(place: Path) -> np.ndarray:
    pytest.importorskip("pyvips")
    made = counting(tiling=Tiling("exact", size=32, halo=16, blend=8))
    translate_large(made, save(place / "large.tif", grey()), place / "out.tif", made.checked({}))
    return images.read(place / "out.tif").array


def bulk(place: Path) -> np.ndarray:
    sources = [save(place / "in" / f"{number}.png", grey()) for number in range(3)]
    results = translate_files(counting(), plan(sources, place / "out").jobs, controls={}, batch=2)
    return np.concatenate([images.read(result.written).array for result in results])


def served(place: Path) -> np.ndarray:
    batch = Batch("model", [images.encode(grey(), "PNG")] * 2, {}, None)
    with ThreadPoolExecutor(1) as pool:
        outcomes = Translation(counting(), None, batch, 50, pool).outcomes()
    assert all(isinstance(outcome, Done) for outcome in outcomes)
    return np.concatenate([images.read(outcome.data).array for outcome in outcomes])


def video(place: Path) -> np.ndarray:
    clips.write(place / "in.mp4", count=3, size=(SIZE, SIZE), sound=None, picture=lambda number: grey())
    translate_video(counting(), place / "in.mp4", place / "out.mp4", controls={}, batch=2, quality=1)
    return np.stack(clips.read(place / "out.mp4").frames)


PATHS = [called, many, in_tiles, approximately, large, bulk, served, video]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__)
def test_source_and_finish_are_asked_once_each(path: Callable[[Path], np.ndarray], tmp_path: Path) -> None:
    found = path(tmp_path)
    assert np.abs(found.astype(int) - (GREY + BEFORE + AFTER)).max() <= (4 if path is video else 0)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Pairs whose targets are what the task and the network make of their sources."""
    for number in range(3):
        save(tmp_path / "test" / "a" / f"{number}.png", grey(GREY + number))
        save(tmp_path / "test" / "b" / f"{number}.png", grey(GREY + number + BEFORE + AFTER))
    return tmp_path


def test_the_sources_of_pairs_are_not_prepared_again_for_an_evaluation(pairs: Path) -> None:
    made = counting()
    data = open_for(made, str(pairs))
    found = score(made, data, "test", answers=1, controls={})
    assert found.metrics["l1"]["value"] == 0
    shown = examples(made, data, found)
    assert {int(example.pictures["output"].max()) - GREY - BEFORE - AFTER for example in shown} == {0, 1, 2}


def test_the_pictures_of_an_evaluation_without_pairs_are_prepared_once(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "test" / "a" / f"x{number}.png", grey(GREY + number))
        save(tmp_path / "test" / "b" / f"y{number}.png", grey())
    made = counting()
    made.card.data = {"kind": "unpaired"}
    data = open_for(made, str(tmp_path), kind="unpaired")
    (_, source), *_ = data.pictures("test", 0)
    assert made(source).array.max() == GREY + BEFORE + AFTER


def test_a_task_sees_the_users_own_picture_when_it_finishes_a_large_one(tmp_path: Path) -> None:
    pytest.importorskip("pyvips")
    seen: list[Picture] = []
    made = counting(tiling=Tiling("exact", size=32, halo=16, blend=8))
    finish = made.task.finish
    made.task = type(
        "Watching", (type(made.task),), {"finish": lambda self, *given: seen.append(given[2]) or finish(*given)}
    )()
    own = np.random.default_rng(0).integers(0, 100, (70, 50, 3), np.uint8)
    translate_large(made, save(tmp_path / "a.tif", own), tmp_path / "b.tif", made.checked({}))
    assert np.array_equal(np.concatenate([picture.array for picture in seen]), own)
