"""A large picture in tiles is what it would be as a whole: no seams, no tints of single tiles, in bounded memory."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import diptych
from models import model, with_ends
from tiles import TILES, WHOLE, both, decibels, network, scene, translator

from diptych import images
from diptych.images import Picture
from diptych.methods import names
from diptych.model.translator import Translator
from diptych.provenance import verify
from diptych.runtime.speed import Speed
from diptych.tiling import Tiling, in_tiles
from diptych.tiling.grid import spans
from diptych.tiling.paging import Pages


@pytest.mark.parametrize("name", names())
def test_features_that_wait_in_a_file_come_back_as_they_were(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = translator(name)
    made.tiling = TILES
    picture, kept = scene(96, 160, made.card.source.channels), []
    keep = Pages.keep
    with monkeypatch.context() as patch:
        patch.setattr(Pages, "keep", lambda pages, *given: (keep(pages, *given), kept.append(len(pages.parcels))))
        put_away = made(picture).array
    assert max(kept, default=0) > 1 or not kept  # of a method without norms nothing waits
    monkeypatch.setattr(Pages, "keep", lambda *given: None)
    assert np.array_equal(made(picture).array, put_away)


@pytest.mark.parametrize("name", ["cyclegan", "munit", "pix2pix"])
def test_tiles_by_themselves_would_have_other_tints(name: str) -> None:
    made = translator(name, **({"dropout": False} if name == "pix2pix" else {}))
    picture = scene(96, 192)
    whole, shared = both(made, picture)
    made.tiling = WHOLE
    apart = [made(Picture(picture.array[:, left : left + 64])) for left in (0, 64, 128)]
    alone = replace(whole, array=np.concatenate([one.array for one in apart], axis=1))
    assert decibels(whole, shared) > decibels(whole, alone) + 10


def test_a_style_is_seen_as_a_whole() -> None:
    made = translator("munit")
    style = scene(64, 64)
    assert made.examples
    whole, tiled = both(made, scene(96, 160), style=style)
    assert decibels(whole, tiled) >= 40


def test_a_style_as_large_as_a_tile_stays_where_it_is() -> None:
    made, style = translator("munit"), scene(96, 96)  # a tile of 64 with its halo on one side
    whole, tiled = both(made, scene(96, 128), replace(TILES, size=64, halo=32), style=style)
    assert decibels(whole, tiled) >= 40


def test_exact_statistics_come_from_all_of_the_picture() -> None:
    made = translator("cyclegan")
    picture = scene(64, 512)
    whole, sampled = both(made, picture, replace(TILES, mode="approximate", sample_mp=0.02))
    _, exact = both(made, picture)
    assert decibels(whole, exact) >= 40 > decibels(whole, sampled)


@pytest.mark.parametrize(("height", "width"), [(97, 131), (64, 300), (17, 90)])
def test_any_size_comes_out_as_it_went_in_without_seams(height: int, width: int) -> None:
    made = translator("cyclegan")
    whole, tiled = both(made, scene(height, width))
    assert tiled.array.shape == (height, width, 3)
    assert np.abs(whole.array.astype(int) - tiled.array).max() <= 3


def test_small_pictures_are_translated_as_ever_and_large_ones_in_tiles_by_themselves() -> None:
    made = translator("cyclegan")
    made.tiling = replace(TILES, mode="auto", above_mp=0.01)
    assert not made(scene(64, 64)).notes
    assert made(scene(128, 128)).notes


def test_bfloat16_takes_its_statistics_in_float32() -> None:
    made = translator("cyclegan")
    fast = Translator(made.method, made.card, speed=Speed(bf16=True), device="cpu")
    whole, tiled = both(fast, scene(96, 160))
    assert decibels(whole, tiled) >= 35


@pytest.mark.parametrize("mode", ["approximate", "exact"])
def test_every_place_is_covered_once_whatever_the_size(mode: str) -> None:
    for height, width, step in ((64, 64, 4), (100, 260, 4), (512, 256, 256), (96, 32, 32)):
        picture = torch.arange(height * width, dtype=torch.float32).view(1, 1, height, width)
        tiling = Tiling(mode, size=48, halo=8, blend=8, sample_size=48, sample_halo=8)
        window = lambda t, b, l, r, p=picture: p[:, :, t:b, l:r]  # noqa: E731, E741
        rows = list(in_tiles(window, network(lambda x: x), height, width, step=step, tiling=tiling))
        assert torch.allclose(torch.cat(rows, dim=1), picture[0])


def test_tiles_begin_where_the_network_would() -> None:
    for span in spans(1000, 300, 10, 8):
        assert not any(place % 8 for place in (span.start, span.end, span.low, span.high))


def test_a_fault_in_one_of_the_tiles_in_step_is_said() -> None:
    def faulty(x: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.instance_norm(x)
        if x.shape[-1] == 48:  # the first of them, not the one that is looked at before
            raise RuntimeError("out of memory")
        return torch.nn.functional.instance_norm(x)

    picture = torch.randn(1, 1, 128, 128)
    window = lambda t, b, l, r: picture[:, :, t:b, l:r]  # noqa: E731, E741
    with pytest.raises(RuntimeError, match="out of memory"):
        list(in_tiles(window, network(faulty), 128, 128, step=4, tiling=replace(TILES, size=32, halo=16)))


def test_a_tiff_over_the_limit_is_never_decoded_as_a_whole(tmp_path: Path) -> None:
    folder = model(tmp_path / "model", "cyclegan")
    picture = scene(300, 420)
    images.write(tmp_path / "huge.tif", picture.array)
    common = ["translate", folder, tmp_path / "huge.tif", "--to", "the b", "--tile", 128]
    said = diptych(*common, "--limit-mp", 0.1, "--out", tmp_path / "parts.tif")
    assert said.code == 0, said.err
    whole = diptych(*common, "--tiling", "off", "--out", tmp_path / "whole.tif")
    assert whole.code == 0, whole.err
    parts = images.read(tmp_path / "parts.tif")
    assert decibels(images.read(tmp_path / "whole.tif"), parts) >= 40
    assert verify(tmp_path / "parts.tif").state == "intact"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["huge.tif", "model", "parts.tif", "whole.tif"]


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_depth_and_channels_of_a_large_tiff_are_kept(tmp_path: Path, dtype: str) -> None:
    made = translator("autoencoder", source_channels=4, target_channels=4)
    high = 65535.0 if dtype == "uint16" else 1.0
    side = {"dtype": dtype, "low": 0.0, "high": high, "channels": 4}
    sides = {name: getattr(made.card, name).model_copy(update=side) for name in ("source", "target")}
    made.card = with_ends(made.card, **sides)
    made.save(tmp_path / "model")
    array = (scene(300, 420, 4).array.astype(np.float64) * high / 255).astype(dtype)
    images.write(tmp_path / "huge.tif", array)
    common = ["translate", tmp_path / "model", tmp_path / "huge.tif", "--tile", 128]
    assert diptych(*common, "--limit-mp", 0.1, "--out", tmp_path / "parts.tif").code == 0
    assert diptych(*common, "--tiling", "off", "--out", tmp_path / "whole.tif").code == 0
    parts, whole = (images.read(tmp_path / f"{name}.tif").array for name in ("parts", "whole"))
    assert (parts.shape, parts.dtype) == (whole.shape, whole.dtype)
    assert np.abs(parts.astype(float) - whole).max() <= 0.02 * high


def test_an_interrupted_translation_leaves_nothing(tmp_path: Path) -> None:
    folder = model(tmp_path / "model", "cyclegan")
    images.write(tmp_path / "huge.tif", scene(3000, 3000).array)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "diptych", "translate", folder, tmp_path / "huge.tif", "--to", "the b"]
    process = subprocess.Popen([*map(str, command), "--limit-mp", "1", "--tile", "64", "--out", str(out / "o.tif")])
    while not (out.exists() and list(out.iterdir())):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert list(out.iterdir()) == []


def test_a_large_picture_that_cannot_be_read_or_written_in_parts_is_named(tmp_path: Path) -> None:
    folder = model(tmp_path / "model", "cyclegan")
    images.write(tmp_path / "huge.tif", scene(300, 420).array)
    whole = (tmp_path / "huge.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) - 2000])
    common = ["--to", "the b", "--limit-mp", 0.1]
    cut = diptych("translate", folder, tmp_path / "cut.tif", *common, "--out", tmp_path / "o.tif")
    assert (cut.code, "cut.tif" in cut.err) == (2, True)
    named = diptych("translate", folder, tmp_path / "huge.tif", *common, "--out", tmp_path / "o.png")
    assert (named.code, "give such a name" in named.err) == (2, True)
    assert "there are auto" in diptych("translate", folder, tmp_path / "huge.tif", "--tiling", "no").err
    assert not (tmp_path / "o.tif").exists()


def test_one_bad_large_picture_stops_no_other_and_what_it_cannot_have_is_said(tmp_path: Path) -> None:
    folder = model(tmp_path / "model", "cyclegan")
    (tmp_path / "in").mkdir()
    images.write(tmp_path / "in" / "b.tif", scene(300, 420).array)
    whole = (tmp_path / "in" / "b.tif").read_bytes()
    (tmp_path / "in" / "a.tif").write_bytes(whole[: len(whole) - 2000])
    common = ["translate", folder, tmp_path / "in", "--to", "the b", "--limit-mp", 0.1, "--overwrite"]
    common += ["--out", tmp_path / "out"]
    said = diptych(*common)
    assert (said.code, "a.tif" in said.err) == (1, True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.tif"]
    marked = diptych(*common, "--mark")
    assert (marked.code, "not with --mark" in marked.err) == (2, True)
    off = diptych(*common, "--tiling", "off")
    assert (off.code, "in parts" in off.err) == (2, True)
