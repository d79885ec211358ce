from __future__ import annotations

import errno
import multiprocessing
import os
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import fill, fill_and_die, noise, save, side_by_side, two_folders

from diptych.data import cache as caching
from diptych.data import open_data
from diptych.data.augment import Augment
from diptych.data.dataset import Data
from diptych.data.folders import Item
from diptych.data.loader import Batches, InfiniteSampler, PairedData, loader
from diptych.errors import ConfigError
from diptych.images import Picture


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("pairs")
    opened = open_data(folder=str(side_by_side(folder, 7)), size=12, val=0)
    opened.prepare(cache_dir=folder / "cache")
    return opened


def stream(data: Data, count: int, **options: Any) -> list[torch.Tensor]:
    return [batch["source"] for batch in islice(data.loader(seed=5, **options), count)]


def cached(data: Data) -> caching.Cache:
    return data._caches["source", "target"][0]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(*pair) for pair in zip(first, second, strict=True))


@settings(max_examples=25, deadline=None)
@given(start=st.integers(0, 40), batch=st.sampled_from([1, 2, 4]))
def test_training_can_go_on_anywhere(data: Data, start: int, batch: int) -> None:
    undisturbed = torch.cat(stream(data, 60 // batch, batch=batch))[start : start + 4 * batch]
    resumed = torch.cat(stream(data, 4, batch=batch, start=start))
    assert torch.equal(resumed[: len(undisturbed)], undisturbed)


def test_the_batch_size_does_not_change_the_order(data: Data) -> None:
    assert torch.equal(torch.cat(stream(data, 12, batch=1)), torch.cat(stream(data, 3, batch=4)))


@pytest.mark.parametrize("world", [2, 4])
def test_all_ranks_together_make_the_batch_of_one(data: Data, world: int) -> None:
    ranks = [stream(data, 5, batch=4, rank=rank, world=world) for rank in range(world)]
    for alone, *shares in zip(stream(data, 5, batch=4), *ranks, strict=True):
        assert torch.equal(torch.cat(shares), alone)


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.batch=3 cannot be shared by 2"):
        Batches(3, 0, 0, 2)


def test_every_epoch_shows_every_pair_once_in_another_order(data: Data) -> None:
    sampler = InfiniteSampler(data.train, data.read, data.augment, seed=1)
    epochs = [[sampler.index(k) for k in range(7 * e, 7 * e + 7)] for e in range(4)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_a_picture_is_cropped_anew_every_time() -> None:
    picture = Picture(noise(20, 20))
    sampler = InfiniteSampler([Item("alone", Path())], lambda _: (picture, picture), Augment((12, 12), load=20), seed=0)
    assert len({sampler[k][0].tobytes() for k in range(40)}) > 25


def test_the_seed_decides(data: Data) -> None:
    first, second = (next(data.loader(seed=seed, batch=4))["source"] for seed in (0, 1))
    assert not torch.equal(first, second)


def test_spawned_workers_deliver_the_same_and_leave_the_global_generator_alone(data: Data) -> None:
    alone = stream(data, 6, batch=3)
    before = torch.random.get_rng_state()
    dataset = PairedData(InfiniteSampler(data.train, data.read, data.augment, 5, cached(data)), data.task)
    batches = [batch["source"] for batch in islice(loader(dataset, batch=3, workers=1), 6)]
    assert same(alone, batches)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("dtypes", [("uint8", "uint8"), ("uint16", "float32")])
def test_batches_keep_the_dtype_and_the_cache_changes_nothing(tmp_path: Path, dtypes: tuple[str, str]) -> None:
    two_folders(tmp_path / "pairs", 4, dtypes=dtypes, channels=(1, 4 if dtypes[1] == "float32" else 3))
    opened = open_data(folder=str(tmp_path / "pairs"), size=12, val=0)
    plain = list(islice(opened.loader(seed=0, batch=2), 6))
    opened = open_data(folder=str(tmp_path / "pairs"), size=12, val=0)
    cached = list(islice(opened.loader(seed=0, batch=2, cache_dir=tmp_path / "cache"), 6))
    assert [str(plain[0][side].dtype) for side in ("source", "target")] == [f"torch.{dtype}" for dtype in dtypes]
    for a, b in zip(plain, cached, strict=True):
        assert all(np.array_equal(a[side].numpy(), b[side].numpy()) for side in a)


# --- Augmentation ----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(3, 20), st.integers(3, 20)),
    shape=st.tuples(st.integers(3, 40), st.integers(3, 40)),
    resize=st.sampled_from(["square", "short", "none"]),
    seed=st.integers(0, 9),
)
def test_both_sides_get_the_same_draw(size: tuple[int, int], shape: tuple[int, int], resize: Any, seed: int) -> None:
    augment = Augment(size, resize=resize, enlarge=True)
    picture = Picture(noise(*shape, 3, seed=seed))
    source, target = InfiniteSampler([Item("twice", Path())], lambda _: (picture, picture), augment, seed)[seed]
    assert source.shape == (*size, 3)
    np.testing.assert_array_equal(source, target)


def test_the_defaults_are_the_papers() -> None:
    assert Augment((256, 256)).loaded(300, 900) == (286, 286)
    assert Augment((256, 512)).loaded(300, 900) == (286, 572)
    assert Augment((256, 256), load=300).loaded(1, 1) == (300, 300)
    assert Augment((256, 256), resize="short").loaded(400, 800) == (286, 572)
    assert Augment((256, 256), resize="none").loaded(400, 800) == (400, 800)
    assert Augment((256, 256), resize="none", enlarge=True).loaded(128, 512) == (256, 1024)


def test_mirroring_mirrors_every_channel_half_of_the_time() -> None:
    augment = Augment((4, 6), load=4)
    picture = noise(4, 6, 5, "uint16")
    seen = [augment.apply(picture, augment.draw(np.random.default_rng(seed), 4, 6)) for seed in range(60)]
    mirrored = sum(np.array_equal(crop, picture[:, ::-1]) for crop in seen)
    assert mirrored + sum(np.array_equal(crop, picture) for crop in seen) == 60
    assert 18 < mirrored < 42
    unflipped = Augment((4, 6), load=4, flip=False)
    assert not any(unflipped.draw(np.random.default_rng(seed), 4, 6).mirror for seed in range(20))


# --- The cache -------------------------------------------------------------------------------------------------------


def fresh(root: Path, **options: Any) -> Data:
    return open_data(folder=str(root), size=12, val=0, **options)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return side_by_side(tmp_path / "pairs", 5)


def caches(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache").iterdir())


def test_a_cache_is_filled_once_and_reused(tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    fresh(pairs).prepare(cache_dir=tmp_path / "cache", progress=lambda done, total: told.append((done, total)))
    assert told == [(i, 5) for i in range(1, 6)]
    monkeypatch.setattr(caching, "_Writer", None)
    again = fresh(pairs)
    again.prepare(cache_dir=tmp_path / "cache")
    assert len(caches(tmp_path)) == 1
    assert len(cached(again).entries) == 5


def test_a_cache_filled_by_another_process_is_reused(
    tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = multiprocessing.get_context("spawn").Process(target=fill, args=(pairs, tmp_path / "cache"))
    process.start()
    process.join()
    monkeypatch.setattr(caching, "_Writer", None)
    fresh(pairs).prepare(cache_dir=tmp_path / "cache")
    assert len(caches(tmp_path)) == 1


def test_a_changed_file_or_option_makes_another_cache(tmp_path: Path, pairs: Path) -> None:
    fresh(pairs).prepare(cache_dir=tmp_path / "cache")
    save(pairs / "train" / "002.png", noise(16, 32, seed=99))
    fresh(pairs).prepare(cache_dir=tmp_path / "cache")
    fresh(pairs, direction="b2a").prepare(cache_dir=tmp_path / "cache")
    fresh(pairs, load=14).prepare(cache_dir=tmp_path / "cache")
    assert len(caches(tmp_path)) == 4
    fresh(pairs, flip=False, load=14).prepare(cache_dir=tmp_path / "cache")
    assert len(caches(tmp_path)) == 4, "mirroring does not show in the cache"


def test_beyond_its_bound_pictures_are_decoded_each_time(tmp_path: Path, pairs: Path) -> None:
    expected = stream(fresh(pairs), 5, batch=2)
    bounded = fresh(pairs, cache_gb=3e-6)
    assert same(stream(bounded, 5, batch=2, cache_dir=tmp_path / "cache"), expected)
    assert 0 < len(cached(bounded).entries) < 5
    assert any("the cache is full" in note for note in bounded.notes)
    without = fresh(pairs, cache_gb=0)
    assert same(stream(without, 5, batch=2, cache_dir=tmp_path / "none"), expected)
    assert not (tmp_path / "none").exists()


def test_a_full_disk_only_costs_speed(tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = stream(fresh(pairs), 5, batch=2)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    data = fresh(pairs)
    assert same(stream(data, 5, batch=2, cache_dir=tmp_path / "cache"), expected)
    assert any("No space left on device): pictures are decoded each time" in note for note in data.notes)
    assert not caches(tmp_path), "what was written is given back to the disk"


def test_a_place_that_cannot_be_written_only_costs_speed(tmp_path: Path, pairs: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    data = fresh(pairs)
    assert len(stream(data, 2, batch=2, cache_dir=tmp_path / "cache")) == 2
    assert any("the cache could not be written" in note for note in data.notes)


def test_a_damaged_cache_is_filled_anew(tmp_path: Path, pairs: Path) -> None:
    expected = stream(fresh(pairs), 4, batch=2, cache_dir=tmp_path / "cache")
    for name, keep in ((caching.PICTURES, 100), (caching.INDEX, 10)):
        path = caches(tmp_path)[0] / name
        path.write_bytes(path.read_bytes()[:keep])
        again = stream(fresh(pairs), 4, batch=2, cache_dir=tmp_path / "cache")
        assert same(again, expected)
        assert len(caches(tmp_path)) == 1


def test_a_killed_writer_leaves_nothing_that_is_read(tmp_path: Path, pairs: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=fill_and_die, args=(pairs, tmp_path / "cache"))
    process.start()
    process.join()
    assert process.exitcode == 9
    (left,) = caches(tmp_path)
    assert left.name.startswith(caching.UNFINISHED)
    data = fresh(pairs)
    data.prepare(cache_dir=tmp_path / "cache")
    assert len(cached(data).entries) == 5


def test_a_cache_finished_by_another_process_meanwhile_is_as_good(tmp_path: Path, pairs: Path) -> None:
    slow, quick = fresh(pairs), fresh(pairs)

    def overtake(done: int, total: int) -> None:
        if done == 1:
            quick.prepare(cache_dir=tmp_path / "cache")

    slow.prepare(cache_dir=tmp_path / "cache", progress=overtake)
    assert len(caches(tmp_path)) == 1
    assert same(stream(slow, 4, batch=2), stream(quick, 4, batch=2))
    assert slow.notes == quick.notes
