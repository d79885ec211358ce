"""A volume goes through a model slice by slice, and comes out in the same space with the same numbers."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from commands import diptych
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import aff2axcodes
from odd.twice import Twice
from scans import SECRET, same

from diptych import images
from diptych.data import open_data
from diptych.errors import ConfigError, DataError
from diptych.images import nifti
from diptych.inference.volume import translate_volume

SIZE = (9, 12, 7)
RAS = np.array([[2, 0, 0, -11], [0, 1.5, 0, 3], [0, 0, 3, 40], [0, 0, 0, 1]], float)


def numbers(dtype: str = "int16", shape: tuple[int, ...] = SIZE, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0 if dtype[0] == "u" else -1000, 200, shape).astype(dtype)


def volume(path: Path, array: np.ndarray, affine: np.ndarray = RAS, version: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    image = kind(array, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = SECRET.encode()
    nibabel.save(image, path)
    return path


def values(path: Path) -> np.ndarray:
    return np.asanyarray(nibabel.load(path).dataobj)


ENDS = {"uint8": (0, 255), "uint16": (0, 4095), "int16": (-1024, 1000), "float32": (-6, 6)}


@pytest.mark.parametrize("dtype", ENDS)
@pytest.mark.parametrize("axis", ["k", "i", "coronal"])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_an_identity_gives_the_volume_back(dtype: str, axis: str, name: str, tmp_path: Path) -> None:
    before = nibabel.load(volume(tmp_path / name, numbers(dtype)))
    made = same(dtype, *ENDS[dtype])
    translate_volume(made, tmp_path / name, tmp_path / "out" / name, made.checked({}), axis=axis, batch=3)
    after = nibabel.load(tmp_path / "out" / name)
    if dtype == "float32":
        np.testing.assert_allclose(values(tmp_path / "out" / name), numbers(dtype), rtol=1e-6, atol=12e-7)
    else:
        np.testing.assert_array_equal(values(tmp_path / "out" / name), numbers(dtype), strict=True)
    np.testing.assert_array_equal(after.affine, before.affine)
    for field in ("pixdim", "qform_code", "sform_code", "xyzt_units"):
        np.testing.assert_array_equal(after.header[field], before.header[field])
    assert SECRET.encode() not in after.header.binaryblock
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


@settings(max_examples=40, deadline=None)
@given(
    order=st.permutations(range(3)),
    signs=st.tuples(*[st.sampled_from([-1, 1])] * 3),
    plane=st.sampled_from(["axial", "coronal", "sagittal"]),
)
def test_a_plane_shows_the_same_whatever_the_order_of_the_file(
    order: list[int], signs: tuple[int, ...], plane: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The same body, stored in another order: a radiologist sees it in the same way."""
    array = numbers()
    turned = array.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    affine = np.eye(4)
    affine[:3, :3] = np.diag([1, 1, 1])[:, order] * signs
    folder = tmp_path_factory.mktemp("turned")
    plain, other = volume(folder / "a.nii", array, np.eye(4)), volume(folder / "b.nii", turned, affine)
    assert aff2axcodes(affine) != aff2axcodes(np.eye(4)) or np.array_equal(array, turned)
    a, b = ([images.read(path).array for path in images.slices(path, plane)] for path in (plain, other))
    turned_back = len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, reversed(b), strict=True))
    assert turned_back or all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    if plane == "axial":
        np.testing.assert_array_equal(a[0][..., 0], array[::-1, ::-1, 0].T)


def test_the_command_translates_a_volume(tmp_path: Path) -> None:
    same("int16", -1024, 1000).save(tmp_path / "model")
    volume(tmp_path / "in" / "head.nii.gz", numbers())
    given = ["translate", tmp_path / "model", "--plugin", "odd.same", "--axis", "sagittal"]
    said = diptych(*given, tmp_path / "in", "--out", tmp_path / "out")
    assert said.code == 0, said.err
    assert "head.nii.gz translated slice by slice into" in said.out
    assert "slices are translated one by one, and may differ" in said.err
    assert "NIfTI has no room for content credentials" in said.err
    np.testing.assert_array_equal(values(tmp_path / "out" / "head.nii.gz"), numbers())
    again = diptych(*given, tmp_path / "in" / "head.nii.gz", "--out", tmp_path / "plain.nii")
    assert again.code == 0, again.err
    np.testing.assert_array_equal(values(tmp_path / "plain.nii"), numbers())
    assert "head.nii.gz exists" in diptych(*given, tmp_path / "in", "--out", tmp_path / "out").err
    assert (
        "there are i, j, k, and axial" in diptych(*given[:-1], "oblique", tmp_path / "in", "--out", tmp_path / "o").err
    )


