"""`diptych data split`: any layout is divided anew, and what belongs together stays together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from hypothesis import given
from hypothesis import strategies as st
from labelled import write_legend
from pictures import heaps, noise, save, side_by_side, two_folders

from diptych.data import recognise
from diptych.data.splitting import divided


def flat(root: Path) -> dict[str, list[str]]:
    return {
        split: sorted(item.name for table in recognise(root).tables for item in table.get(split, ()))
        for split in ("train", "val", "test")
    }


def patients(root: Path, layout: str) -> Path:
    for patient in range(8):
        for number in range(3):
            name, array = f"p{patient}_{number}", noise(16, 16, seed=100 * patient + number)
            if layout == "two folders":
                save(root / "ct" / f"{name}.png", array)
                save(root / "mri" / f"{name}.png", array)
            elif layout == "one folder":
                save(root / f"{name}_A.png", array)
                save(root / f"{name}_B.png", array)
            elif layout == "unpaired":
                save(root / "train" / "day" / f"{name}.png", array)
                save(root / "train" / "night" / f"{name}x.png" if number else root / "train/night/n.png", array)
            elif layout == "lettered":
                save(root / "trainA" / f"{name}.png", array)
                save(root / "trainB" / f"{name}.png", array)
            else:
                save(root / f"{name}.png", noise(16, 32 if layout == "side by side" else 16, seed=patient))
    return root


@pytest.mark.parametrize("layout", ["two folders", "one folder", "side by side", "photos", "lettered"])
def test_patients_stay_together_in_every_layout(layout: str, tmp_path: Path) -> None:
    root, out = patients(tmp_path / "data", layout), tmp_path / "out"
    said = diptych("data", "split", root, "--by", "(p[0-9]+)_", "--out", out, "--val", 0.2, "--test", 0.2)
    assert said.code == 0, said.err
    assert recognise(out).kind == recognise(root).kind
    groups = {split: {name.partition("_")[0] for name in names} for split, names in flat(out).items()}
    assert all(groups.values())
    assert len(set.union(*groups.values())) == sum(map(len, groups.values())) == 8
    assert sum(map(len, flat(out).values())) == sum(map(len, flat(root).values()))


def test_the_same_seed_gives_the_same_splits_and_another_gives_others(tmp_path: Path) -> None:
    root = patients(tmp_path / "data", "photos")
    for name, seed in (("a", 0), ("b", 0), ("c", 5)):
        assert diptych("data", "split", root, "--out", tmp_path / name, "--seed", seed).code == 0
    assert flat(tmp_path / "a") == flat(tmp_path / "b") != flat(tmp_path / "c")


def test_names_that_occur_in_two_old_splits_do_not_collide(tmp_path: Path) -> None:
    two_folders(two_folders(tmp_path / "data", 6), 4, split="test")
    assert diptych("data", "split", tmp_path / "data", "--out", tmp_path / "out").code == 0
    found = recognise(tmp_path / "out")
    assert (found.kind, len(list(found.items()))) == ("two folders", 10)
    assert any(item.name.startswith(("test_", "train_")) for item in found.items())


def test_legends_texts_and_maps_go_along(tmp_path: Path) -> None:
    root = two_folders(tmp_path / "data", 8)
    for n in range(8):
        save(root / "train" / "masks" / f"{n:03d}.png", noise(16, 16, 1))
        (root / "train" / "photo" / f"{n:03d}.txt").write_text("words", encoding="utf-8")
    write_legend(root / "legend.yaml")
    assert diptych("data", "split", root, "--out", tmp_path / "out", "--maps", "mask=masks").code == 0
    found = recognise(tmp_path / "out", maps={"mask": "mask"}, texts=True)
    assert len(list(found.items())) == 8
    assert (tmp_path / "out" / "legend.yaml").is_file()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--by", "p"], "--by p puts all 24 images into one group (p)"),
        (["--by", "(p"], "--by=(p is no regular expression"),
        (["--by", "x[0-9]"], "--by=x[0-9] finds nothing in 24 names"),
        (["--val", "0.6", "--test", "0.5"], "leave nothing for training"),
        (["--by", "_([01])"], "--by=_([01]) finds nothing in 8 names"),
    ],
)
def test_what_cannot_be_divided_is_refused_and_nothing_is_written(
    options: list[str], says: str, tmp_path: Path
) -> None:
    root = patients(tmp_path / "data", "photos")
    said = diptych("data", "split", root, "--out", tmp_path / "out", *options)
    assert (said.code, says in said.err) == (2, True), said.err
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_too_few_groups_for_the_splits_are_refused(tmp_path: Path) -> None:
    root = side_by_side(tmp_path / "data", 2)
    said = diptych("data", "split", root, "--out", tmp_path / "out")
    assert (said.code, "2 group(s) cannot be divided into 3 splits" in said.err) == (2, True)
    assert diptych("data", "split", root, "--out", tmp_path / "out", "--val", 0, "--test", 0.5).code == 0


def test_domains_without_pairs_keep_their_folders(tmp_path: Path) -> None:
    heaps(tmp_path / "data", cats=10, dogs=12)
    said = diptych("data", "split", tmp_path / "data", "--out", tmp_path / "out")
    assert said.code == 0, said.err
    counts = json.loads(diptych("data", "check", tmp_path / "out", "--json").out)["counts"]
    assert sum(sum(both) for both in counts.values()) == 22


@given(
    sizes=st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 9), min_size=4, max_size=30),
    val=st.floats(0.01, 0.4),
    test=st.floats(0.01, 0.4),
    seed=st.integers(0, 9),
)
def test_every_split_gets_a_group_and_about_its_share(
    sizes: dict[str, int], val: float, test: float, seed: int
) -> None:
    splits = divided(sizes, {"test": test, "val": val}, seed, None)
    assert set(splits) == set(sizes)
    assert set(splits.values()) == {"train", "val", "test"}
    total, largest = sum(sizes.values()), max(sizes.values())
    for name, share in (("test", test), ("val", val)):
        got = sum(size for group, size in sizes.items() if splits[group] == name)
        assert got < share * total + largest + 1e-6


def test_the_slices_of_a_volume_stay_together_and_it_is_copied_whole(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    for n in range(5):
        for side in ("ct", "mri"):
            place = tmp_path / "data" / side / f"v{n}.nii.gz"
            place.parent.mkdir(parents=True, exist_ok=True)
            values = noise(20, 20, 4, "float32", seed=n).astype("float32")
            nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), place)
    said = diptych("data", "split", tmp_path / "data", "--out", tmp_path / "out", "--val", 0.2, "--test", 0.2)
    assert said.code == 0, said.err
    found = recognise(tmp_path / "out")
    assert sum(map(len, found.splits.values())) == 20
    assert len(list((tmp_path / "out").rglob("*.nii.gz"))) == 10
    assert diptych("data", "check", tmp_path / "data", "--fix", tmp_path / "fixed").code == 0
    assert len((tmp_path / "fixed" / "manifest.jsonl").read_text().splitlines()) >= 10
