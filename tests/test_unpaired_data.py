"""Two kinds of pictures without pairs: how they are found, dealt and compared."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import heaps, noise, save, side_by_side, truthful, two_folders

from diptych.data import cache as caching
from diptych.data import check, open_data, recognise
from diptych.data.augment import Augment
from diptych.data.dataset import PAIRS, UNPAIRED, Data
from diptych.data.folders import Item
from diptych.data.loader import STREAM_OF_DOMAINS, InfiniteSampler, UnpairedData
from diptych.data.recognising import domain_names
from diptych.errors import ConfigError, DataError
from diptych.images import Picture

Batch = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("heaps")
    opened = open_data(folder=str(heaps(folder, cats=5, dogs=3)), size=12)
    opened.prepare(UNPAIRED, folder / "cache")
    return opened


def stream(data: Data, count: int, **options: Any) -> list[Batch]:
    return list(islice(data.loader(UNPAIRED, seed=5, **options), count))


def joined(batches: list[Batch]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([batch["a"] for batch in batches]), torch.cat([batch["b"] for batch in batches])


def same(first: tuple[torch.Tensor, ...], second: tuple[torch.Tensor, ...]) -> bool:
    return all(map(torch.equal, first, second))


def numbered(count: int, seed: int, stream: int) -> InfiniteSampler:
    """Pictures filled with their own number, to be recognised in what is dealt."""

    def shown(item: Item) -> tuple[Picture]:
        return (Picture(np.full((4, 4, 1), int(item.name), np.uint8)),)

    items = [Item(str(i), Path(str(i))) for i in range(count)]
    return InfiniteSampler(items, shown, Augment((4, 4), load=4), seed, stream=stream)


# --- The stream ------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(counts=st.tuples(st.integers(1, 9), st.integers(1, 9)), seed=st.integers(0, 2**63 - 1), round=st.integers(0, 5))
def test_every_picture_of_a_side_comes_once_in_each_of_its_rounds(
    counts: tuple[int, int], seed: int, round: int
) -> None:
    dealt = UnpairedData(numbered(counts[0], seed, STREAM_OF_DOMAINS), numbered(counts[1], seed, STREAM_OF_DOMAINS + 1))
    assert len(dealt) == max(counts)
    for side, n in zip("ab", counts, strict=True):
        assert sorted(int(dealt[k][side][0, 0, 0]) for k in range(round * n, (round + 1) * n)) == list(range(n))


@settings(max_examples=20, deadline=None)
@given(others=st.integers(1, 9), k=st.integers(0, 60))
def test_what_comes_of_one_side_does_not_depend_on_the_other(others: int, k: int) -> None:
    alone, beside = (
        UnpairedData(numbered(7, 1, STREAM_OF_DOMAINS), numbered(n, 1, STREAM_OF_DOMAINS + 1)) for n in (5, others)
    )
    np.testing.assert_array_equal(alone[k]["a"], beside[k]["a"])


def test_the_sides_are_shuffled_and_cropped_each_for_itself() -> None:
    picture = Picture(noise(20, 20))
    items, augment = [Item(str(i), Path()) for i in range(8)], Augment((12, 12), load=20)
    samplers = [
        InfiniteSampler(items, lambda _: (picture,), augment, 0, stream=stream)
        for stream in (STREAM_OF_DOMAINS, STREAM_OF_DOMAINS + 1)
    ]
    orders = [[deck.index(k) for k in range(80)] for deck in samplers]
    assert sum(map(int.__eq__, *orders)) < 30
    dealt = [UnpairedData(*samplers)[k] for k in range(40)]
    assert sum(np.array_equal(pair["a"], pair["b"]) for pair in dealt) < 5


@settings(max_examples=20, deadline=None)
@given(start=st.integers(0, 40), batch=st.sampled_from([1, 2, 4]))
def test_training_can_go_on_anywhere(data: Data, start: int, batch: int) -> None:
    undisturbed = joined(stream(data, 60 // batch, batch=batch))
    resumed = joined(stream(data, 4, batch=batch, start=start))
    assert same(resumed, tuple(side[start : start + 4 * batch] for side in undisturbed))


def test_the_batch_size_does_not_change_the_order(data: Data) -> None:
    assert same(joined(stream(data, 12, batch=1)), joined(stream(data, 3, batch=4)))


@pytest.mark.parametrize("world", [2, 4])
def test_all_ranks_together_make_the_batch_of_one(data: Data, world: int) -> None:
    ranks = [stream(data, 5, batch=4, rank=rank, world=world) for rank in range(world)]
    for alone, *shares in zip(stream(data, 5, batch=4), *ranks, strict=True):
        assert same(joined(shares), (alone["a"], alone["b"]))


def test_spawned_workers_deliver_the_same(data: Data) -> None:
    alone = joined(stream(data, 6, batch=3))
    data.workers = 1
    try:
        assert same(joined(stream(data, 6, batch=3)), alone)
    finally:
        data.workers = 0


# --- The folders -----------------------------------------------------------------------------------------------------


def test_an_unpaired_folder_opens(data: Data) -> None:
    assert not data.paired
    assert (data.train, data.val, data.test) == ((), (), ())
    assert (data.names, data.epoch(UNPAIRED)) == (("cats", "dogs"), 5)
    assert [[item.name for item in side] for side in data.singles("train")] == [
        [f"cats{i}" for i in range(5)],
        [f"dogs{i}" for i in range(3)],
    ]
    assert [name for name, _ in data.pictures("train", 1)] == ["dogs0", "dogs1", "dogs2"]


@pytest.mark.parametrize("layout", ["flat", "split", "mixed"])
def test_two_folders_of_any_names_name_the_domains(tmp_path: Path, layout: str) -> None:
    heaps(tmp_path / "x", zebra=4, horse=6)
    for name in ("zebra", "horse"):
        place = tmp_path / "y" / name / ("train" if layout == "split" or (layout, name) == ("mixed", "horse") else "")
        shutil.copytree(tmp_path / "x" / "train" / name, place)
    if layout == "split":
        save(tmp_path / "y" / "horse" / "test" / "1.png")
    a, b = (str(tmp_path / "y" / name) for name in ("zebra", "horse"))
    data = open_data(a=a, b=b, size=12)
    assert (data.names, data.paired) == (("zebra", "horse"), False)
    assert [len(side) for side in data.singles("train")] == [4, 6]
    assert [len(side) for side in data.singles("test")] == [0, int(layout == "split")]
    assert open_data(a=a, b=b, size=12, direction="zebra2horse").names == ("zebra", "horse")
    assert open_data(a=a, b=b, size=12, direction="b2a").names == ("horse", "zebra")


def test_the_fingerprint_of_two_folders_follows_the_files_and_not_the_place(tmp_path: Path) -> None:
    heaps(tmp_path, cats=3, dogs=3)
    shutil.copytree(tmp_path / "train" / "cats", tmp_path / "zoo" / "cats")
    dogs = str(tmp_path / "train" / "dogs")
    first, moved = (open_data(a=str(tmp_path / cats), b=dogs, size=12) for cats in ("train/cats", "zoo/cats"))
    assert first.fingerprint == moved.fingerprint
    save(tmp_path / "zoo" / "cats" / "cats9.png")
    assert open_data(a=str(tmp_path / "zoo" / "cats"), b=dogs, size=12).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("a", "b", "names"),
    [
        ("horses", "zebras", ("horses", "zebras")),
        ("cat/pictures", "dog/pictures", ("cat", "dog")),
        ("cat/train", "dog/train", ("cat", "dog")),
        ("horse2zebra/trainA", "horse2zebra/trainB", ("trainA", "trainB")),
        ("x/./cats", "x/cats/../dogs", ("cats", "dogs")),
    ],
)
def test_domains_are_called_like_their_folders_or_those_above(a: str, b: str, names: tuple[str, str]) -> None:
    assert domain_names(Path(a), Path(b)) == names


def test_pictures_that_lie_deeper_are_named(tmp_path: Path) -> None:
    heaps(tmp_path, cats=2, dogs=2)
    save(tmp_path / "train" / "cats" / "old" / "1.png")
    save(tmp_path / "train" / "cats" / "old" / "older" / "1.png")
    folder = recognise(a=tmp_path / "train" / "cats", b=tmp_path / "train" / "dogs")
    ((path, what),) = folder.faults
    assert str(folder.relative(path)) == "cats/old/1.png"
    assert "lies in a folder of its own, while most pictures lie beside that folder" in what
    assert "(and 1 more there)" in what


@pytest.mark.parametrize("given", [{}, {"a": "x"}, {"b": "x"}, {"folder": "x", "a": "x", "b": "y"}])
def test_what_is_to_be_given_is_said(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"data\.folder \(--data FOLDER\), or .* data\.a and data\.b .*; given: "):
        open_data(**given)  # type: ignore[arg-type]


def test_one_folder_for_both_domains_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is given for both domains"):
        open_data(a=str(tmp_path), b=str(tmp_path / "x" / ".."))


@pytest.mark.parametrize("left", [[], ["notes.txt"], ["broken.png"]])
def test_an_empty_domain_is_named(tmp_path: Path, left: list[str]) -> None:
    heaps(tmp_path, cats=3, dogs=0)
    (tmp_path / "train" / "dogs").mkdir()
    for name in left:
        (tmp_path / "train" / "dogs" / name).write_text("nothing")
    with pytest.raises(DataError, match=r"no picture of dogs that can be used: put some there; left out: train/d"):
        open_data(folder=str(tmp_path))
    with pytest.raises(DataError, match=r"dogs (holds no pictures|and .* can be used)|no picture of dogs can be used"):
        open_data(a=str(tmp_path / "train" / "cats"), b=str(tmp_path / "train" / "dogs"))
    (tmp_path / "test").mkdir()
    audit = check(tmp_path)
    assert audit.counts == {"train": (3,)}
    assert all(any(words in line for line in audit.advice) for words in ("no picture of dogs", "there is no test/"))


def test_a_domain_without_training_pictures_is_named(tmp_path: Path) -> None:
    heaps(tmp_path, cats=3)
    save(tmp_path / "test" / "dogs" / "1.png")
    data = open_data(folder=str(tmp_path), size=12)
    for ask in (lambda: data.epoch(UNPAIRED), lambda: data.prepare(UNPAIRED)):
        with pytest.raises(DataError, match="has no training pictures of dogs: put some into train/"):
            ask()
    assert any("each of cats and dogs in train/" in line for line in check(tmp_path).advice)


def test_no_method_learns_from_anything_else(data: Data) -> None:
    with pytest.raises(ConfigError, match=r"learns from left, right: .*source and target .*, a and b .*, or image"):
        data.epoch(("left", "right"))


# --- Pairs in it, kept aside or not used ----------------------------------------------------------------------------


def test_training_names_decide_and_matching_test_names_are_the_truth(tmp_path: Path) -> None:
    data = open_data(folder=str(truthful(tmp_path)), size=12, direction="b2a")
    assert (data.paired, data.train, data.names) == (False, (), ("dogs", "cats"))
    assert [item.name for item in data.test] == ["0", "1", "2", "3"]
    assert [len(side) for side in data.singles("test")] == [4, 4]
    assert [name for name, *_ in data.pairs("test")] == ["0", "1", "2", "3"]
    assert data.test[0].a.parent.name == "cats"
    assert sum("4 pictures of test have one name in cats and dogs" in note for note in data.notes) == 1


@pytest.mark.parametrize(("train", "test", "pairs"), [("", "", 0), ("", "scene", 4), ("c", "", 4)])
def test_numbers_that_match_in_training_too_are_no_truth(tmp_path: Path, train: str, test: str, pairs: int) -> None:
    truthful(tmp_path / "x", train=(train, train and "d"), test=test)
    for split in ("train", "test"):
        for domain, letter in (("cats", "A"), ("dogs", "B")):
            shutil.copytree(tmp_path / "x" / split / domain, tmp_path / "y" / f"{split}{letter}")
    assert recognise(tmp_path / "y").kind == "unpaired"
    assert len(open_data(folder=str(tmp_path / "y"), size=12).test) == pairs


def test_the_truth_is_of_usable_pictures_of_one_size(tmp_path: Path) -> None:
    truthful(tmp_path)
    save(tmp_path / "test" / "cats" / "1.png", noise(16, 18))
    save(tmp_path / "test" / "cats" / "2.png", noise(16, 16, dtype="uint16"))
    data = open_data(folder=str(tmp_path), size=12)
    assert [item.name for item in data.test] == ["0", "3"]
    assert [len(side) for side in data.singles("test")] == [3, 4]


def test_pairs_can_be_learnt_from_as_if_they_were_none(tmp_path: Path) -> None:
    data = open_data(folder=str(two_folders(tmp_path, 20)), size=12, val=0.1, direction="photo2label")
    assert data.paired
    assert (len(data.train), len(data.val), data.epoch(UNPAIRED), data.epoch(PAIRS)) == (18, 2, 18, 18)
    photos, labels = data.singles("train")
    assert [item.name for item in photos] == [item.name for item in labels] == [item.name for item in data.train]
    assert ({item.a.parent.name for item in photos}, {item.b for item in photos}) == ({"photo"}, {None})
    (batch,) = stream(data, 1, batch=4)
    assert (batch["a"].shape, batch["b"].shape) == ((4, 12, 12, 3), (4, 12, 12, 1))
    assert any("data.kind=unpaired" in note for note in data.notes)


def test_the_halves_of_one_file_can_be_learnt_from_apart(tmp_path: Path) -> None:
    data = open_data(folder=str(side_by_side(tmp_path / "x", 4)), size=16, load=16, flip=False, val=0, direction="b2a")
    a, b = joined(stream(data, 1, batch=4, cache_dir=tmp_path / "cache"))
    pairs = [(source.array, target.array) for _, source, target in data.pairs("train")]
    for dealt, side in ((a, 0), (b, 1)):
        assert {x.numpy().tobytes() for x in dealt} == {pair[side].tobytes() for pair in pairs}
        assert [p.array.tobytes() for _, p in data.pictures("train", side)] == [pair[side].tobytes() for pair in pairs]


def test_what_is_said_to_be_unpaired_is(tmp_path: Path) -> None:
    data = open_data(folder=str(two_folders(two_folders(tmp_path, 4), 2, split="test")), size=12, kind="unpaired")
    assert (data.paired, data.train, data.val, data.test) == (False, (), (), ())
    assert [len(side) for side in data.singles("train")] == [4, 4]


@pytest.mark.parametrize(
    ("counts", "size", "kind"), [((6, 6), 16, "two folders"), ((6, 9), 16, "unpaired"), ((6, 6), 20, "unpaired")]
)
def test_of_two_folders_pairs_have_one_size_and_nearly_all_a_partner(
    tmp_path: Path, counts: tuple[int, int], size: int, kind: str
) -> None:
    for name, count, side in zip(("horse", "zebra"), counts, (16, size), strict=True):
        for i in range(count):
            save(tmp_path / name / f"{i}.png", noise(side, side, seed=i))
    assert recognise(a=tmp_path / "horse", b=tmp_path / "zebra").kind == kind


# --- Each side keeps its own -----------------------------------------------------------------------------------------


def test_each_domain_keeps_its_channels_depth_and_range(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / "scans" / f"s{i}.png", noise(16, 16, 1, "uint16", seed=i) // 16)
        save(tmp_path / "photos" / f"p{i}.png", noise(20, 18, 3, seed=i))
    data = open_data(folder=str(tmp_path), size=12, direction="scans2photos")
    assert (data.channels, data.dtype) == ((1, 3), ("uint16", "uint8"))
    assert data.range == ((0, 4095), (0, 255))
    (batch,) = stream(data, 1, batch=2)
    assert {name: (tuple(x.shape), x.dtype) for name, x in batch.items()} == {
        "a": ((2, 12, 12, 1), torch.uint16),
        "b": ((2, 12, 12, 3), torch.uint8),
    }


def test_each_side_has_a_cache_and_it_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, told = str(heaps(tmp_path / "heaps", cats=3, dogs=2)), []
    plain = joined(stream(open_data(folder=root, size=12), 4, batch=2))
    data = open_data(folder=root, size=12)
    data.prepare(UNPAIRED, tmp_path / "cache", lambda done, total: told.append((done, total)))
    assert told == [(i, 5) for i in range(1, 6)]
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert same(joined(stream(data, 4, batch=2)), plain)
    monkeypatch.setattr(caching, "_Writer", None)
    again = open_data(folder=root, size=12)
    again.prepare(UNPAIRED, tmp_path / "cache")
    assert same(joined(stream(again, 4, batch=2)), plain)


def test_the_caches_of_both_sides_share_one_bound(tmp_path: Path) -> None:
    root = heaps(tmp_path / "heaps", cats=6, dogs=3)
    data = open_data(folder=str(root), size=12, load=16, cache_gb=7 * 16 * 16 * 3 / 1e9)
    data.prepare(UNPAIRED, tmp_path / "cache")
    assert [len(kept.entries) for kept in data._caches[UNPAIRED]] == [4, 2]


def test_what_cannot_be_decoded_is_dropped_from_its_side(tmp_path: Path) -> None:
    root = heaps(tmp_path, cats=3, dogs=2)
    for name in ("cats/cats1", "dogs/dogs0", "dogs/dogs1"):
        path = root / "train" / f"{name}.png"
        path.write_bytes(path.read_bytes()[:-200])
    data = open_data(folder=str(root), size=12)
    with pytest.raises(DataError, match=r"no training pictures of dogs that can be decoded: .*dogs0\.png"):
        data.prepare(UNPAIRED)
    save(root / "train" / "dogs" / "dogs1.png")
    data = open_data(folder=str(root), size=12)
    data.prepare(UNPAIRED)
    assert [[item.name for item in side] for side in data.singles("train")] == [["cats0", "cats2"], ["dogs1"]]
    assert sum("left out" in note for note in data.notes) == 2


def test_pictures_of_either_side_smaller_than_the_crop_are_refused(tmp_path: Path) -> None:
    heaps(tmp_path, cats=3, dogs=3)
    save(tmp_path / "train" / "dogs" / "dogs1.png", noise(10, 30))
    with pytest.raises(DataError, match=r"1 of 6 .* smaller than the crop, 12x12 .*train/dogs/dogs1\.png, 30x10"):
        open_data(folder=str(tmp_path), size=12)


# --- What is suspicious ----------------------------------------------------------------------------------------------