def test_scaled_numbers_are_measured_ones(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(numbers() * 0.5 - 3, RAS)
    image.set_data_dtype(np.int16)  # nibabel finds slope and intercept
    nibabel.save(image, tmp_path / "a.nii")
    expected = nibabel.load(tmp_path / "a.nii").get_fdata()
    made = same("float32", -600, 200)
    assert images.read(images.slices(tmp_path / "a.nii")[0]).array.dtype == np.float32
    translate_volume(made, tmp_path / "a.nii", tmp_path / "b.nii", made.checked({}))
    np.testing.assert_allclose(nibabel.load(tmp_path / "b.nii").get_fdata(), expected, rtol=1e-6, atol=8e-5)


def test_where_nothing_is_there_stays_nothing(tmp_path: Path) -> None:
    array = numbers("float32")
    array[2:5, 3, :] = np.nan
    made = same("float32", -6, 6)
    translate_volume(made, volume(tmp_path / "a.nii", array), tmp_path / "b.nii", made.checked({}))
    after = values(tmp_path / "b.nii")
    np.testing.assert_array_equal(np.isnan(after), np.isnan(array))
    np.testing.assert_allclose(after, array, rtol=1e-6, atol=12e-7)


def test_times_follow_one_another(tmp_path: Path) -> None:
    array = numbers(shape=(*SIZE, 4))
    made = same("int16", -1024, 1000)
    path = volume(tmp_path / "a.nii", array)
    assert len(images.slices(path)) == 4 * SIZE[2]
    np.testing.assert_array_equal(images.read(path / "k0008").array[..., 0], array[::-1, ::-1, 1, 1].T)
    translate_volume(made, path, tmp_path / "b.nii", made.checked({}))
    np.testing.assert_array_equal(values(tmp_path / "b.nii"), array)


def test_the_second_version_stays_one(tmp_path: Path) -> None:
    made = same("int16", -1024, 1000)
    path = volume(tmp_path / "a.nii.gz", numbers(), version=2)
    translate_volume(made, path, tmp_path / "b.nii.gz", made.checked({}))
    assert isinstance(nibabel.load(tmp_path / "b.nii.gz"), nibabel.Nifti2Image)
    np.testing.assert_array_equal(values(tmp_path / "b.nii.gz"), numbers())


SHIPPED = ["anatomical.nii", "example_nifti2.nii.gz", "functional.nii", "resampled_anat_moved.nii", "standard.nii.gz"]
"""Of both orders of bytes and both versions, scaled, of four dimensions, with NaN."""


@pytest.mark.parametrize("name", SHIPPED)
def test_a_volume_of_nibabel_comes_back(name: str, tmp_path: Path) -> None:
    path = Path(nibabel.__file__).parent / "tests" / "data" / name
    before = nibabel.load(path)
    array = before.get_fdata()
    dtype = images.header(images.slices(path)[0]).dtype
    made = same(dtype, np.nanmin(array), np.nanmax(array))
    translate_volume(made, path, tmp_path / name, made.checked({}), axis="sagittal")
    after = nibabel.load(tmp_path / name)
    reach = np.nanmax(array) - np.nanmin(array)
    np.testing.assert_allclose(after.get_fdata(), array, rtol=1e-6, atol=2e-7 * reach if dtype == "float32" else 0)
    np.testing.assert_array_equal(after.affine, before.affine)
    assert after.header.endianness == before.header.endianness
    assert after.header.get_zooms() == before.header.get_zooms()


# --- Training --------------------------------------------------------------------------------------------------------


def test_volumes_paired_by_name_are_pairs_of_slices_held_out_together(tmp_path: Path) -> None:
    for number in range(4):
        volume(tmp_path / "mr" / f"{number}.nii.gz", numbers("uint16", seed=number))
        volume(tmp_path / "ct" / f"{number}.nii", numbers(seed=number))
    (tmp_path / "ct" / "9.nii").write_bytes(b"no volume")
    data = open_data(folder=str(tmp_path), direction="mr2ct", size="9x12", val=0.25, axis="k")
    assert (len(data.train), len(data.val)) == (3 * SIZE[2], SIZE[2])
    assert len({item.name.partition("/")[0] for item in data.val}) == 1
    assert data.dtype == ("uint16", "int16")
    assert any("ct/9.nii" in note and "no NIfTI, or damaged" in note for note in data.notes)
    batch = next(data.loader(seed=0, batch=2, cache_dir=tmp_path / "cache"))
    assert batch["source"].shape == (2, 12, 9, 1)
    name, source, target = next(iter(data.pairs("val")))
    assert name.endswith("/k0000")
    number = int(name[0])
    np.testing.assert_array_equal(target.array[..., 0], numbers(seed=number)[::-1, ::-1, 0].T)
    np.testing.assert_array_equal(source.array[..., 0], numbers("uint16", seed=number)[::-1, ::-1, 0].T)


def test_one_volume_alone_leaves_none_to_validate_with(tmp_path: Path) -> None:
    for side in ("mr", "ct"):
        volume(tmp_path / side / "a.nii", numbers())
    with pytest.raises(DataError, match=r"one group of training pairs \(a\) and none to validate with"):
        open_data(folder=str(tmp_path), direction="mr2ct", size="9x12")


# --- What is refused -------------------------------------------------------------------------------------------------


def test_what_is_no_volume_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = volume(tmp_path / "a.nii.gz", numbers())
    whole = gzip.decompress(path.read_bytes())
    damaged = {
        "cut.nii.gz": path.read_bytes()[:300],
        "short.nii.gz": gzip.compress(whole[:-9]),
        "short.nii": whole[:-9],
        "text.nii": b"this is a text of some length" * 20,
        "empty.nii": b"",
    }
    for name, data in damaged.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=rf"{name}: .*damaged"):
            images.slices(tmp_path / name)
    with pytest.raises(DataError, match="cannot be read"):
        images.slices(tmp_path / "none.nii")
    with pytest.raises(DataError, match=r"is a NIfTI of 5 dimensions \(2x2x2x2x3\)"):
        images.slices(volume(tmp_path / "five.nii", numbers(shape=(2, 2, 2, 2, 3))))
    colours = np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(DataError, match="store one number for each"):
        images.slices(volume(tmp_path / "rgb.nii", colours))
    with pytest.raises(DataError, match=r"is a volume: diptych translate takes it .*a\.nii\.gz/k0000"):
        images.read(path)
    with pytest.raises(DataError, match="is none of the 7 slices along k"):
        images.read(path / "k0007")
    with pytest.raises(DataError, match="over the limit"):
        images.read(path / "k0000", limit_mp=1e-5)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_server_says_who_takes_volumes(name: str, version: int, tmp_path: Path) -> None:
    path = volume(tmp_path / name, numbers(), version=version)
    for look in (images.header, images.read):
        with pytest.raises(DataError, match="is a volume, or a packed file: diptych translate takes volumes"):
            look(path.read_bytes())


