"""What is said of two kinds of pictures without pairs: copies, odd counts and sizes, and how they compare."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commands import diptych
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import hash_of, heaps, noise, save, truthful

from diptych.data import check, compare, open_data


def test_pictures_in_both_domains_or_splits_are_named(tmp_path: Path) -> None:
    heaps(tmp_path, cats=4, dogs=4)
    shutil.copy(tmp_path / "train" / "cats" / "cats1.png", tmp_path / "train" / "dogs" / "also.png")
    save(tmp_path / "test" / "cats" / "t.png", noise(16, 16, seed=99))
    save(tmp_path / "test" / "dogs" / "dogs3.png", noise(16, 16, seed=hash_of("dogs", 3)))
    notes = open_data(folder=str(tmp_path), size=12).notes
    assert "1 picture is in both cats and dogs: train/cats/cats1.png = train/dogs/also.png" in notes
    assert "1 picture is in more than one split: test/dogs/dogs3.png = train/dogs/dogs3.png" in notes
    audit = check(tmp_path)
    assert audit.overlaps == (("train/cats/cats1.png", "train/dogs/also.png"),)
    assert audit.leaks == (("test/dogs/dogs3.png", "train/dogs/dogs3.png"),)
    text = audit.to_text()
    assert "train/cats/cats1.png = train/dogs/also.png (in both domains)" in text
    assert "1 picture(s) lie in both domains: remove them" in text


def test_a_folder_given_twice_under_two_names_is_noticed(tmp_path: Path) -> None:
    heaps(tmp_path, cats=7)
    shutil.copytree(tmp_path / "train" / "cats", tmp_path / "dogs")
    notes = open_data(a=str(tmp_path / "train" / "cats"), b=str(tmp_path / "dogs"), size=12).notes
    assert [note for note in notes if "7 pictures are in both cats and dogs: cats/cats0.png = dogs/cats0.png, " in note]
    assert any(note.endswith("and 2 more") for note in notes)


def test_the_audit_knows_copies_by_their_pixels(tmp_path: Path) -> None:
    heaps(tmp_path, cats=3, dogs=3)
    save(tmp_path / "train" / "dogs" / "copy.bmp", noise(16, 16, seed=77))
    save(tmp_path / "train" / "cats" / "copy.png", noise(16, 16, seed=77))
    assert check(tmp_path).overlaps == (("train/cats/copy.png", "train/dogs/copy.bmp"),)
    assert not any("in both" in note for note in open_data(folder=str(tmp_path), size=12).notes)


@settings(max_examples=20, deadline=None)
@given(contents=st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 2)), max_size=9))
def test_copies_are_files_with_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, contents: list[tuple[int, bool, int]]
) -> None:
    folder, paths = tmp_path_factory.mktemp("files"), []
    for i, (first, long, last) in enumerate(contents):
        paths.append(folder / str(i))
        paths[-1].write_bytes(bytes([first]) + bytes(compare.BEGINNING * long) + bytes([last]))
    expected = {frozenset(p for p, c in zip(paths, contents, strict=True) if c == content) for content in contents}
    assert {frozenset(group) for group in compare.copies(paths)} == {group for group in expected if len(group) > 1}


def test_very_different_counts_and_sizes_are_said_and_allowed(tmp_path: Path) -> None:
    heaps(tmp_path, cats=9, dogs=3)
    said = " ".join(open_data(folder=str(tmp_path), size=12).notes)
    assert "3 training pictures of dogs, 9 of cats: those of dogs come round 3 times as often" in said
    save(tmp_path / "train" / "dogs" / "dogs4.png")
    assert "come round" not in " ".join(open_data(folder=str(tmp_path), size=12).notes)
    for i in range(9):
        save(tmp_path / "train" / "cats" / f"cats{i}.png", noise(40, 30, seed=i))
    said = (
        "pictures of dogs are 16x16, of cats 30x40 (medians): they are resized to one size, and may differ in sharpness"
    )
    assert said in open_data(folder=str(tmp_path), size=12).notes
    assert said in check(tmp_path).advice


def test_the_audit_tells_the_truth_and_takes_two_folders(tmp_path: Path) -> None:
    root = truthful(tmp_path)
    audit = check(root)
    assert (audit.counts, audit.truth) == ({"train": (4, 4), "test": (4, 4)}, {"test": 4})
    assert "test   4 cats, 4 dogs (4 pairs by name, for scores only)" in audit.to_text()
    said = diptych("data", "check", "--a", root / "train" / "cats", "--b", root / "test" / "dogs")
    assert (said.code, "4 cats, 4 dogs" in said.out) == (0, True)
    assert diptych("data", "check").code == 2


def test_unpaired_samples_are_made_by_one_command(tmp_path: Path) -> None:
    assert diptych("data", "samples", "street", "--unpaired", "--count", 4, "--size", 32, "--out", tmp_path).code == 0
    data = open_data(folder=str(tmp_path), size=16)
    assert (data.names, [len(side) for side in data.singles("train")], len(data.test)) == (("day", "night"), [2, 1], 1)


HORSES = Path(__file__).parents[2] / "shared" / "data" / "horse2zebra-128"


@pytest.mark.skipif(not HORSES.is_dir(), reason="horse2zebra-128 is not here")
def test_horse2zebra_has_25_copies_one_of_them_across_splits_a_near_one_too_and_no_truth() -> None:
    audit = check(HORSES)
    assert (len(audit.duplicates), audit.overlaps) == (25, ())
    assert audit.leaks == (("testA/7.jpg", "trainA/511.jpg"), ("testB/93.jpg", "trainB/268.jpg"))
    assert audit.leaks[1] in audit.near_duplicates
    assert audit.counts == {"train": (1067, 1334), "test": (120, 140)}
    assert audit.truth == {}, "its pictures are numbered, 1.jpg of A is not 1.jpg of B"
