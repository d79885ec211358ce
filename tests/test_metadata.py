"""What is true of a picture is said of its translation too: resolution, coordinates, and where there is no data."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from commands import diptych
from models import model, with_ends
from odd.same import Same
from pictures import noise
from PIL import Image

from diptych import images
from diptych.images import Picture
from diptych.images.metadata import Metadata, Tag
from diptych.inference.tiff import translate_large
from diptych.methods import find
from diptych.model.card import Domain
from diptych.model.translator import Translator
from diptych.provenance import Sealer, verify
from diptych.serve.engine.worker import Batch, Translation
from diptych.testing import bundle
from diptych.tiling import Tiling

DPI = (300.0, 240.0)
SCALE, TIE = (10.0, 10.0, 0.0), (0.0, 0.0, 0.0, 399960.0, 5800020.0, 0.0)
KEYS = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32632)
NAME = "WGS 84 / UTM zone 32N|"
GDAL = (
    '<GDALMetadata>\n  <Item name="AREA_OR_POINT">Area</Item>\n  <Item name="Zürich">so</Item>\n'
    '  <Item name="STATISTICS_MAXIMUM" sample="0">255</Item>\n  <Item name="SCALE" sample="0" role="scale">0.1</Item>\n'
    "</GDALMetadata>\n"
)
GEO = {33550: SCALE, 33922: TIE, 34735: KEYS, 34737: NAME}
NO_DATA = 42113


def geotiff(path: Path, array: np.ndarray, no_data: str = "", orientation: int = 1) -> Path:
    """As GDAL writes it; with a resolution too."""
    tags = [
        (33550, "d", 3, SCALE, True),
        (33922, "d", 6, TIE, True),
        (34735, "H", 16, KEYS, True),
        (34737, "s", 0, NAME, True),
        (42112, "s", 0, GDAL.encode(), True),
        *([(NO_DATA, "s", 0, no_data, True)] if no_data else []),
        *([(274, "H", 1, orientation, True)] if orientation > 1 else []),
    ]
    photometric = "rgb" if array.shape[2:] == (3,) else "minisblack"
    tifffile.imwrite(
        path, array.squeeze(), photometric=photometric, resolution=DPI, resolutionunit="INCH", extratags=tags,
        metadata=None,
    )  # fmt: skip
    return path


def tags_of(path: Path) -> dict[int, object]:
    with tifffile.TiffFile(path) as file:
        return {tag.code: tag.value for tag in file.pages.first.tags}


def check_geotiff(path: Path) -> None:
    tags = tags_of(path)
    assert {code: tags.get(code) for code in GEO} == GEO
    assert "AREA_OR_POINT" in tags[42112]
    assert "Zürich" in (tags[42112] if isinstance(tags[42112], str) else tags[42112].decode())
    assert "STATISTICS" not in tags[42112]
    assert "SCALE" not in tags[42112]
    x, y = tags[282], tags[283]
    inch = {2: 1, 3: 2.54}[int(tags[296])]
    assert (x[0] / x[1] * inch, y[0] / y[1] * inch) == pytest.approx(DPI, rel=1e-5)


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("model") / "model")


def saved(path: Path, array: np.ndarray, **options: object) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tif"])
@pytest.mark.parametrize("more", [(), ("--no-provenance",)], ids=["sealed", "bare"])
def test_the_resolution_is_kept(name: str, more: tuple[str, ...], translator: Path, tmp_path: Path) -> None:
    saved(tmp_path / name, noise(32, 32), dpi=DPI)
    assert diptych("translate", translator, tmp_path / name, *more, "--out", tmp_path / "out").code == 0
    with Image.open(tmp_path / "out" / name) as written:
        assert [float(value) for value in written.info["dpi"]] == pytest.approx(DPI, rel=1e-3)


@pytest.mark.parametrize(
    ("start", "end"), [("jpg", "png"), ("png", "jpg"), ("tif", "bmp"), ("bmp", "tif"), ("png", "webp")]
)
def test_the_resolution_goes_from_format_to_format(start: str, end: str, tmp_path: Path) -> None:
    picture = images.read(saved(tmp_path / f"a.{start}", noise(32, 32), dpi=DPI))
    again = images.read(picture.save(tmp_path / f"b.{end}"))
    expected = None if end == "webp" else pytest.approx(DPI, rel=1e-3)
    assert again.metadata.dpi == expected


def test_a_picture_without_a_resolution_gets_none(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.tif"):
        assert images.read(images.write(tmp_path / name, noise())).metadata == Metadata()


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_exif_says_a_resolution_too_which_is_turned_with_the_picture(
    orientation: int, suffix: str, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif.update({0x0112: orientation, 282: 300.0, 283: 240.0, 296: 2})
    path = saved(tmp_path / f"a.{suffix}", noise(20, 30), exif=exif)
    assert suffix != "jpg" or path.read_bytes()[13] == 0, "no resolution in JFIF"
    expected = pytest.approx(DPI if orientation == 3 else DPI[::-1])
    assert images.read(path).metadata.dpi == expected
    assert images.read_metadata(path).dpi == expected


def test_a_resolution_of_nonsense_is_none() -> None:
    data = images.encode(noise(), "JPEG")
    zero = data[:13] + b"\x01\0\0\0\0" + data[18:]
    assert images.read(zero).metadata.dpi is None


def test_a_pillow_image_keeps_its_resolution(tmp_path: Path) -> None:
    made = bundle(Same, {})
    with Image.open(saved(tmp_path / "a.png", noise(32, 32), dpi=DPI)) as image:
        assert made(image).metadata.dpi == pytest.approx(DPI, rel=1e-3)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("more", [(), ("--no-provenance",), ("--limit-mp", 0.001)], ids=["sealed", "bare", "large"])
def test_a_geotiff_keeps_its_coordinates(dtype: str, more: tuple[object, ...], tmp_path: Path) -> None:
    if "--limit-mp" in more:
        pytest.importorskip("pyvips")
    side = {"dtype": dtype, "high": {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}[dtype]}
    made = bundle(find("autoencoder"), {"code": 4, "width": 4, "downs": 2})
    sides = {name: getattr(made.card, name).model_copy(update=side) for name in ("source", "target")}
    Translator(made.method, with_ends(made.card, **sides), device="cpu").save(tmp_path / "model")
    geotiff(tmp_path / "a.tif", noise(40, 50, 3, dtype))
    said = diptych("translate", tmp_path / "model", tmp_path / "a.tif", *more, "--out", tmp_path / "b.tif")
    assert said.code == 0, said.err
    check_geotiff(tmp_path / "b.tif")
    assert images.read(tmp_path / "b.tif").array.shape == (40, 50, 3)
    assert verify(tmp_path / "b.tif").state == ("none" if "--no-provenance" in more else "intact")


def test_a_server_and_python_keep_coordinates_too(tmp_path: Path) -> None:
    made = bundle(Same, {})
    path = geotiff(tmp_path / "a.tif", noise(32, 32))
    check_geotiff(made(path).save(tmp_path / "b.tif"))
    with ThreadPoolExecutor(1) as pool:
        for sealer in (None, Sealer(made.card, "v1")):
            batch = Batch("model", [path.read_bytes()], {}, None)
            (outcome,) = Translation(made, sealer, batch, 50, pool).outcomes()
            (tmp_path / "c.tif").write_bytes(outcome.data)
            check_geotiff(tmp_path / "c.tif")


@pytest.mark.parametrize("array", [noise(32, 40), np.eye(32, 40) > 0], ids=["colours", "single bits"])
def test_coordinates_of_what_is_turned_are_not_kept(array: np.ndarray, tmp_path: Path) -> None:
    picture = images.read(geotiff(tmp_path / "a.tif", array, orientation=6))
    assert picture.array.shape[:2] == (40, 32)
    assert picture.metadata == Metadata(dpi=pytest.approx(DPI[::-1]))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("clear", [False, True])
def test_a_large_result_says_which_of_its_samples_are_alpha(
    dtype: str, channels: int, clear: bool, tmp_path: Path
) -> None:
    pytest.importorskip("pyvips")
    array, alpha = noise(40, 50, channels, dtype), noise(40, 50, 1, dtype, seed=1)[..., 0] if clear else None
    made = bundle(Same, {"source_channels": channels, "target_channels": channels})
    high = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}[dtype]
    side = Domain(name="a", channels=channels, dtype=dtype, high=high)
    made = Translator(made.method, with_ends(made.card, source=side, target=side), device="cpu")
    made.tiling = Tiling("exact", size=32, halo=16, blend=8)
    images.write(tmp_path / "a.tif", array, alpha=alpha)
    translate_large(made, tmp_path / "a.tif", tmp_path / "b.tif", made.checked({}))
    found = images.read(tmp_path / "b.tif")
    assert found.array.shape == array.shape
    assert np.abs(found.array.astype(float) - array).max() <= high / 5000
    assert (found.alpha is None) == (not clear)
    if clear:
        np.testing.assert_array_equal(found.alpha, alpha)


# --- No data ---------------------------------------------------------------------------------------------------------


class Inverse(Same):
    def translate(self, x):  # type: ignore[no-untyped-def]
        return -super().translate(x)


def inverse(dtype: str, low: float, high: float, channels: int) -> Translator:
    made = bundle(Inverse, {"source_channels": channels, "target_channels": channels})
    side = Domain(name="a", channels=channels, dtype=dtype, low=low, high=high)
    return Translator(made.method, with_ends(made.card, source=side, target=side), device="cpu")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("dtype", "low", "high", "no_data"),
    [("uint8", 0, 255, "0"), ("uint16", 0, 4095, "65535"), ("float32", 0, 1, "-9999"), ("float32", 0, 1, "-3.4e+38")],
)
@pytest.mark.parametrize("large", [False, True])
def test_pixels_without_data_stay_so_and_tint_no_others(
    dtype: str, low: float, high: float, no_data: str, channels: int, large: bool, tmp_path: Path
) -> None:
    array = np.full((40, 50, channels), high, dtype)
    array[:30, :40] = np.array(float(no_data)).astype(dtype)
    made = inverse(dtype, low, high, channels)
    path = geotiff(tmp_path / "a.tif", array, no_data)
    if large:
        pytest.importorskip("pyvips")
        made.tiling = Tiling("exact", size=32, halo=16, blend=8)
        notes = translate_large(made, path, tmp_path / "b.tif", made.checked({}))
    else:
        output = made(path)
        notes = output.notes
        output.save(tmp_path / "b.tif")
    assert not any("outside the model's range" in note for note in notes)
    check_geotiff(tmp_path / "b.tif")
    assert float(tags_of(tmp_path / "b.tif")[NO_DATA]) == float(no_data)
    found = images.read(tmp_path / "b.tif")
    assert found.metadata.no_data == float(no_data)
    assert (found.array[:30, :40] == array[0, 0]).all()
    assert (found.array[30:] == low).all()


def test_a_type_without_the_number_for_no_data_leaves_it_out() -> None:
    assert Metadata(no_data=-9999.0).held_by("uint8") == Metadata()
    assert Metadata(no_data=0.5).held_by("uint16") == Metadata()
    assert Metadata(no_data=0.0).held_by("uint8", ids=True) == Metadata()
    assert Metadata(no_data=-9999.0).held_by("float32").no_data == -9999.0


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP", "TIFF"])
def test_damaged_metadata_does_not_cost_the_picture(format: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(noise(8, 8)).save(stream, format, dpi=DPI)
    whole = stream.getvalue()
    for place in range(0, min(len(whole), 200), 3):
        data = whole[:place] + b"\xff" + whole[place + 1 :]
        try:
            assert isinstance(images.read(data, limit_mp=1), Picture)
        except images.reading.DataError:  # it is the picture that is damaged
            continue


def test_tags_of_no_geotiff_are_left_alone(tmp_path: Path) -> None:
    tag = Tag(34737, "s", 0, b"x|")
    images.write(tmp_path / "a.png", noise(), metadata=Metadata(tags=(tag,)))
    assert images.read(tmp_path / "a.png").metadata == Metadata()


# --- Nothing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["tif", "npy"])
@pytest.mark.parametrize("large", [False, True])
def test_nan_stays_nan_and_is_shown_to_no_network(suffix: str, large: bool, tmp_path: Path) -> None:
    array = np.full((40, 50, 1), 1, np.float32)
    array[3:9, 4] = np.nan
    path = tmp_path / f"a.{suffix}"
    images.write(path, array)
    made = inverse("float32", 0, 1, 1)
    if large:
        if suffix == "npy":
            return
        pytest.importorskip("pyvips")
        made.tiling = Tiling("exact", size=32, halo=16, blend=8)
        translate_large(made, path, tmp_path / "b.tif", made.checked({}))
        found = images.read(tmp_path / "b.tif").array
    else:
        output = made(path)
        assert output.notes == ()
        found = images.read(output.save(tmp_path / f"b.{suffix}")).array
    np.testing.assert_array_equal(np.isnan(found), np.isnan(array))
    assert (found[~np.isnan(found)] == 0).all()


def test_nothing_but_nan_is_no_picture_and_a_view_of_some_is_one(tmp_path: Path) -> None:
    with pytest.raises(images.reading.DataError, match="not finite numbers"):
        images.read(images.encode(np.full((8, 8), np.nan, np.float32), "TIFF"))
    array = noise(8, 8, 1, "float32")
    array[2, 2] = np.nan
    assert images.displayable(array).dtype == np.uint8
