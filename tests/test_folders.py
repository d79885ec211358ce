from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import hash_of, noise, ramp, save, side_by_side, two_folders

from diptych import tasks
from diptych.data import check, open_data, recognise
from diptych.data.folders import Item, groups_by, hold_out
from diptych.data.opening import parse_size
from diptych.errors import ConfigError, DataError


def test_pairs_side_by_side_are_recognised_and_cut(tmp_path: Path) -> None:
    root = side_by_side(side_by_side(tmp_path, 4), 2, split="test")
    folder = recognise(root)
    assert (folder.kind, folder.names) == ("side by side", ("left", "right"))
    assert {split: len(items) for split, items in folder.splits.items()} == {"train": 4, "test": 2}
    name, source, target = next(open_data(folder=str(root), direction="b2a", size=16).pairs("test"))
    whole = noise(16, 32, seed=hash_of("test", 0))
    assert name == "000"
    np.testing.assert_array_equal(np.hstack([target.array, source.array]), whole)


def test_two_folders_are_recognised_in_either_nesting(tmp_path: Path) -> None:
    two_folders(tmp_path / "outer")
    for name in ("label", "photo"):
        shutil.copytree(tmp_path / "outer" / "train" / name, tmp_path / "inner" / name / "train")
        shutil.copytree(tmp_path / "outer" / "train" / name, tmp_path / "flat" / name)
    for layout in ("outer", "inner", "flat"):
        folder = recognise(tmp_path / layout)
        assert (folder.kind, folder.names) == ("two folders", ("label", "photo"))
        assert [item.name for item in folder.splits["train"]] == [f"{i:03d}" for i in range(6)]
        assert (folder.channels, folder.dtypes) == ((1, 3), ("uint8", "uint8"))


