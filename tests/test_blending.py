"""How much of a translation is taken, and where: untouched means untouched, by every way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from hypothesis import given
from hypothesis import strategies as st
from odd.same import Same
from pictures import noise, save
from test_photo_tasks import translator as of_task

from diptych import images
from diptych.errors import ConfigError, DataError
from diptych.images import Picture
from diptych.methods import find
from diptych.model.blending import depths, inside
from diptych.model.card import Domain
from diptych.model.controls import describe_controls
from diptych.model.translator import Translator
from diptych.serve.engine.worker import Batch, Done, Models, Plan, answer
from diptych.testing import bundle
from diptych.tiling import Tiling

FORMATS = [("PNG", 3, "uint8"), ("PNG", 1, "uint8"), ("PNG", 3, "uint16"), ("TIFF", 3, "float32"), ("JPEG", 3, "uint8"),
           ("WEBP", 3, "uint8"), ("TIFF", 3, "uint16")]  # fmt: skip
SMALL = {"width": 4, "levels": 2, "detail": 4, "network": "none", "discriminator_width": 4, "discriminator_levels": 2}
HEIGHT, WIDTH = 40, 48


@pytest.fixture(scope="module")
def translator() -> Translator:
    return bundle(find("paired"), SMALL)


@pytest.fixture(scope="module")
def model(translator: Translator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return translator.save(tmp_path_factory.mktemp("model") / "m")


def mask() -> np.ndarray:
    where = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    where[8:30, 10:40] = 255
    return where


@pytest.mark.parametrize(("format", "channels", "dtype"), FORMATS)
def test_only_there_and_all_else_stays_bit_by_bit_from_file_to_file(
    model: Path, format: str, channels: int, dtype: str, tmp_path: Path
) -> None:
    path = save(tmp_path / f"a{images.SUFFIX_OF[format]}", noise(HEIGHT, WIDTH, channels, dtype=dtype))
    where = save(tmp_path / "mask.png", mask())
    said = diptych("translate", model, path, "--where", where, "--out", tmp_path / "out")
    assert said.code == 0, said.err
    (written,) = (tmp_path / "out").iterdir()
    before, after, there = images.read(path).array, images.read(written).array, mask()[..., 0] > 0
    assert after.dtype == before.dtype
    assert np.array_equal(after[~there], before[~there])
    assert not np.array_equal(after[there], before[there])


def test_a_server_changes_nothing_outside_either(model: Path, tmp_path: Path) -> None:
    path, where = save(tmp_path / "a.png", noise(HEIGHT, WIDTH, 3)), save(tmp_path / "mask.png", mask())
    models = Models(Plan({"m": model}, provenance=False))
    with ThreadPoolExecutor(1) as pool:
        batch = Batch("m", [path.read_bytes()] * 2, {"where": where.read_bytes()}, None)
        served = answer(models, batch, pool)
    for one in served:
        assert isinstance(one, Done)
        there = mask()[..., 0] > 0
        assert np.array_equal(images.read(one.data).array[~there], images.read(path).array[~there])


def test_it_begins_gently_inside_its_edge_and_the_border_of_a_picture_is_no_edge() -> None:
    where = np.zeros((40, 48, 1), bool)
    where[:, 20:] = True
    share = inside(where, 8)[..., 0]
    assert (share[:, :20] == 0).all()
    assert np.allclose(share[:, 20:28], np.arange(1, 9) / 8)
    assert (share[:, 28:] == 1).all()
    assert np.array_equal(inside(where, 0)[..., 0], where[..., 0])
    assert (inside(np.ones((40, 48, 1), bool), 8) == 1).all()


@given(seed=st.integers(0, 1000), share=st.floats(0.5, 0.99))
def test_how_deep_a_place_is_inside_is_the_way_to_the_nearest_outside(seed: int, share: float) -> None:
    inner = np.random.default_rng(seed).random((9, 14)) < share
    if inner.all():
        return
    y, x = np.mgrid[:9, :14]
    ways = []
    for row, column in np.argwhere(~inner):
        least, most = np.sort([abs(y - row), abs(x - column)], axis=0)
        ways.append(most - least + 2**0.5 * least)
    assert np.allclose(depths(inner), np.min(ways, axis=0), atol=1e-4)


@pytest.mark.parametrize("feather", [8, 1000])
def test_a_thin_mask_is_translated_all_the_same(translator: Translator, feather: int) -> None:
    picture, where = noise(HEIGHT, WIDTH, 3), np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    where[20:23] = 255
    made = translator(picture, where=where, feather=feather).array
    assert np.array_equal(made[21], translator(picture).array[21])
    assert np.array_equal(made[where[..., 0] == 0], picture[where[..., 0] == 0])


def test_strength_goes_from_the_picture_to_its_translation(translator: Translator) -> None:
    picture = noise(HEIGHT, WIDTH, 3)
    none, half, all_ = (translator(picture, strength=share).array.astype(int) for share in (0.0, 0.5, 1.0))
    assert np.array_equal(none, picture)
    assert np.array_equal(all_, translator(picture).array)
    assert np.abs(half - (none + all_) / 2).max() <= 0.5


@pytest.mark.parametrize("channels", [1, 3])
def test_colours_may_be_fainter_and_only_there(channels: int) -> None:
    made = of_task("colorize")
    picture = noise(HEIGHT, WIDTH, channels)
    grey = picture if channels == 3 else np.repeat(picture, 3, axis=2)
    none, half, all_ = (made(picture, strength=share).array.astype(int) for share in (0.0, 0.5, 1.0))
    assert np.array_equal(none, grey)
    assert np.abs(half - (grey.astype(int) + all_) / 2).max() <= 1
    where = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    where[8:20, 10:30] = 255
    there = made(picture, where=where, feather=0).array
    assert np.array_equal(there[where[..., 0] == 0], grey[where[..., 0] == 0])
    assert np.array_equal(there[8:20, 10:30], all_[8:20, 10:30])


def test_tiles_are_blended_as_the_whole_is(translator: Translator) -> None:
    picture, tiled = noise(96, 128, 3), Tiling("exact", size=64, halo=32, blend=0)
    where = np.zeros((96, 128, 1), np.uint8)
    where[10:80, 20:100] = 255
    whole = translator(picture, where=where, strength=0.7).array
    parts = Translator(translator.method, translator.card, device="cpu", tiling=tiled)(
        picture, where=where, strength=0.7
    )
    assert np.abs(parts.array.astype(int) - whole).max() <= 1
    assert np.array_equal(parts.array[where[..., 0] == 0], picture[where[..., 0] == 0])


def test_what_a_mask_cannot_be_is_said(translator: Translator) -> None:
    picture = noise(HEIGHT, WIDTH, 3)
    with pytest.raises(DataError, match="the mask has no white in it"):
        translator(picture, where=np.zeros((HEIGHT, WIDTH, 1), np.uint8))
    with pytest.raises(DataError, match="needs the same size"):
        translator(picture, where=np.zeros((9, 9, 1), np.uint8))
    with pytest.raises(ConfigError, match="strength"):
        translator(picture, strength=1.5)


@pytest.mark.parametrize("source", [Domain(name="a", channels=1), Domain(name="a", channels=3, dtype="uint16")])
def test_where_source_and_target_hold_other_values_there_is_nothing_to_blend(source: Domain) -> None:
    made = bundle(Same, {})
    card = made.card.model_copy(update={"domains": [source, Domain(name="b", channels=3)], "directions": [("a", "b")]})
    assert {one.name for one in describe_controls(made.method, card)} & {"where", "feather", "strength"} == set()
    with pytest.raises(ConfigError, match=r"where is not an option|takes no where"):
        Translator(made.method, card, device="cpu")(Picture(noise(40, 48, source.channels)), where=mask())
