"""`diptych data prepare`: training on the prepared folder sees what it would see of the original one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from commands import diptych
from labelled import folder as labelled
from pictures import heaps, noise, save, side_by_side, two_folders

from diptych import images
from diptych.data import open_data, recognise
from diptych.data.dataset import PAIRS, UNPAIRED


def batches(root: Path, inputs: tuple[str, ...] = PAIRS, **options: object) -> list[dict[str, torch.Tensor]]:
    data = open_data(folder=str(root), size=16, **options)  # type: ignore[arg-type]
    loader = data.loader(inputs, seed=3, batch=2)
    return [next(loader) for _ in range(4)]


def equal(one: list[dict[str, torch.Tensor]], other: list[dict[str, torch.Tensor]]) -> bool:
    return all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
        for a, b in zip(one, other, strict=True)
    )


def prepared(root: Path, out: Path, *options: object) -> Path:
    said = diptych("data", "prepare", root, "--out", out, "--size", 16, *options)
    assert said.code == 0, said.err
    return out


@pytest.mark.parametrize("resize", ["square", "short"])
def test_training_sees_the_same_of_a_prepared_folder_of_pairs(resize: str, tmp_path: Path) -> None:
    root = two_folders(two_folders(tmp_path / "data", 6, side=40), 2, side=30, split="test")
    out = prepared(root, tmp_path / "out", "--resize", resize)
    assert equal(batches(root, resize=resize), batches(out, resize=resize))
    assert {path.suffix for path in out.rglob("*") if path.is_file()} == {".png"}
    assert images.header(out / "train" / "photo" / "000.png").width == 18


def test_halves_unpaired_and_deep_pictures_are_prepared_too(tmp_path: Path) -> None:
    halves = prepared(side_by_side(tmp_path / "sbs", side=30), tmp_path / "a")
    assert recognise(halves).names == ("left", "right")
    assert equal(batches(tmp_path / "sbs"), batches(halves))
    heaps(tmp_path / "un", cats=4, dogs=5)
    assert equal(batches(tmp_path / "un", UNPAIRED), batches(prepared(tmp_path / "un", tmp_path / "b"), UNPAIRED))
    deep = two_folders(tmp_path / "deep", side=30, dtypes=("float32", "uint16"), channels=(5, 1))
    out = prepared(deep, tmp_path / "c")
    assert equal(batches(deep), batches(out))
    assert {path.suffix for path in (out / "train" / "label").iterdir()} == {".tif"}


def test_photos_and_lettered_folders_keep_their_layout(tmp_path: Path) -> None:
    for n in range(3):
        save(tmp_path / "photos" / f"{n}.jpg", noise(30, 30, seed=n))
        save(tmp_path / "letters" / "trainA" / f"{n}.png", noise(30, 30, seed=n))
        save(tmp_path / "letters" / "trainB" / f"{n}.png", noise(30, 30, seed=9 + n))
    assert recognise(prepared(tmp_path / "photos", tmp_path / "a")).kind == "photos"
    assert recognise(prepared(tmp_path / "letters", tmp_path / "b")).kind == "unpaired"


def test_label_maps_keep_their_numbers_and_their_legend(tmp_path: Path) -> None:
    root = labelled(tmp_path / "data", colours=True)
    out = prepared(root, tmp_path / "out", "--labels", "label")
    assert equal(batches(root, labels="label"), batches(out, labels="label"))
    assert set(np.unique(images.read(out / "train" / "label" / "0.png").array)) <= {0, 3, 7, 255}


def test_what_cannot_be_decoded_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    root = two_folders(tmp_path / "data", 3, side=30)
    whole = (root / "train" / "photo" / "001.png").read_bytes()
    (root / "train" / "photo" / "001.png").write_bytes(whole[: len(whole) // 2])
    said = diptych("data", "prepare", root, "--out", tmp_path / "out", "--size", 16)
    assert (said.code, "left out:" in said.out) == (1, True)
    assert len(list((tmp_path / "out" / "train" / "label").iterdir())) == 2


def test_bad_options_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    root = two_folders(tmp_path / "data", 3, side=30)
    for options in (["--size", "x"], ["--size", "64"], ["--resize", "round"], ["--size", "16", "--labels", "nothing"]):
        assert diptych("data", "prepare", root, "--out", tmp_path / "out", *options).code == 2
    assert diptych("data", "prepare", root, "--out", root / "in", "--size", 16).code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    root = two_folders(tmp_path / "data", 4, side=40)
    save(root / "train" / "label" / "alone.png", noise(40, 40, 1))
    said = diptych("data", "prepare", root, "--out", tmp_path / "out", "--size", 16)
    assert said.code == 0
    assert "alone.png" in said.out


def test_label_maps_that_are_resized_as_photos_are_said_to_be(tmp_path: Path) -> None:
    root = labelled(tmp_path / "data", count=2)
    (root / "legend.yaml").write_text(
        "classes:\n  - {id: 0, name: sky}\n  - {id: 1, name: road}\n  - {id: 2, name: car}\n"
    )
    said = diptych("data", "prepare", root, "--out", tmp_path / "a", "--size", 16)
    assert "resized as photos unless --labels names it" in said.out
    said = diptych("data", "prepare", root, "--out", tmp_path / "b", "--size", 16, "--labels", "label")
    assert "--labels" not in said.out