def test_partners_may_have_different_formats(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", ramp())
    save(tmp_path / "b" / "1.jpg", ramp())
    assert recognise(tmp_path).kind == "two folders"


def test_lettered_folders_are_unpaired_unless_asked_otherwise(tmp_path: Path) -> None:
    for letter in "AB":
        for i in range(3):
            save(tmp_path / f"train{letter}" / f"{i}.png", noise(seed=i))
    folder = recognise(tmp_path)
    assert (folder.kind, folder.names) == ("unpaired", ("A", "B"))
    assert len(folder.splits["train"]) == len(folder.others[0]["train"]) == 3
    assert recognise(tmp_path, kind="two folders").kind == "two folders"


def test_two_folders_without_common_names_are_unpaired(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        for i in range(3):
            save(tmp_path / "train" / name / f"{name}{i}.png")
    assert recognise(tmp_path).kind == "unpaired"
    data = open_data(folder=str(tmp_path), size=8)
    assert not data.paired
    for ask in (data.prepare, lambda: data.epoch(("source", "target"))):
        with pytest.raises(DataError, match="unpaired pictures, not pairs: put the two"):
            ask()


def test_other_pictures_are_photos_and_no_pairs(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    assert recognise(tmp_path).kind == "photos"
    with pytest.raises(DataError, match="holds single photos, not pairs"):
        open_data(folder=str(tmp_path))


def test_of_several_domains_the_direction_chooses_two(tmp_path: Path) -> None:
    for name in ("day", "edges", "labels", "night"):
        save(tmp_path / "train" / name / "1.png")
    with pytest.raises(DataError, match=r"4 folders.*day, edges, labels, night.*direction=day2edges"):
        recognise(tmp_path)
    assert open_data(folder=str(tmp_path), direction="labels2day", val=0, size=8).names == ("labels", "day")


def test_a_wrong_direction_names_the_right_ones(tmp_path: Path) -> None:
    root = str(two_folders(tmp_path))
    for look in (lambda: open_data(folder=root, direction="a2c", size=16), lambda: check(root, direction="a2c")):
        with pytest.raises(DataError, match=r"direction=a2c is unknown: use label2photo .* or photo2label"):
            look()


def test_photos_have_no_direction(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    assert check(tmp_path, direction="b2a").kind == "photos"
    with pytest.raises(DataError, match=r"direction=x2y is unknown: photos have no sides"):
        check(tmp_path, direction="x2y")


def test_an_unknown_kind_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="kind=foo is unknown: use one of auto, side by side, two folders, one folder, "
    ):
        check(side_by_side(tmp_path), kind="foo")


@pytest.mark.parametrize("limit", [-1, 0, float("nan")])
def test_a_limit_that_no_picture_keeps_is_refused(tmp_path: Path, limit: float) -> None:
    with pytest.raises(ConfigError, match=r"limit_mp=.* is no limit.* above 0"):
        check(side_by_side(tmp_path), limit_mp=limit)


def test_the_direction_turns_everything(tmp_path: Path) -> None:
    data = open_data(folder=str(two_folders(tmp_path, dtypes=("uint16", "uint8"))), direction="photo2label", size=16)
    assert (data.names, data.channels) == (("photo", "label"), (3, 1))
    assert (data.dtype, data.range) == (("uint8", "uint16"), ((0, 255), (0, 65535)))
    _, source, target = next(data.pairs("train"))
    assert (source.array.shape[2], target.array.dtype) == (3, np.uint16)


def test_the_range_of_deep_pictures_is_measured(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / "a" / f"{i}.png", noise(16, 16, 1, "uint16", seed=i) // 16)
        save(tmp_path / "b" / f"{i}.tif", noise(16, 16, 1, "float32", seed=i) * 10 - 5)
    (low, high), (minimum, maximum) = open_data(folder=str(tmp_path), size=16).range
    assert (low, high) == (0, 4095)
    assert -5 <= minimum < -4.5
    assert 4.5 < maximum <= 5


def test_the_same_pictures_are_held_out_every_time(tmp_path: Path) -> None:
    data = open_data(folder=str(side_by_side(tmp_path, 20, side=4)), size=4, val=0.2)
    assert [item.name for item in data.val] == ["000", "010", "015", "018"]
    assert len(data.train) == 16
    assert not set(data.val) & set(data.train)
    assert len(open_data(folder=str(tmp_path), size=4, val=0).train) == 20


def test_no_more_than_fifty_are_held_out_and_at_least_one() -> None:
    items = tuple(Item(str(i), Path(str(i))) for i in range(3000))
    assert [len(held) for held in hold_out(items, 0.05)] == [2950, 50]
    assert [len(held) for held in hold_out(items[:5], 0.05)] == [4, 1]
    assert set(hold_out(items[::-1], 0.05)[1]) == set(hold_out(items, 0.05)[1])


def test_a_val_folder_is_used_and_nothing_is_held_out(tmp_path: Path) -> None:
    root = side_by_side(side_by_side(tmp_path, 4), 2, split="validation")
    data = open_data(folder=str(root), size=16)
    assert (len(data.train), len(data.val)) == (4, 2)


def test_the_fingerprint_follows_the_files_and_not_the_place(tmp_path: Path) -> None:
    first = open_data(folder=str(side_by_side(tmp_path / "x")), size=16).fingerprint
    shutil.copytree(tmp_path / "x", tmp_path / "y")
    assert open_data(folder=str(tmp_path / "y"), size=16).fingerprint == first
    save(tmp_path / "y" / "train" / "000.png", noise(16, 32)[:, :, :1].repeat(3, 2))
    assert open_data(folder=str(tmp_path / "y"), size=16).fingerprint != first


@pytest.mark.parametrize(("size", "parsed"), [(256, (256, 256)), ("64", (64, 64)), ("320x256", (256, 320))])
def test_sizes_are_width_by_height(size: int | str, parsed: tuple[int, int]) -> None:
    assert parse_size(size) == parsed


@pytest.mark.parametrize("size", ["big", "1x2x3", "0", "-4", ""])
def test_other_words_are_no_size(size: str) -> None:
    with pytest.raises(ConfigError, match="is not a size: write 256"):
        parse_size(size)


# --- The audit -------------------------------------------------------------------------------------------------------


def test_the_audit_sums_up_a_folder_of_pairs(tmp_path: Path) -> None:
    audit = check(two_folders(two_folders(tmp_path, 5), 2, split="test"))
    assert audit.counts == {"train": (5,), "test": (2,)}
    assert [(d.name, d.count, d.median, d.channels, d.dtypes) for d in audit.domains] == [
        ("label", 7, (16, 16), {1: 7}, {"uint8": 7}),
        ("photo", 7, (16, 16), {3: 7}, {"uint8": 7}),
    ]
    assert not audit.faults + audit.duplicates + audit.leaks + audit.blank
    text = audit.to_text()
    assert "pairs, by name in two folders" in text
    assert "5 pairs" in text
    assert "16x16, 3 channels, uint8" in text
    assert json.loads(json.dumps(audit.to_dict()))["kind"] == "two folders"


def test_the_audit_finds_duplicates_leaks_blanks_and_damage(tmp_path: Path) -> None:
    root = side_by_side(side_by_side(tmp_path, 4), 2, split="test")
    shutil.copy(root / "train" / "000.png", root / "train" / "copy.png")
    shutil.copy(root / "train" / "001.png", root / "test" / "leak.png")
    save(root / "train" / "blank.png", np.zeros((16, 32, 3), np.uint8))
    whole = (root / "train" / "003.png").read_bytes()
    (root / "train" / "003.png").write_bytes(whole[: len(whole) // 2])
    audit = check(root)
    assert audit.leaks == (("test/leak.png", "train/001.png"),)
    assert set(audit.duplicates) == {("train/000.png", "train/copy.png"), *audit.leaks}
    assert audit.blank == ("train/blank.png",)
    assert [file for file, _ in audit.faults] == ["train/003.png"]
    assert audit.counts["train"] == (5,)
    assert "test/leak.png = train/001.png (across splits)" in audit.to_text()


def test_the_audit_names_the_odd_ones_of_a_domain(tmp_path: Path) -> None:
    side_by_side(tmp_path, 5)
    save(tmp_path / "train" / "grey.png", noise(16, 32, 1))
    audit = check(tmp_path)
    assert audit.domains[0].channels == {3: 5, 1: 1}
    assert "1 of 6 pictures in left: grey converted to RGB, as train/grey.png" in audit.notes
    shapes = {source.array.shape for _, source, _ in open_data(folder=str(tmp_path), size=16, val=0).pairs("train")}
    assert shapes == {(16, 16, 3)}


@pytest.mark.parametrize(
    ("side", "says"),
    [
        (16, "is 16: too small for the networks, which take 32 and more; data.enlarge=true"),
        (40, "is 40: data.size=32, or data.enlarge=true"),
        (200, "is 200: data.size=128, or data.enlarge=true"),
        (256, ""),
    ],
)
def test_the_audit_advises_a_size_and_a_generator_that_takes_it(tmp_path: Path, side: int, says: str) -> None:
    advice = " ".join(check(side_by_side(tmp_path, 2, side=side)).advice)
    assert says in advice
    assert ("smallest side" in advice) == bool(says)


def test_the_audit_says_that_one_pair_is_not_enough(tmp_path: Path) -> None:
    advice = check(side_by_side(tmp_path, 1)).advice
    assert any("training refuses that unless data.val=0" in line for line in advice)
    assert not any("held out" in line for line in advice)
    side_by_side(tmp_path, 1, split="val")
    assert not any("data.val=0" in line for line in check(tmp_path).advice)


def test_long_lists_are_cut(tmp_path: Path) -> None:
    side_by_side(tmp_path, 2)
    for i in range(15):
        (tmp_path / "train" / f"broken{i}.png").write_bytes(b"nothing")
    text = check(tmp_path).to_text()
    assert "Left out (15):" in text
    assert "and 5 more" in text


def test_the_audit_does_not_wait_for_torch() -> None:
    code = "import sys, diptych.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_photo_and_itself_is_a_pair_for_the_task_that_says_so(tmp_path: Path) -> None:
    for i in range(4):
        save(tmp_path / "train" / f"{i}.png", noise(16, 16, seed=i))
    data = open_data(tasks.make("itself"), folder=str(tmp_path), size=16, val=0)
    assert data.channels == (3, 3)
    assert len(data.train) == 4
    for _, source, target in data.pairs("train"):
        assert np.array_equal(source.array, target.array)
    batch = next(data.loader(seed=0, batch=2))
    assert torch.equal(batch["source"], batch["target"])
    with pytest.raises(DataError, match="single photos, not pairs"):
        open_data(folder=str(tmp_path), size=16, val=0)


@settings(max_examples=50, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=2, max_size=30),
    share=st.floats(0.01, 0.9),
)
def test_what_belongs_together_is_held_out_together(sizes: list[int], share: float) -> None:
    items = tuple(Item(f"p{g}_{k}", Path()) for g, size in enumerate(sizes) for k in range(size))
    patient = groups_by("^p[0-9]+", items)
    train, held = hold_out(items, share, patient)
    assert train
    assert held
    assert set(map(patient, train)).isdisjoint(map(patient, held))
    assert sorted((*train, *held), key=repr) == sorted(items, key=repr)
    wanted = min(50, max(1, round(share * len(items))))
    least = len(held) - max(sizes[int(patient(item)[1:])] for item in held)
    assert least < wanted, "a whole group more than it takes"


def test_groups_are_an_option_and_those_in_two_splits_are_named(tmp_path: Path) -> None:
    for split, patients in (("train", "12345"), ("test", "5")):
        for patient in patients:
            for number in range(3):
                image = noise(40, 80, 3, seed=hash_of(split, int(patient) * 10 + number))
                save(tmp_path / split / f"patient{patient}_{split}{number}.png", image)
    data = open_data(folder=str(tmp_path), size=32, val=0.2, groups="patient[0-9]+")
    assert (len(data.train), len(data.val)) == (12, 3)
    assert len({item.name.partition("_")[0] for item in data.val}) == 1
    assert "1 groups are in more than one split: patient5" in data.notes
    with pytest.raises(DataError, match=r"has one group of training pairs \(patient\) and none to validate with"):
        open_data(folder=str(tmp_path), size=32, groups="patient")
    with pytest.raises(ConfigError, match=r"data\.groups=\(: is no regular expression"):
        open_data(folder=str(tmp_path), size=32, groups="(:")


def test_a_pattern_of_groups_that_some_names_lack_is_refused_and_its_parentheses_count(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / "train" / f"patient{number // 2}_{number}.png", noise(40, 80, 3, seed=number))
    for pattern, count in (("patient1", 2), ("x*", 4), ("", 4), ("patient(9?)", 4)):
        with pytest.raises(ConfigError, match=rf"finds nothing in {count} names, as in patient0_0"):
            open_data(folder=str(tmp_path), size=32, groups=pattern)
    item = Item("patient7_3", Path())
    assert groups_by("patient([0-9]+)_", [item])(item) == "7"
