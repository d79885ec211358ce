"""A folder in archives is read as the folder that it was, and says which of them is missing."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from labelled import folder as labelled
from pictures import heaps, two_folders
from test_preparing import batches, equal, prepared

from diptych import images
from diptych.data import open_data
from diptych.data.dataset import UNPAIRED
from diptych.data.preparing import prepare
from diptych.errors import DataError
from diptych.storage import shards


def packed(root: Path, out: Path, *, largest: int = 3000, **options: object) -> Path:
    """In archives of a few pictures each."""
    prepare(open_data(folder=str(root), size=16, val=0, **options), out, shard=largest)  # type: ignore[arg-type]
    return out


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pairs")
    return two_folders(two_folders(place, 8, side=40), 3, side=30, split="test")


@pytest.fixture(scope="module")
def archives(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(pairs, tmp_path_factory.mktemp("packed") / "out")


def test_training_sees_the_same_of_archives(pairs: Path, archives: Path, tmp_path: Path) -> None:
    assert len(list(archives.glob("*.tar"))) > 3
    assert {path.name for path in archives.iterdir()} == {
        *(path.name for path in archives.glob("*.tar")),
        "shards.json",
    }
    plain = prepared(pairs, tmp_path / "plain")
    assert equal(batches(pairs), batches(archives))
    one, other = (open_data(folder=str(root), size=16) for root in (plain, archives))
    assert one.fingerprint == other.fingerprint, "a run goes on from the other"
    for (name, *some), (same, *others) in zip(one.pairs("test"), other.pairs("test"), strict=True):
        assert name == same
        assert all(np.array_equal(a.array, b.array) for a, b in zip(some, others, strict=True))


def test_the_command_packs_and_a_run_trains_on_it_by_another_process(pairs: Path, tmp_path: Path) -> None:
    said = diptych("data", "prepare", pairs, "--out", tmp_path / "out", "--size", 32, "--enlarge", "--shards")
    assert said.code == 0, said.err
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["00000.tar", "shards.json"]
    options = ["train.images=4", "train.batch=2", "data.size=32", "method.width=4", "data.workers=1"]
    said = diptych("train", "pix2pix", "--data", tmp_path / "out", "--out", tmp_path / "run", *options)
    assert said.code == 0, said.err


def test_any_program_unpacks_them_into_the_folder(pairs: Path, archives: Path, tmp_path: Path) -> None:
    for path in archives.glob("*.tar"):
        with tarfile.open(path) as archive:
            archive.extractall(tmp_path / "out", filter="data")
    assert equal(batches(tmp_path / "out"), batches(archives))


def test_the_same_folder_makes_the_same_archives(pairs: Path, archives: Path, tmp_path: Path) -> None:
    again = packed(pairs, tmp_path / "again")
    assert (again / "shards.json").read_bytes() == (archives / "shards.json").read_bytes()


def test_label_maps_heaps_and_texts_are_packed_too(tmp_path: Path) -> None:
    labels = packed(labelled(tmp_path / "labels", count=3), tmp_path / "a", labels="label")
    assert equal(batches(tmp_path / "labels", labels="label"), batches(labels, labels="label"))
    heaps(tmp_path / "heaps", cats=4, dogs=5)
    assert equal(batches(tmp_path / "heaps", UNPAIRED), batches(packed(tmp_path / "heaps", tmp_path / "b"), UNPAIRED))
    words = two_folders(tmp_path / "words", 3, side=40)
    for path in (words / "train" / "label").iterdir():
        path.with_suffix(".txt").write_text(f"number {path.stem}, größer", encoding="utf-8")
    root = packed(words, tmp_path / "c", texts=True)
    assert [item.text for item in open_data(folder=str(root), texts=True, size=16, val=0).train] == [
        f"number 00{n}, größer" for n in range(3)
    ]


def test_a_check_reads_them_and_unpacks_what_is_good(archives: Path, tmp_path: Path) -> None:
    said = diptych("data", "check", archives, "--fix", tmp_path / "good", "--manifest", tmp_path / "m.jsonl")
    assert said.code == 0, said.err
    assert (tmp_path / "good" / "train" / "photo" / "000.png").is_file()
    assert equal(batches(tmp_path / "good"), batches(archives))
    lines = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    sizes = {line["path"]: (line["bytes"], line["sha256"]) for line in lines}
    path = archives / "train" / "photo" / "000.png"
    assert sizes["train/photo/000.png"] == (shards.stamp(path)[0], shards.digest(path))


def test_what_is_missing_or_changed_is_named(archives: Path, tmp_path: Path) -> None:
    def copied(name: str) -> Path:
        return shutil.copytree(archives, tmp_path / name)

    missing = copied("missing")
    (missing / "00001.tar").unlink()
    short = copied("short")
    (short / "00002.tar").write_bytes((short / "00002.tar").read_bytes()[:-9])
    broken = copied("broken")
    (broken / "shards.json").write_text("{")
    astray = copied("astray")
    (astray / "shards.json").write_text((astray / "shards.json").read_text().replace("train/photo/000.png", "../x.png"))
    for root, words in {
        missing: "00001.tar is missing, one of",
        short: "00002.tar has",
        broken: "shards.json is damaged",
        astray: "leads out of the folder",
    }.items():
        with pytest.raises(DataError, match=words):
            open_data(folder=str(root), size=16)
    changed = copied("changed")
    data = bytearray((changed / "00000.tar").read_bytes())
    data[-2000] ^= 1
    (changed / "00000.tar").write_bytes(data)
    said = diptych("data", "check", changed)
    assert said.code == 2
    assert "00000.tar is not what was written" in said.err


def test_a_picture_that_is_nowhere_is_said_as_ever(archives: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        images.read(archives / "train" / "photo" / "none.png")
