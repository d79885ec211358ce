"""Folders as people have them: each layout is read alike by `diptych data check` and by training."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from commands import diptych
from pictures import noise, save, side_by_side, two_folders
from runs import recipe

from diptych import tasks
from diptych.data import open_data, recognise
from diptych.errors import DataError
from diptych.training.plan import Plan
from diptych.training.recipe import resolve

COUNT = 4
TINY = (
    "data.size=32",
    "data.enlarge=true",
    "method.generator=unet_32",
    "method.width=4",
    "method.discriminator_width=4",
)


class Layout(NamedTuple):
    """A layout: names of files with what each shows (a key and a side), and what it is to be taken for."""

    files: dict[str, tuple[str, int]]
    kind: str
    names: tuple[str, str]
    splits: tuple[str, ...] = ("train",)


def both(a: str, b: str, keys: Iterable[str] = [f"{i:03d}" for i in range(COUNT)]) -> dict[str, tuple[str, int]]:
    """Files of both sides under two patterns, as "A/{}.png"."""
    return {pattern.format(key): (key, side) for side, pattern in enumerate((a, b)) for key in keys}


def apart(a: str, b: str, of_a: Iterable[str], of_b: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Files whose own names differ: the first of one side belongs to the first of the other."""
    return {
        pattern.format(name): (f"{number}", side)
        for side, (pattern, names) in enumerate(((a, of_a), (b, of_b)))
        for number, name in enumerate(names)
    }


def cities(versions: bool = True) -> dict[str, tuple[str, int]]:
    files = {}
    for split in ("train", "val", "test"):
        for city in ("aachen", "bern"):
            for i in range(2):
                name = f"{split}/{city}/{city}_{i:06d}_000019"
                files[f"leftImg8bit/{name}_leftImg8bit.png"] = (name, 1)
                for what in ("labelIds", "color", "instanceIds")[: 3 if versions else 1]:
                    files[f"gtFine/{name}_gtFine_{what}.png"] = (name, 0 if what == "labelIds" else 2)
    return files


ENDINGS = [
    ("_A", "_B"), ("_a", "_b"), ("-A", "-B"), ("A", "B"), (".a", ".b"), ("_source", "_target"), ("_label", "_image"),
    ("_input", "_output"), ("_x", "_y"), (" mask", " photo"), ("_gt", "_in"), ("", "_sketch"), ("_fog", "_sun"),
]  # fmt: skip
NFC, NFD = (unicodedata.normalize(form, "Zürich") for form in ("NFC", "NFD"))
WORDS = ("sea", "hill", "town")
FOLDERS = {
    "A/train and B/train": both("A/train/{}.png", "B/train/{}.png"),
    "train/A and train/B": both("train/A/{}.png", "train/B/{}.png"),
    "A and B": both("A/{}.png", "B/{}.png"),
    "A and B, named": both("A/{}.png", "B/{}.jpg", WORDS),
    "an ending": both("A/{}.png", "B/{}_seg.png", WORDS),
    "two endings": both("A/{}_day.png", "B/{}_night.png"),
    "folders inside": both("A/{}.png", "B/{}.png", ["x/1", "x/2", "y/1", "y/2"]),
    "other folders inside": both("A/img/{}.png", "B/{}.png"),
    "folders inside that differ": both("A/train/img/{}.png", "B/train/masks/{}.png"),
    "case": apart("A/{}.png", "B/{}.PNG", ["Sea", "HILL", "x"], ["sea", "hill", "X"]),
    "zeros": apart("A/{}.png", "B/{}.png", ["1", "2", "10"], ["001", "002", "010"]),
    "zeros inside": apart("A/{}.png", "B/{}.png", ["t1_2", "t1_3"], ["t01_02", "t01_03"]),
    "Unicode": apart("A/{}.png", "B/{}.png", [NFC, f"{NFC} 2"], [NFD, f"{NFD} 2"]),
}
LAYOUTS = {
    **{name: Layout(files, "two folders", ("A", "B")) for name, files in FOLDERS.items()},
    **{
        f"{a} and {b} in one folder": Layout(both(f"{{}}{a}.png", f"{{}}{b}.png"), "one folder", called)
        for a, b in ENDINGS
        for called in [tuple(sorted(ending.strip("_-. ") or "plain" for ending in (a, b)))]
    },
    "a test": Layout(
        both("A/train/{}.png", "B/train/{}.png") | both("A/test/t{}.png", "B/test/t{}.png"),
        "two folders", ("A", "B"), ("train", "test"),
    ),
    "a folder around all": Layout(both("data/A/{}.png", "data/B/{}.png"), "two folders", ("A", "B")),
    "two folders around all": Layout(both("x/y/train/A/{}.png", "x/y/train/B/{}.png"), "two folders", ("A", "B")),
    "joined": Layout(
        both("train_label/{}.png", "train_img/{}.png") | both("test_label/t{}.png", "test_img/t{}.png"),
        "two folders", ("img", "label"), ("train", "test"),
    ),
    "training and validation": Layout(
        both("annotations/training/{}.png", "images/training/{}.jpg")
        | both("annotations/validation/v{}.png", "images/validation/v{}.jpg"),
        "two folders", ("annotations", "images"), ("train", "val"),
    ),
    "jpg and png in one folder": Layout(both("{}.jpg", "{}.png"), "one folder", ("jpg", "png")),
    "jpeg and png in train": Layout(both("train/{}.JPEG", "train/{}.png"), "one folder", ("jpg", "png")),
    "beginnings": Layout(both("label_{}.png", "photo_{}.png"), "one folder", ("label", "photo")),
    "cities": Layout(cities(), "two folders", ("gtFine", "leftImg8bit"), ("train", "val", "test")),
    "cities, ids alone": Layout(cities(False), "two folders", ("gtFine", "leftImg8bit"), ("train", "val", "test")),
}  # fmt: skip


