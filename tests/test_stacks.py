"""TIFFs of many images go through a model page by page; what OME and GDAL say of them is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from commands import diptych
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import noise
from scans import same

from diptych import images
from diptych.data import open_data, recognise
from diptych.errors import DataError
from diptych.inference.volume import translate_volume
from diptych.provenance import verify

SIZE = (20, 24)
AXES = ["ZYX", "TYX", "CYX", "ZCYX", "CZYX", "TZCYX", "TCZYX"]
SAID = {
    "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.25, "PhysicalSizeYUnit": "nm",
    "PhysicalSizeZ": 2.0, "PhysicalSizeZUnit": "µm", "TimeIncrement": 3.0, "TimeIncrementUnit": "s",
}  # fmt: skip


def stack(shape: tuple[int, ...], dtype: str = "uint16") -> np.ndarray:
    rng = np.random.default_rng(0)
    if dtype == "float32":
        return rng.random((*shape, *SIZE), np.float32)
    return rng.integers(0, 200, (*shape, *SIZE)).astype(dtype)


def ome(path: Path, array: np.ndarray, axes: str, **more: object) -> Path:
    tifffile.imwrite(path, array, photometric="minisblack", metadata={"axes": axes, **SAID, **more})
    return path


@settings(max_examples=20, deadline=None)
@given(
    axes=st.sampled_from(["ZYX", "TYX", "CYX", "ZCYX", "CZYX", "TZCYX", "TCZYX"]),
    dtype=st.sampled_from(["uint8", "int16"]),
)
def test_the_axes_of_ome_and_its_measures_are_kept(
    axes: str, dtype: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("ome")
    counts = {"T": 2, "Z": 3, "C": 4}
    array = stack(tuple(counts[axis] for axis in axes[:-2]), dtype)
    names = {"Channel": {"Name": [f"dye {number}" for number in range(4)]}} if "C" in axes else {}
    path = ome(folder / "a.ome.tif", array, axes, **names)
    channels = 4 if "C" in axes else 1
    made = same(dtype, 0, 255, channels)
    if axes == "CYX":
        np.testing.assert_array_equal(made(path).array, np.moveaxis(array, 0, -1))
        assert not images.is_stack(path)
        return
    translate_volume(made, path, folder / "b.ome.tif", made.checked({}))
    with tifffile.TiffFile(folder / "b.ome.tif") as file:
        series, said = file.series[0], file.ome_metadata
        assert sorted(series.axes) == sorted(axes)
        result = series.asarray().transpose([series.axes.index(axis) for axis in axes])
    np.testing.assert_array_equal(result, array, strict=True)
    for name, value in SAID.items():
        assert f'{name}="{value}"' in said
    assert ('Name="dye 3"' in said) == ("C" in axes)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_the_pages_of_a_plain_stack_come_back(dtype: str, channels: int, tmp_path: Path) -> None:
    pages = [noise(*SIZE, channels, dtype, seed=number) for number in range(3)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in pages:
            form = {"photometric": "rgb" if channels == 3 else "minisblack", "metadata": None}
            contiguous = {"planarconfig": "contig"} if channels > 1 else {}
            writer.write(page.squeeze(), resolution=(300, 200), resolutionunit="INCH", **form, **contiguous)
    high = {"uint8": 255, "uint16": 65535, "int16": 32767, "float32": 1}[dtype]
    made = same(dtype, 0, high, channels)
    notes = translate_volume(made, tmp_path / "a.tif", tmp_path / "b.tif", made.checked({}), batch=2)
    assert any("slices are translated one by one" in note for note in notes)
    for number, page in enumerate(pages):
        found = images.read(tmp_path / "b.tif" / f"p{number:04d}")
        np.testing.assert_allclose(found.array, page, rtol=1e-6, atol=1e-6 if dtype == "float32" else 0)
        assert found.array.dtype == dtype
        assert found.metadata.dpi == pytest.approx((300, 200))


def test_the_command_translates_a_stack_and_signs_it(tmp_path: Path) -> None:
    same("uint16", 0, 4095).save(tmp_path / "model")
    array = stack((4,))
    ome(tmp_path / "a.ome.tif", array, "ZYX")
    said = diptych(
        "translate", tmp_path / "model", tmp_path / "a.ome.tif", "--plugin", "odd.same", "--out", tmp_path / "out"
    )
    assert said.code == 0, said.err
    assert "a.ome.tif translated slice by slice into" in said.out
    result = tmp_path / "out" / "a.ome.tif"
    np.testing.assert_array_equal(tifffile.imread(result), array)
    assert verify(result).state == "intact"


def test_a_signed_stack_has_the_slices_that_it_was_made_of(tmp_path: Path) -> None:
    same("uint16", 0, 4095).save(tmp_path / "model")
    array = stack((4,))
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")
    for source, out in (("a.tif", "b.tif"), ("b.tif", "c.tif")):
        said = diptych(
            "translate", tmp_path / "model", tmp_path / source, "--plugin", "odd.same", "--out", tmp_path / out
        )
        assert said.code == 0, said.err
        places = images.slices(tmp_path / out)
        assert len(places) == 4, "what holds the credentials is no slice"
        assert all(
            np.array_equal(images.read(place).array[..., 0], one) for place, one in zip(places, array, strict=True)
        )
        assert "first of 4 frames" in images.read(tmp_path / out).notes


def test_previews_beside_an_image_make_no_stack_of_it(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(noise(), photometric="rgb", metadata=None)
        writer.write(noise()[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    assert not images.is_stack(tmp_path / "a.tif")
    with pytest.raises(DataError, match="is none of the 1 images"):
        images.read(tmp_path / "a.tif" / "p0001")


# --- Training --------------------------------------------------------------------------------------------------------


def pairs_of_stacks(root: Path, count: int, depth: int = 3) -> Path:
    for number in range(count):
        for side, dtype in (("bright", "uint16"), ("dye", "float32")):
            (root / side).mkdir(parents=True, exist_ok=True)
            ome(root / side / f"{number}.ome.tif", stack((depth,), dtype) + np.array(number, dtype), "ZYX")
    return root


def test_stacks_of_one_name_are_pairs_of_slices_held_out_together(tmp_path: Path) -> None:
    data = open_data(folder=str(pairs_of_stacks(tmp_path, 4)), direction="bright2dye", size=16, val=0.25)
    assert (len(data.train), len(data.val)) == (9, 3)
    assert len({item.name.partition("/")[0] for item in data.val}) == 1
    for name, source, target in data.pairs("val"):
        number, place = int(name[0]), int(name[-1])
        np.testing.assert_array_equal(source.array[..., 0], stack((3,))[place] + number)
        np.testing.assert_array_equal(target.array[..., 0], stack((3,), "float32")[place] + np.float32(number))
    batch = next(data.loader(seed=0, batch=2, cache_dir=tmp_path / "cache"))
    assert batch["source"].shape == (2, 16, 16, 1)


def test_depth_and_time_count_slices_and_channels_do_not(tmp_path: Path) -> None:
    for side in ("a", "b"):
        (tmp_path / side).mkdir()
        ome(tmp_path / side / "0.ome.tif", stack((2, 3, 4)), "TZCYX")
        ome(tmp_path / side / "1.ome.tif", stack((4,)), "CYX")
    data = open_data(folder=str(tmp_path), direction="a2b", size=16, val=0)
    assert data.channels == (4, 4)
    assert sorted(item.name for item in data.train) == [*(f"0.ome/p000{number}" for number in range(6)), "1.ome"]


def test_stacks_of_other_lengths_are_no_pair(tmp_path: Path) -> None:
    root = pairs_of_stacks(tmp_path / "data", 3)
    ome(root / "dye" / "1.ome.tif", stack((5,), "float32"), "ZYX")
    data = open_data(folder=str(root), direction="bright2dye", size=16, val=0)
    assert {item.name.partition("/")[0] for item in data.train} == {"0.ome", "2.ome"}
    (note,) = [note for note in data.notes if "left out" in note]
    assert note == ("left out: bright/1.ome.tif has 3 slices, its partner dye/1.ome.tif 5: give both the same slices")
    alone = pairs_of_stacks(tmp_path / "alone", 1)
    ome(alone / "dye" / "0.ome.tif", stack((2,), "float32"), "ZYX")
    with pytest.raises(DataError, match=r"bright/0\.ome\.tif has 3 slices, its partner dye/0\.ome\.tif 2: give both"):
        open_data(folder=str(alone), direction="bright2dye", size=16, val=0)


def test_a_stack_without_a_partner_is_named_once(tmp_path: Path) -> None:
    root = pairs_of_stacks(tmp_path, 3)
    (root / "dye" / "1.ome.tif").unlink()
    data = open_data(folder=str(root), direction="bright2dye", size=16, val=0)
    (note,) = [note for note in data.notes if "left out" in note]
    assert note == "left out: bright/1.ome.tif/p0000 has no partner in dye/, as 2 more slices of it"


def test_a_stack_whose_name_lies_or_that_is_damaged_is_said_to_be_so(tmp_path: Path) -> None:
    root = pairs_of_stacks(tmp_path, 3)
    (root / "dye" / "1.ome.tif").write_bytes(b"II*\0" + bytes(range(200)))
    for side in ("bright", "dye"):
        (root / side / "4.tif").write_bytes(images.encode(noise(*SIZE, 1), "PNG"))
    found = recognise(root, direction="bright2dye")
    assert any(fault.path.name == "1.ome.tif" and "damaged" in fault.what for fault in found.faults)
    assert found.headers[root / "bright" / "4.tif"].format == "PNG"
