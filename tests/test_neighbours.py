"""A slice of a volume goes into a network with those on either side of it: the same ones in training and in use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from commands import diptych
from models import with_ends
from odd.weighed import Weighed
from pictures import noise, save
from test_dicom import series

from diptych import Translator, tasks
from diptych.data import open_data
from diptych.errors import ConfigError, DataError
from diptych.images.neighbours import along
from diptych.inference.volume import translate_volume
from diptych.testing import bundle

nibabel = pytest.importorskip("nibabel")
DEPTH, HEIGHT, WIDTH = 5, 20, 24


def scan(seed: int = 0, dtype: str = "float32") -> np.ndarray:
    """`D H W`."""
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return rng.normal(size=(DEPTH, HEIGHT, WIDTH)).astype(dtype)
    return rng.integers(0, 200, (DEPTH, HEIGHT, WIDTH)).astype(dtype)


def nifti(path: Path, array: np.ndarray) -> Path:
    """Slices `[T] D H W` as a radiologist sees them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = np.moveaxis(array, (-1, -2), (0, 1))[::-1, ::-1]
    stored = stored if array.ndim == 3 else stored.swapaxes(2, 3)
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(stored), np.eye(4)), path)
    return path


def tiff(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array, photometric="minisblack", metadata=None)
    return path


def with_neighbours(array: np.ndarray, count: int) -> np.ndarray:
    """`D H W` to `D H W 2n+1`, the first and the last repeated."""
    places = np.arange(len(array))
    return np.stack([array[(places + k).clip(0, len(array) - 1)] for k in range(-count, count + 1)], axis=-1)


def weighed(count: int, low: float = -6, high: float = 6, dtype: str = "float32") -> Translator:
    channels = 2 * count + 1
    made = bundle(Weighed, {"source_channels": channels, "target_channels": 1})
    ends = {"dtype": dtype, "low": low, "high": high}
    source = made.card.source.model_copy(update={**ends, "channels": channels, "neighbours": count})
    target = made.card.target.model_copy(update={**ends, "channels": 1})
    return Translator(made.method, with_ends(made.card, source=source, target=target), device="cpu")


def expected(array: np.ndarray, count: int) -> np.ndarray:
    weights = 2.0 ** -np.arange(1, 2 * count + 2)
    return with_neighbours(array.astype(float), count) @ (weights / weights.sum())


def values(path: Path) -> np.ndarray:
    """`[T] D H W` as a radiologist sees them."""
    stored = np.asanyarray(nibabel.load(path).dataobj)[::-1, ::-1]
    return np.moveaxis(stored if stored.ndim == 3 else stored.swapaxes(2, 3), (0, 1), (-1, -2))


def test_neighbours_stay_within_their_axis() -> None:
    assert along(0, (5,), 0, 2) == [0, 0, 0, 1, 2]
    assert along(4, (2, 5), 1, 1) == [3, 4, 4]
    assert along(5, (2, 5), 1, 1) == [5, 5, 6]
    assert along(3, (2, 5), 0, 1) == [3, 3, 8]
    assert along(0, (1,), 0, 1) == [0, 0, 0]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("form", [nifti, tiff])
def test_a_network_learns_from_the_neighbours_of_each_slice(form, count: int, tmp_path: Path) -> None:
    suffix = "nii.gz" if form is nifti else "tif"
    for number in range(3):
        form(tmp_path / "mr" / f"{number}.{suffix}", scan(number))
        form(tmp_path / "ct" / f"{number}.{suffix}", scan(number + 10))
    data = open_data(
        folder=str(tmp_path), direction="mr2ct", size=f"{WIDTH}x{HEIGHT}", resize="none", flip=False, val=0.3,
        neighbours=count,
    )  # fmt: skip
    assert data.channels == data.given_channels == (2 * count + 1, 1)
    assert len(data.train) == 2 * DEPTH
    for split in ("train", "val"):
        for name, source, target in data.pairs(split):
            number, place = int(name[0]), int(name[-1])
            np.testing.assert_array_equal(source.array, with_neighbours(scan(number), count)[place])
            np.testing.assert_array_equal(target.array[..., 0], scan(number + 10)[place])
            np.testing.assert_array_equal(source.visible[..., 0], scan(number)[place])
    for name, source in data.pictures("train", 0):
        np.testing.assert_array_equal(source.array, with_neighbours(scan(int(name[0])), count)[int(name[-1])])
    wanted = {
        source.tobytes(): target
        for number in range(3)
        for source, target in zip(with_neighbours(scan(number), count), scan(number + 10), strict=True)
    }
    batches = data.loader(seed=0, batch=5, cache_dir=tmp_path / "cache")
    for batch in (next(batches), next(batches)):
        for source, target in zip(batch["source"].numpy(), batch["target"].numpy(), strict=True):
            np.testing.assert_array_equal(target[..., 0], wanted[source.tobytes()])


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("batch", [1, 3])
def test_in_use_a_network_is_given_the_same_neighbours(count: int, batch: int, tmp_path: Path) -> None:
    made = weighed(count)
    for source, target in (
        (nifti(tmp_path / "a.nii.gz", scan()), "b.nii.gz"),
        (tiff(tmp_path / "a.tif", scan()), "b.tif"),
    ):
        notes = translate_volume(made, source, tmp_path / target, made.checked({}), batch=batch)
        assert any(f"each seen with {count} on either side" in note for note in notes)
    np.testing.assert_allclose(values(tmp_path / "b.nii.gz"), expected(scan(), count), atol=1e-5)
    np.testing.assert_allclose(tifffile.imread(tmp_path / "b.tif"), expected(scan(), count), atol=1e-5)