def shown(key: str, side: int) -> np.ndarray:
    """A picture that tells whose it is: its key in the first pixels, its side in the last. The key survives JPEG."""
    picture = np.full((16, 16, 3), 40 + 60 * side, np.uint8)
    picture[:8] = sum(key.encode()) % 8 * 30
    return picture


def lay_out(root: Path, layout: Layout) -> None:
    for name, (key, side) in layout.files.items():
        save(root / name, shown(key, side))


@pytest.mark.parametrize("name", LAYOUTS)
def test_pairs_are_found_in_every_layout_that_people_have(tmp_path: Path, name: str) -> None:
    layout = LAYOUTS[name]
    lay_out(tmp_path, layout)
    said = diptych("data", "check", tmp_path, "--json")
    assert said.code == 0
    audit = json.loads(said.out)
    data = open_data(folder=str(tmp_path), size=16, val=0, direction="a2b")
    assert audit["kind"] == data.folder.kind == layout.kind
    assert tuple(domain["name"] for domain in audit["domains"]) == data.names == layout.names
    assert tuple(audit["counts"]) == layout.splits
    count = sum(1 for _, side in layout.files.values() if side == 0)
    assert sum(pairs for (pairs,) in audit["counts"].values()) == count
    for split in layout.splits:
        for _, source, target in data.pairs(split):
            assert np.abs(source.array[0].astype(int) - target.array[0]).max() < 12, "two that do not belong together"
            assert source.array[-1].mean() != target.array[-1].mean()
    assert diptych("data", "check", tmp_path).code == 0


def test_one_that_lacks_its_partner_does_not_hide_the_pairs(tmp_path: Path) -> None:
    for name, files in {"endings": both("{}_A.png", "{}_B.png"), "formats": both("{}.jpg", "{}.png")}.items():
        lay_out(tmp_path / name, Layout(dict(list(files.items())[:-1]), "", ("", "")))
        folder = recognise(tmp_path / name)
        assert (folder.kind, len(folder.splits["train"])) == ("one folder", COUNT - 1)
        assert "has no partner in" in folder.faults[0].what


def test_of_three_pictures_of_each_name_none_is_chosen_by_the_alphabet(tmp_path: Path) -> None:
    lay_out(tmp_path, Layout(both("{}_A.png", "{}_B.png") | both("{}_C.png", "{}_C.png"), "", ("", "")))
    with pytest.raises(DataError, match=r"more than two pictures of one name.*_C\.png.*data\.kind=photos"):
        recognise(tmp_path)
    assert len(recognise(tmp_path, kind="photos").splits["train"]) == 3 * COUNT


def test_unpaired_pictures_below_a_folder_around_all_are_unpaired(tmp_path: Path) -> None:
    lay_out(tmp_path, Layout(both("horse2zebra/trainA/{}.png", "horse2zebra/trainB/{}.png"), "", ("", "")))
    assert (recognise(tmp_path).kind, recognise(tmp_path).names) == ("unpaired", ("A", "B"))


def test_maps_of_instances_are_paired_by_the_same_rules(tmp_path: Path) -> None:
    for i in range(3):
        for name, ending in {"label": "labelIds", "img": "leftImg8bit", "inst": "instanceIds"}.items():
            array = noise(32, 32, 3 if name == "img" else 1, seed=i)
            save(tmp_path / f"train_{name}" / f"bern_{i}_{ending}.png", array if name == "img" else array % 3)
    data = open_data(
        folder=str(tmp_path), size=16, val=0, labels="label", direction="label2img", instances="inst", legend=None
    )
    assert [item.maps["instances"].name for item in data.train] == [f"bern_{i}_instanceIds.png" for i in range(3)]


