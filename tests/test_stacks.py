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


def test_previews_beside_an_image_make_no_stack_of_it(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(noise(), photometric="rgb", metadata=None)
        writer.write(noise()[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    assert not images.is_stack(tmp_path / "a.tif")
    with pytest.raises(DataError, match="is none of the 1 images"):
        images.read(tmp_path / "a.tif" / "p0001")