def test_the_neighbours_of_a_time_are_of_that_time(tmp_path: Path) -> None:
    times = np.stack([scan(seed) for seed in range(3)])
    made = weighed(1)
    translate_volume(made, nifti(tmp_path / "a.nii", times), tmp_path / "b.nii", made.checked({}))
    np.testing.assert_allclose(values(tmp_path / "b.nii"), [expected(one, 1) for one in times], atol=1e-5)
    for axes, array in (("TZYX", times), ("ZTYX", times.swapaxes(0, 1))):
        path = tmp_path / f"{axes}.ome.tif"
        tifffile.imwrite(path, array, photometric="minisblack", metadata={"axes": axes})
        translate_volume(made, path, tmp_path / "b.ome.tif", made.checked({}))
        with tifffile.TiffFile(tmp_path / "b.ome.tif") as file:
            found = file.series[0].asarray().transpose([file.series[0].axes.index(axis) for axis in "TZYX"])
        np.testing.assert_allclose(found, [expected(one, 1) for one in times], atol=1e-5)


def test_a_series_of_files_has_neighbours_where_they_lie(tmp_path: Path) -> None:
    volume = series(tmp_path / "head")
    made = weighed(1, -1024, 1000, "int16")
    translate_volume(made, tmp_path / "head", tmp_path / "b.nii", made.checked({}))
    found = np.asanyarray(nibabel.load(tmp_path / "b.nii").dataobj).transpose(2, 1, 0)
    np.testing.assert_allclose(found, expected(np.moveaxis(volume, -1, 0), 1), atol=0.51)


def test_where_a_neighbour_holds_nothing_the_slice_stays(tmp_path: Path) -> None:
    array = scan()
    array[2, 3:5] = np.nan
    made = weighed(1)
    translate_volume(made, nifti(tmp_path / "a.nii", array), tmp_path / "b.nii", made.checked({}))
    np.testing.assert_array_equal(np.isnan(values(tmp_path / "b.nii")), np.isnan(array))


def test_a_run_keeps_how_many_and_its_model_takes_volumes(tmp_path: Path) -> None:
    for number in range(6):
        for side, seed in (("mr", 0), ("ct", 10)):
            split = "train" if number < 3 else "test"
            nifti(tmp_path / "data" / split / side / f"{number}.nii.gz", scan(number + seed, "int16"))
    said = diptych(
        "train", "odd.weighed", "--plugin", "odd.weighed", "--data", tmp_path / "data", "--direction", "mr2ct",
        "--out", tmp_path / "run", "data.neighbours=1", "data.size=16", "data.val=0.3", "train.images=4",
        "train.batch=2",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert "3 to 1 channels" in said.err
    made = Translator.load(tmp_path / "run" / "model")
    assert made.card.source.neighbours == 1
    assert "a slice of a volume and 1 on either side" in made.card.to_markdown()
    scanned = nifti(tmp_path / "scan.nii.gz", scan(7, "int16"))
    given = ["--plugin", "odd.weighed", "--out", tmp_path / "out"]
    said = diptych("translate", tmp_path / "run", scanned, *given)
    assert said.code == 0, said.err
    assert values(tmp_path / "out" / "scan.nii.gz").shape == (DEPTH, HEIGHT, WIDTH)
    said = diptych("translate", tmp_path / "run", save(tmp_path / "one.npy", noise(20, 20, 1, "int16") // 256), *given)
    assert said.code == 2
    assert "one.npy is a single image, and the model takes a slice of a volume and 1 on either side" in said.err
    report = tmp_path / "report"
    said = diptych(
        "evaluate", tmp_path / "run", "--data", tmp_path / "data", "--plugin", "odd.weighed", "--out", report
    )
    assert said.code == 0, said.err
    assert f"{3 * DEPTH} pictures" in said.out + said.err


# --- What is refused -------------------------------------------------------------------------------------------------


def test_single_images_have_no_neighbours(tmp_path: Path) -> None:
    for side in ("mr", "ct"):
        nifti(tmp_path / side / "a.nii", scan())
        save(tmp_path / side / "b.tif", noise(HEIGHT, WIDTH, 1, "float32"))
    with pytest.raises(ConfigError, match=r"data\.neighbours=1: .*mr/b\.tif is a single image, and has no neighbours"):
        open_data(folder=str(tmp_path), direction="mr2ct", size=16, neighbours=1, val=0)


def test_what_learns_from_no_given_pairs_has_no_neighbours(tmp_path: Path) -> None:
    for side in ("mr", "ct"):
        nifti(tmp_path / side / "a.nii", scan())
    options = {"folder": str(tmp_path), "size": 16, "neighbours": 1, "val": 0}
    with pytest.raises(ConfigError, match=r"goes with pairs, and .* holds none \(unpaired\)"):
        open_data(**options, direction="mr2ct", kind="unpaired")
    data = open_data(**options, direction="mr2ct")
    with pytest.raises(ConfigError, match="goes with methods that learn from pairs"):
        data.epoch(("a", "b"))
    with pytest.raises(ConfigError, match="goes with given pairs, and this task makes its own"):
        open_data(tasks.make("denoise"), folder=str(tmp_path / "mr"), size=16, neighbours=1, val=0)


def test_a_model_of_slices_refuses_a_single_image() -> None:
    made = weighed(1, 0, 255, "uint8")
    with pytest.raises(DataError, match="the picture is a single image, and the model takes a slice"):
        made(noise(20, 24, 1))
    three = noise(20, 24, 3)
    np.testing.assert_allclose(made(three).array[..., 0], three @ (np.array([4, 2, 1]) / 7), atol=0.51)