@pytest.mark.parametrize(
    "files",
    [
        both("cat.{}.png", "dog.{}.png"),
        both("walk{}.png", "run{}.png"),
        both("IMG_{}.png", "IMG_1{}.png"),
        {f"{i}_{i % 2}.png": ("", 0) for i in range(8)},
    ],
)
def test_photos_in_one_folder_are_no_pairs_by_their_numbers(tmp_path: Path, files: dict[str, tuple[str, int]]) -> None:
    lay_out(tmp_path, Layout(files, "", ("", "")))
    assert recognise(tmp_path).kind == "photos"


def test_two_heaps_are_no_pairs_by_their_beginnings_but_the_option_is_named(tmp_path: Path) -> None:
    lay_out(tmp_path, Layout(both("cats/cat_{}.png", "dogs/dog_{}.png", WORDS), "", ("", "")))
    assert recognise(tmp_path).kind == "unpaired"
    said = diptych("data", "check", tmp_path).out
    assert "names of the two kinds match but for their beginnings (cat_ and dog_)" in said
    assert "data.kind='two folders'" in said
    assert [item.name for item in recognise(tmp_path, kind="two folders").splits["train"]] == sorted(WORDS)
    with pytest.raises(DataError, match=r"unpaired pictures, not pairs.*data\.kind='two folders'"):
        open_data(folder=str(tmp_path), size=16).prepare()


def test_a_name_that_nearly_fits_is_named(tmp_path: Path) -> None:
    files = both("a/{}.png", "b/{}.png", WORDS) | {"a/harbour.png": ("h", 0), "b/harbor.png": ("h", 1)}
    lay_out(tmp_path, Layout(files, "", ("", "")))
    said = diptych("data", "check", tmp_path).out
    assert "a/harbour.png: has no partner in b/ (the nearest name there: harbor)" in said


def test_what_differs_in_form_is_said_with_an_example(tmp_path: Path) -> None:
    lay_out(tmp_path, LAYOUTS["case"])
    said = diptych("data", "check", tmp_path).out
    assert "3 pairs by names that differ in case, as HILL.png and hill.PNG" in said


def test_other_versions_of_label_maps_are_left_out_and_said(tmp_path: Path) -> None:
    lay_out(tmp_path, LAYOUTS["cities"])
    (tmp_path / "gtFine" / "train" / "bern" / "x_gtFine_polygons.json").write_text("{}")
    said = diptych("data", "check", tmp_path).out
    assert "is another version of what ends in _gtFine_labelIds (and 23 more)" in said
    assert "Left out by kind: 1 .json" in said


@pytest.mark.parametrize("name", ["old", "small", "previews", "thumbs", "2019/03"])
@pytest.mark.parametrize("count", [1, 5])
def test_a_lone_subfolder_does_not_displace_most_pictures(tmp_path: Path, name: str, count: int) -> None:
    for i in range(5):
        save(tmp_path / f"{i}.png", noise(16, 32, seed=i))
    for i in range(count):
        save(tmp_path / name / f"{i}.png", noise(8, 16, seed=i))
    data = open_data(folder=str(tmp_path), size=16, val=0)
    assert [item.name for item in data.train] == [str(i) for i in range(5)]
    assert any(name in note and "left out" in note for note in data.notes)
    assert name in diptych("data", "check", tmp_path).out


def test_pictures_beside_a_lone_test_are_for_training(tmp_path: Path) -> None:
    side_by_side(tmp_path, 3, split=".")
    side_by_side(tmp_path, 2, split="test")
    assert {split: len(items) for split, items in recognise(tmp_path).splits.items()} == {"train": 3, "test": 2}


def test_what_is_left_out_is_counted_by_kind_in_the_check_and_in_training(tmp_path: Path) -> None:
    side_by_side(tmp_path, 4)
    for name in ("1.psd", "2.psd", "notes.txt", "._000.png", ".DS_Store", "@eaDir/000.png"):
        (tmp_path / "train" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "train" / name).write_bytes((tmp_path / "train" / "000.png").read_bytes()[: 9 * (name[0] == "@")])
    counts = "2 .psd, 2 system files, 1 .txt, 1 system folder"
    assert f"Left out by kind: {counts}" in diptych("data", "check", tmp_path).out
    assert json.loads(diptych("data", "check", tmp_path, "--json").out)["left_out"] == counts
    said = diptych("train", "pix2pix", "--data", tmp_path, "--dry-run", *TINY)
    assert f"left out by kind: {counts}" in said.err


# --- The direction ---------------------------------------------------------------------------------------------------

