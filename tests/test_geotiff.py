"""A GeoTIFF as rasterio, GDAL's own reader, finds it after a translation: reference system, place, no data, bands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import diptych
from pictures import noise
from scans import same

from diptych import images
from diptych.errors import DataError

rasterio = pytest.importorskip("rasterio")
from rasterio.control import GroundControlPoint  # noqa: E402
from rasterio.transform import Affine  # noqa: E402

PLACE = Affine(10, 0, 399960, 0, -10, 5800020)
TURNED = Affine(8, 6, 399960, 6, -8, 5800020)
HIGH = {"uint8": 255.0, "uint16": 65535.0, "int16": 32767.0, "float32": 1.0}


def geotiff(path: Path, array: np.ndarray, **profile: Any) -> Path:
    """Bands `H W C` as GDAL writes them."""
    height, width, count = array.shape
    place = {"transform": PLACE, "crs": "EPSG:32632", **profile}
    kind = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": array.dtype.name}
    with rasterio.open(path, "w", **kind, **place) as file:
        file.write(np.moveaxis(array, -1, 0))
    return path


@pytest.mark.parametrize("dtype", HIGH)
@pytest.mark.parametrize(
    "profile",
    [
        {},
        {"transform": TURNED},
        {"crs": "EPSG:4326"},
        {"crs": "+proj=laea +lat_0=52 +lon_0=10 +datum=WGS84 +units=m"},
        {"interleave": "band", "tiled": True, "blockxsize": 16, "blockysize": 16},
        {"compress": "deflate", "predictor": 2},
        {"compress": "lzw", "BIGTIFF": "YES"},
    ],
    ids=["plain", "turned", "degrees", "of its own", "bands in tiles", "packed", "big"],
)
def test_reference_place_and_bands_are_those_of_the_source(dtype: str, profile: dict[str, Any], tmp_path: Path) -> None:
    array = noise(40, 50, 5, dtype)
    if dtype == "float32" and profile.get("predictor"):
        profile = {**profile, "predictor": 3}
    path = geotiff(tmp_path / "a.tif", array, **profile)
    same(dtype, -HIGH[dtype] - 1 if dtype == "int16" else 0, HIGH[dtype], 5)(path).save(tmp_path / "b.tif")
    with rasterio.open(path) as before, rasterio.open(tmp_path / "b.tif") as after:
        assert after.crs == before.crs
        assert after.transform == before.transform
        assert (after.count, after.dtypes) == (before.count, before.dtypes)
        if dtype == "float32":
            np.testing.assert_allclose(after.read(), before.read(), rtol=1e-6, atol=1e-7)
        else:
            np.testing.assert_array_equal(after.read(), before.read())


@pytest.mark.parametrize(
    ("dtype", "no_data"), [("uint16", 0), ("int16", -9999), ("float32", -9999.0), ("float32", np.nan)]
)
@pytest.mark.parametrize("large", [False, True])
def test_what_holds_no_data_is_the_same(dtype: str, no_data: float, large: bool, tmp_path: Path) -> None:
    if large:
        pytest.importorskip("pyvips")
    array = (noise(40, 50, 1, dtype) * HIGH[dtype] if dtype == "float32" else noise(40, 50, 1, dtype) // 2 + 5).astype(
        dtype
    )
    array[5:9, 7:30] = no_data
    path = geotiff(tmp_path / "a.tif", array, nodata=no_data)
    same(dtype, 0, HIGH[dtype]).save(tmp_path / "model")
    options = ["--limit-mp", 0.001] if large else []
    given = ["translate", tmp_path / "model", path, "--plugin", "odd.same", "--no-provenance", *options]
    said = diptych(*given, "--out", tmp_path / "b.tif")
    assert said.code == 0, said.err
    with rasterio.open(path) as before, rasterio.open(tmp_path / "b.tif") as after:
        np.testing.assert_equal(after.nodata, before.nodata)
        np.testing.assert_array_equal(after.read_masks(), before.read_masks())
        valid = before.read_masks() > 0
        np.testing.assert_allclose(after.read()[valid], before.read()[valid], rtol=1e-6, atol=1e-6)


def test_control_points_are_kept(tmp_path: Path) -> None:
    points = [GroundControlPoint(row, column, 10 * column, 5 * row, 0) for row, column in ((0, 0), (0, 40), (30, 0))]
    path = geotiff(tmp_path / "a.tif", noise(40, 50), transform=None, gcps=points)
    same("uint8", 0, 255, 3)(path).save(tmp_path / "b.tif")
    with rasterio.open(path) as before, rasterio.open(tmp_path / "b.tif") as after:
        assert [str(point) for point in after.gcps[0]] == [str(point) for point in before.gcps[0]]
        assert after.gcps[1] == before.gcps[1]


def test_nine_hundred_megapixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    kind = {"driver": "GTiff", "height": 30000, "width": 30000, "count": 1, "dtype": "uint16", "SPARSE_OK": True}
    with rasterio.open(tmp_path / "a.tif", "w", **kind, tiled=True, transform=PLACE, crs="EPSG:32632"):
        pass
    with pytest.raises(DataError, match=r"30000x30000, 900\.0 megapixels, over the limit of 50: .*or raise limit_mp"):
        images.read(tmp_path / "a.tif")
    assert images.header(tmp_path / "a.tif").width == 30000
