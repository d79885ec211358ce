"""The sample streets: the same everywhere, exactly registered, free where labels are, and written as they say."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diptych.data import recognise
from diptych.data.samples import CLASSES, SIDES, Street, street, write_samples
from diptych.errors import ConfigError, DataError, StorageError

IDS = {kind.name: number for number, kind in enumerate(CLASSES)}
SEEDS = range(6)


@cache
def scene(seed: int, size: int = 64, look: int = 0) -> Street:
    return street(seed, size, look=look)


def digest(shown: Street) -> str:
    pictures = (shown.labels, shown.day, shown.night, shown.edges, shown.instances.astype("<u2"))
    return hashlib.sha256(b"".join(picture.tobytes() for picture in pictures)).hexdigest()


def borders(ids: np.ndarray) -> np.ndarray:
    """Where the next pixel to the right or below differs."""
    found = np.zeros(ids.shape, bool)
    found[:, :-1] |= ids[:, 1:] != ids[:, :-1]
    found[:-1] |= ids[1:] != ids[:-1]
    return found


def test_a_seed_gives_the_same_bytes_everywhere() -> None:
    assert digest(street(7, 96)) == "186605c8d3c99919f50d6d0d2c7246deedc7797d8dfa51bd0dd0d37036f84ee6"


def test_the_same_arguments_give_the_same_street_and_other_seeds_others() -> None:
    assert digest(street(3, 64)) == digest(scene(3))
    assert len({digest(scene(seed)) for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("size", [32, 33, 64, 100])
def test_pictures_have_the_promised_shapes_and_types(size: int) -> None:
    shown = street(1, size)
    assert (shown.labels.shape, shown.labels.dtype) == ((size, size), np.uint8)
    assert (shown.instances.shape, shown.instances.dtype) == ((size, size), np.uint16)
    assert (shown.edges.shape, shown.edges.dtype) == ((size, size, 1), np.uint8)
    for picture in (shown.label_picture, shown.day, shown.night):
        assert (picture.shape, picture.dtype) == ((size, size, 3), np.uint8)


def test_labels_are_ids_of_classes_and_every_class_occurs_somewhere() -> None:
    seen = {int(label) for seed in range(40) for label in np.unique(scene(seed, 32).labels)}
    assert seen == set(range(len(CLASSES)))


def test_the_label_picture_shows_each_class_in_its_own_colour() -> None:
    assert len({kind.rgb for kind in CLASSES}) == len(CLASSES)
    shown = scene(2)
    for number, kind in enumerate(CLASSES):
        assert np.all(shown.label_picture[shown.labels == number] == kind.rgb)


@pytest.mark.parametrize("seed", SEEDS)
def test_each_instance_is_of_one_class(seed: int) -> None:
    shown = scene(seed, 128)
    for thing in np.unique(shown.instances[shown.instances > 0]):
        assert len(np.unique(shown.labels[shown.instances == thing])) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_windows_doors_and_plants_are_instances_and_ground_and_sky_are_not(seed: int) -> None:
    shown = scene(seed)
    things = [IDS[name] for name in ("wall", "roof", "window", "shutter", "door", "shop", "plant", "lamp", "car")]
    stuff = [IDS[name] for name in ("sky", "pavement", "road", "ledge")]
    assert np.all(shown.instances[np.isin(shown.labels, things)] > 0)
    assert np.all(shown.instances[np.isin(shown.labels, stuff)] == 0)
    assert len(np.unique(shown.instances[shown.labels == IDS["window"]])) > 3


@pytest.mark.parametrize("seed", SEEDS)
def test_every_border_between_labels_or_instances_is_inked_and_little_else(seed: int) -> None:
    shown = scene(seed, 128)
    assert set(np.unique(shown.edges)) == {0, 255}
    ink, known = shown.edges[..., 0] == 0, borders(shown.labels) | borders(shown.instances)
    assert np.all(ink[known])
    assert ink.sum() < 1.3 * known.sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_day_and_night_change_where_labels_change(seed: int) -> None:
    shown = scene(seed, 128)
    border, inside = borders(shown.labels), ~borders(shown.labels)
    for picture in (shown.day, shown.night):
        light = picture.astype(float).sum(axis=2)
        step = np.abs(np.diff(light, axis=1, append=light[:, -1:])) + np.abs(np.diff(light, axis=0, append=light[-1:]))
        assert step[border].mean() > 1.5 * step[inside].mean()


def test_windows_glow_by_night_only() -> None:
    lit = dark = 0
    for seed in SEEDS:
        shown = scene(seed, 128)
        panes, walls = shown.labels == IDS["window"], shown.labels == IDS["wall"]
        assert shown.night.mean() < 0.65 * shown.day.mean()
        assert (
            shown.night[panes].mean() / shown.night[walls].mean()
            > 1.3 * shown.day[panes].mean() / shown.day[walls].mean()
        )
        for thing in np.unique(shown.instances[panes]):
            level = np.percentile(shown.night[shown.instances == thing], 90)
            lit, dark = lit + (level > 140), dark + (level < 110)
    assert lit > 20
    assert dark > 20


@pytest.mark.parametrize("seed", SEEDS)
def test_another_look_keeps_the_labels_and_changes_the_pictures(seed: int) -> None:
    one, other = scene(seed), scene(seed, 64, 1)
    for name in ("labels", "edges", "instances"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
    assert np.abs(one.day.astype(float) - other.day).mean() > 5
    assert not np.array_equal(one.night, other.night)


def test_wall_colours_are_not_told_by_the_labels() -> None:
    shown = [scene(5, 32, look) for look in range(12)]
    colours = np.array([picture.day[picture.labels == IDS["wall"]].mean(axis=0) for picture in shown])
    assert colours.std(axis=0).min() > 15


@pytest.mark.parametrize("seed", SEEDS)
def test_a_larger_size_shows_the_same_street(seed: int) -> None:
    small, large = scene(seed), scene(seed, 192)
    assert np.array_equal(small.labels, large.labels[1::3, 1::3])
    assert np.array_equal(small.instances, large.instances[1::3, 1::3])
    means = large.day.astype(float).reshape(64, 3, 64, 3, 3).mean(axis=(1, 3))
    assert np.abs(small.day - means).mean() < 8


@pytest.mark.parametrize(("seed", "size", "look"), [(-1, 64, 0), (0, 31, 0), (0, 1025, 0), (0, 64, -1)])
def test_a_street_out_of_range_is_refused(seed: int, size: int, look: int) -> None:
    with pytest.raises(ConfigError):
        street(seed, size, look=look)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_samples_are_split_in_two_folders_each_numbered_without_gaps(tmp_path: Path) -> None:
    out = write_samples("street", tmp_path / "new" / "streets", count=21, size=32)
    sizes = {"train": 17, "val": 2, "test": 2}
    expected = [
        f"{split}/{side}/{n:04}.png"
        for split in sizes
        for side in ("labels", "day")
        for n in range(1, sizes[split] + 1)
    ]
    assert names(out) == sorted(["legend.yaml", *expected])


def test_three_samples_fill_all_splits(tmp_path: Path) -> None:
    out = write_samples("street", tmp_path, count=3, size=32, sides=("day", "night"))
    assert names(out) == sorted(
        f"{split}/{side}/0001.png" for split in ("train", "val", "test") for side in ("day", "night")
    )


def test_every_side_is_written_with_all_its_bits(tmp_path: Path) -> None:
    write_samples("street", tmp_path, count=1, size=40, seed=2, sides=tuple(SIDES))
    shown = street(2_000_000, 40)
    for side, picture in SIDES.items():
        with Image.open(tmp_path / "train" / side / "0001.png") as image:
            assert np.array_equal(np.asarray(image), picture(shown)), side
            assert image.mode == {"ids": "L", "edges": "L", "instances": "I;16"}.get(side, "RGB")


def test_unpaired_samples_share_no_street_but_in_the_test(tmp_path: Path) -> None:
    out = write_samples("street", tmp_path / "one", count=23, size=32, unpaired=True)
    train = [{path.stem for path in (out / "train" / side).iterdir()} for side in ("day", "night")]
    assert not train[0] & train[1]
    assert [len(side) for side in train] == [10, 10]
    assert names(out / "test") == [
        f"{side}/00{number}.png" for side in ("day", "night") for number in ("03", "13", "23")
    ]
    folder = recognise(out)
    assert (folder.kind, folder.names, len(folder.truth["test"])) == ("unpaired", ("day", "night"), 3)
    assert [item.a.stem for item in folder.truth["test"]] == ["0003", "0013", "0023"]
    for split, side, number in (("train", "night", 2), ("test", "day", 3), ("test", "night", 3)):
        with Image.open(out / split / side / f"{number:04}.png") as image:
            assert np.array_equal(np.asarray(image), SIDES[side](street(number - 1, 32)))


def test_unpaired_samples_are_the_same_again_and_more_of_them_change_none(tmp_path: Path) -> None:
    few, again, many = (
        write_samples("street", tmp_path / str(i), count=count, size=32, sides=("edges", "labels"), unpaired=True)
        for i, count in enumerate((5, 5, 13))
    )
    assert names(few) == names(again)
    assert set(names(few)) < set(names(many))
    for other in (again, many):
        assert all((few / name).read_bytes() == (other / name).read_bytes() for name in names(few))


def test_a_larger_count_keeps_the_scenes_of_a_smaller_one(tmp_path: Path) -> None:
    few = write_samples("street", tmp_path / "few", count=4, size=32)
    many = write_samples("street", tmp_path / "many", count=13, size=32)
    assert all((few / name).read_bytes() == (many / name).read_bytes() for name in names(few))


def test_progress_counts_every_scene(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_samples("street", tmp_path, count=2, size=32, progress=lambda done, count: seen.append((done, count)))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("faces", {}, "'faces'.*street"),
        ("street", {"count": 0}, "count is 0"),
        ("street", {"size": 16}, "size 16"),
        ("street", {"seed": -1}, "seed is -1"),
        ("street", {"sides": ("labels", "dusk")}, "'dusk'.*labels, ids, day, night, edges, instances"),
        ("street", {"sides": ("day", "day")}, "different"),
        ("street", {"sides": ("day",)}, "two or more"),
        ("street", {"sides": ()}, "two or more"),
        ("street", {"sides": ("day", "night", "edges"), "unpaired": True, "count": 9}, "have two sides"),
        ("street", {"unpaired": True}, "three scenes or more"),
    ],
)
def test_a_wrong_argument_is_named_and_nothing_is_written(
    tmp_path: Path, kind: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        write_samples(kind, tmp_path / "out", **({"count": 2, "size": 32} | options))  # type: ignore[arg-type]
    assert not names(tmp_path)


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match=r"not empty.*new folder"):
        write_samples("street", tmp_path, count=1, size=32)
    with pytest.raises(DataError, match="is a file"):
        write_samples("street", tmp_path / "mine.txt", count=1, size=32)
    assert names(tmp_path) == ["mine.txt"]


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write samples"):
        write_samples("street", tmp_path / "file" / "out", count=1, size=32)


def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(done: int, count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_samples("street", tmp_path, count=2, size=32, progress=stop)
    assert not any(tmp_path.iterdir())