UNTOLD = [("A", "B"), ("label", "photo"), ("photo", "sketch"), ("edges", "shoes"), ("legend", "map")]
TOLD = [("input", "target"), ("y", "x"), ("clean", "noisy"), ("gt", "in"), ("after", "before"), ("img_hr", "img_lr"),
        ("result", "source"), ("output", "photo")]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), UNTOLD)
def test_where_nothing_tells_the_direction_training_says_which_it_took_and_how_to_turn_it(
    tmp_path: Path, a: str, b: str
) -> None:
    two_folders(tmp_path, 4, 32, names=(a, b), channels=(3, 3))
    says = f"nothing tells source from target, so it goes from {a} to {b}, in the order of the alphabet"
    for said in (
        diptych("train", "pix2pix", "--data", tmp_path, "--dry-run", *TINY).err,
        diptych("data", "check", tmp_path).out,
    ):
        assert says in said
        assert "--direction b2a" in said
    for given in (("--direction", "a2b"), ("--direction", f"{b}2{a}"), ("data.direction=b2a",)):
        said = diptych("train", "pix2pix", "--data", tmp_path, "--dry-run", *TINY, *given)
        assert "nothing tells" not in said.err


@pytest.mark.parametrize(("a", "b"), TOLD)
def test_names_that_tell_source_from_target_decide(tmp_path: Path, a: str, b: str) -> None:
    two_folders(tmp_path, 4, names=(a, b), channels=(3, 3))
    data = open_data(folder=str(tmp_path), size=16)
    assert data.names == ((a, b) if a == "input" else (b, a))
    assert not any("nothing tells" in note for note in data.notes)
    assert open_data(folder=str(tmp_path), size=16, direction="a2b").names == tuple(sorted((a, b)))


def test_of_halves_the_direction_is_said_too(tmp_path: Path) -> None:
    assert (
        "it goes from the left half to the right: --direction b2a"
        in diptych("data", "check", side_by_side(tmp_path)).out
    )


@pytest.mark.parametrize(("photo", "label"), [("day", "labels"), ("img", "mask"), ("A", "B"), ("B", "A")])
def test_label_maps_that_a_method_needs_are_its_source_whatever_the_alphabet_says(
    tmp_path: Path, photo: str, label: str
) -> None:
    for name, channels in ((photo, 3), (label, 1)):
        for i in range(3):
            save(tmp_path / name / f"{i}.png", noise(32, 32, channels, seed=i) % 5)
    assert open_data(folder=str(tmp_path), size=16, labels="source").names == (label, photo)
    assert open_data(folder=str(tmp_path), size=16, labels="target").names == (photo, label)


def test_the_recipe_of_a_run_keeps_the_direction_that_was_taken(tmp_path: Path) -> None:
    two_folders(tmp_path / "data", 4, 64, names=("clean", "noisy"), channels=(3, 3))
    assert Plan(resolve(recipe(tmp_path / "data"))).recipe.data["direction"] == "b2a"


# --- Photos twice as wide as high ------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"kind": "photos"}])
def test_wide_photos_are_not_cut_into_halves_where_each_is_learnt_by_itself(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    data = open_data(tasks.make("itself"), folder=str(side_by_side(tmp_path, 3)), size=16, val=0, **options)
    assert data.folder.kind == "photos twice"
    assert {source.array.shape for _, source, _ in data.pairs("train")} == {(16, 32, 3)}
    halved = open_data(tasks.make("itself"), folder=str(tmp_path), size=16, val=0, kind="side by side")
    assert {source.array.shape for _, source, _ in halved.pairs("train")} == {(16, 16, 3)}


def test_that_photos_are_cut_into_halves_is_said_with_the_options_against_it(tmp_path: Path) -> None:
    for said in (
        diptych("data", "check", side_by_side(tmp_path, 3, 32)).out,
        diptych("train", "autoencoder", "--data", tmp_path, "--dry-run", "data.size=32", "method.width=4").err,
    ):
        assert "whole photos, not to be cut into halves, need data.kind=photos and task.name=itself" in said


def test_photos_of_all_folders_are_one_heap_if_asked(tmp_path: Path) -> None:
    for name in ("cats", "dogs", "birds"):
        save(tmp_path / name / "1.png", noise(16, 16))
    data = open_data(tasks.make("itself"), folder=str(tmp_path), size=16, val=0, kind="photos")
    assert [item.name for item in data.train] == ["birds/1", "cats/1", "dogs/1"]


def test_an_error_about_the_layout_names_the_option(tmp_path: Path) -> None:
    save(tmp_path / "1.png")
    for kind in ("two folders", "unpaired", "one folder"):
        with pytest.raises(DataError, match=r"data\.kind"):
            recognise(tmp_path, kind=kind)
    with pytest.raises(DataError, match=r"--task itself.*data\.kind"):
        open_data(folder=str(tmp_path))