def test_a_result_without_room_in_a_volume_is_refused(tmp_path: Path) -> None:
    path = volume(tmp_path / "a.nii", numbers("uint8"))
    colours = same("uint8", 0, 255, 3)
    with pytest.raises(ConfigError, match="a result of 3 channels has no room in the voxels"):
        translate_volume(colours, path, tmp_path / "b.nii", colours.checked({}))
    grey = same("uint8", 0, 255)
    grey.task = Twice()
    with pytest.raises(ConfigError, match="a result of another size has no room in the voxels"):
        translate_volume(grey, path, tmp_path / "b.nii", grey.checked({}))
    assert not (tmp_path / "b.nii").exists()
    grey = same("uint8", 0, 255)
    with pytest.raises(ConfigError, match=r"is written as \.nii or \.nii\.gz"):
        translate_volume(grey, path, tmp_path / "b.tif", grey.checked({}))


def test_a_failure_in_the_midst_leaves_nothing(tmp_path: Path) -> None:
    array = numbers("float32")
    array[..., 5] = 100
    path = volume(tmp_path / "a.nii", array)
    made = same("float32", -6, 6)
    with pytest.raises(DataError, match=r"k0005 has 100% of its pixels outside the model's range"):
        translate_volume(made, path, tmp_path / "out" / "b.nii", made.checked({}))
    assert list((tmp_path / "out").iterdir()) == []


def test_without_the_library_the_install_line_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = volume(tmp_path / "a.nii", numbers())
    monkeypatch.setitem(sys.modules, "nibabel", None)
    nifti.library.cache_clear()
    with pytest.raises(DataError, match=r"is NIfTI: this needs the library 'nibabel': pip install 'diptych\[nifti\]'"):
        images.slices(path)
    nifti.library.cache_clear()
