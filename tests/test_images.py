from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import noise, ramp, rotated
from PIL import Image, ImageOps

from diptych import images
from diptych.errors import DataError, StorageError
from diptych.images.formats import FORMATS, MEDIA_TYPES

LOSSLESS = [
    (format, dtype, channels, alpha)
    for format, dtypes, counts, alphas in [
        ("PNG", ("uint8", "uint16"), (1, 3), (False, True)),
        ("TIFF", ("uint8", "uint16", "int16", "float32"), (1, 2, 3, 4, 5, 7), (False, True)),
        ("NPY", ("uint8", "uint16", "int16", "float32"), (1, 2, 3, 4, 9), (False,)),
        ("BMP", ("uint8",), (1, 3), (False,)),
    ]
    for dtype in dtypes
    for channels in counts
    for alpha in alphas
]
sizes = st.integers(1, 9)


@settings(max_examples=150, deadline=None)
@given(case=st.sampled_from(LOSSLESS), height=sizes, width=sizes, seed=st.integers(0, 99))
def test_a_lossless_format_gives_back_what_it_was_given(
    case: tuple[str, str, int, bool], height: int, width: int, seed: int
) -> None:
    format, dtype, channels, transparent = case
    array = noise(height, width, channels, dtype, seed)
    alpha = noise(height, width, 1, dtype, seed + 1)[..., 0] if transparent else None
    data = images.encode(array, format, alpha=alpha)
    picture, header = images.read(data), images.header(data)
    np.testing.assert_array_equal(picture.array, array, strict=True)
    assert (picture.alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(picture.alpha, alpha, strict=True)
    assert header[:4] == (width, height, channels, dtype)
    assert header.alpha == transparent
    assert picture.format == header.format == format


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF", "GIF"])
def test_a_lossy_format_comes_close(format: str) -> None:
    error = np.abs(images.read(images.encode(ramp(), format)).array.astype(int) - ramp())
    assert error.mean() < (12 if format == "GIF" else 2)


def test_grey_stays_grey_in_a_jpeg() -> None:
    assert images.read(images.encode(ramp()[..., :1], "JPEG")).array.shape == (32, 48, 1)


@pytest.mark.parametrize(("mode", "name"), [("RGB", "a.jpg"), ("L", "a.jpg"), ("RGB", "a.png"), ("RGB", "a.webp")])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright(tmp_path: Path, mode: str, name: str, orientation: int) -> None:
    stored = np.asarray(Image.fromarray(ramp()).convert(mode))
    path = rotated(tmp_path / name, stored, orientation)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    picture = images.read(path)
    header = images.header(path)
    np.testing.assert_array_equal(picture.array.squeeze(), expected)
    assert (header.height, header.width) == picture.array.shape[:2]
    assert bool(picture.notes) == (orientation > 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_a_tiff_is_turned_upright_whichever_library_decodes_it(tmp_path: Path, orientation: int, mode: str) -> None:
    path = tmp_path / "a.tif"
    image = Image.fromarray(ramp()).convert(mode)
    image.save(path, tiffinfo={0x0112: orientation})
    expected = images.read(rotated(tmp_path / "a.png", np.asarray(image.convert("RGB")), orientation)).array
    np.testing.assert_array_equal(images.read(path).array, expected)


def test_a_plain_jpeg_is_decoded_as_pillow_does(tmp_path: Path) -> None:
    Image.fromarray(ramp()).save(tmp_path / "a.jpg", quality=80)
    np.testing.assert_array_equal(images.read(tmp_path / "a.jpg").array, np.asarray(Image.open(tmp_path / "a.jpg")))


@pytest.mark.parametrize(
    ("mode", "name", "channels", "note"),
    [
        ("CMYK", "a.jpg", 3, "CMYK converted to RGB"),
        ("CMYK", "a.tif", 3, "CMYK converted to RGB"),
        ("P", "a.png", 3, "palette converted to RGB"),
        ("P", "a.gif", 3, "palette converted to RGB"),
        ("1", "a.png", 1, None),
        ("1", "a.tif", 1, None),
        ("L", "a.bmp", 1, None),
    ],
)
def test_every_colour_mode_is_read_as_documented(
    tmp_path: Path, mode: str, name: str, channels: int, note: str | None
) -> None:
    image = Image.fromarray(ramp()).convert(mode)
    image.save(tmp_path / name)
    picture = images.read(tmp_path / name)
    assert picture.array.shape == (32, 48, channels)
    assert images.header(tmp_path / name).channels == channels
    assert picture.notes == ((note,) if note else ())
    with Image.open(tmp_path / name) as opened:
        expected = opened.convert("L" if channels == 1 else "RGB")
    np.testing.assert_array_equal(picture.array.squeeze(), np.asarray(expected))


def test_alpha_is_kept_aside_and_given_back(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([ramp(), noise(32, 48, 1)])).save(tmp_path / "a.png")
    picture = images.read(tmp_path / "a.png")
    assert picture.array.shape == (32, 48, 3)
    written = images.write(tmp_path / "b.png", 255 - picture.array, alpha=picture.alpha)
    np.testing.assert_array_equal(images.read(written).alpha, noise(32, 48, 1)[..., 0])


def test_a_transparent_palette_has_alpha(tmp_path: Path) -> None:
    image = Image.fromarray(ramp()).convert("P")
    image.save(tmp_path / "a.png", transparency=int(np.asarray(image)[0, 0]))
    alpha = images.read(tmp_path / "a.png").alpha
    assert alpha is not None
    assert set(np.unique(alpha)) == {0, 255}


def test_of_an_animation_the_first_frame_is_read_and_said(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((8, 8), value, np.uint8)) for value in (10, 100, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    picture = images.read(tmp_path / "a.gif")
    assert np.all(picture.array == 10)
    assert "first of 3 frames" in picture.notes


@pytest.mark.parametrize(
    ("dtype", "kept"), [("int8", "int16"), ("int32", "float32"), ("float64", "float32"), ("bool", "uint8")]
)
def test_other_numbers_are_converted_and_said(tmp_path: Path, dtype: str, kept: str) -> None:
    array = np.array([[0, 1], [1, 0]]).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    picture = images.read(tmp_path / "a.npy")
    assert picture.array.dtype == kept == images.header(tmp_path / "a.npy").dtype
    np.testing.assert_array_equal(picture.array[..., 0] > 0, array > 0)
    assert picture.notes == (f"{dtype} converted to {kept}",)


@pytest.mark.parametrize("mode", ["I;16", "F", "I", "RGB", "LA", "1", "CMYK"])
def test_a_pillow_image_is_read_like_its_file(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(ramp()).convert("L").convert("I").convert(mode) if mode == "I;16" else None
    image = image or Image.fromarray(ramp()).convert(mode)
    image.save(tmp_path / "a.tif")
    from_file, from_memory = images.read(tmp_path / "a.tif"), images.from_pillow(image)
    np.testing.assert_array_equal(from_memory.array, from_file.array)
    assert (from_memory.alpha is None) == (from_file.alpha is None)


# --- Writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dtype", "channels"), [("a.jpg", "uint16", 3), ("a.png", "uint8", 5), ("a.bmp", "float32", 1)]
)
def test_a_format_that_would_lose_something_is_refused_and_others_named(
    tmp_path: Path, name: str, dtype: str, channels: int
) -> None:
    with pytest.raises(DataError, match=f"{name}: .* cannot hold .*use .*TIFF"):
        images.write(tmp_path / name, noise(4, 4, channels, dtype))
    assert not list(tmp_path.iterdir())


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.xyz names no format: use one of"):
        images.write(tmp_path / "a.xyz", noise())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = images.write(tmp_path / "a.png", noise())
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match=r"a\.png.*No space left"):
        images.write(path, noise(seed=1))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- Values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "high"), [("uint8", 255), ("uint16", 65535), ("uint16", 4095)])
@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_every_integer_survives_the_way_to_unit_and_back(dtype: str, high: int, convert: object) -> None:
    array = np.arange(high + 1).astype(dtype).reshape(1, -1, 1)
    unit = images.to_unit(convert(array), 0, high)  # type: ignore[operator]
    assert unit.shape == (1, 1, high + 1)
    assert (unit.min(), unit.max()) == (-1, 1)
    np.testing.assert_array_equal(images.from_unit(unit, dtype, 0, high), array, strict=True)


def test_floats_survive_the_way_to_unit_and_back() -> None:
    array = noise(dtype="float32") * 3000 - 1000
    back = images.from_unit(images.to_unit(array, -1000, 2000), "float32", -1000, 2000)
    np.testing.assert_allclose(back, array, atol=1e-3)


def test_values_are_rounded_and_clipped() -> None:
    unit = torch.tensor([-3.0, -1.0, 0.0, 0.999, 3.0]).reshape(1, 1, 5)
    assert images.from_unit(unit, "uint8", 0, 255).ravel().tolist() == [0, 0, 128, 255, 255]


def test_a_batch_goes_channels_first_and_back() -> None:
    batch = np.stack([noise(seed=1), noise(seed=2)])
    unit = images.to_unit(torch.from_numpy(batch), 0, 255)
    assert unit.shape == (2, 3, 12, 16)
    assert unit.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(images.from_unit(unit, "uint8", 0, 255), batch)


@pytest.mark.parametrize(
    ("dtype", "low", "high", "expected"),
    [
        ("uint8", 3, 17, (0, 255)),
        ("uint16", 10, 4000, (0, 4095)),
        ("uint16", 0, 4096, (0, 8191)),
        ("uint16", 0, 65535, (0, 65535)),
        ("uint16", 0, 0, (0, 1)),
        ("float32", -2.5, 7.0, (-2.5, 7.0)),
        ("float32", 3.0, 3.0, (3.0, 4.0)),
    ],
)
def test_the_range_fits_what_was_measured(dtype: str, low: float, high: float, expected: tuple[float, float]) -> None:
    assert images.fitting_range(dtype, low, high) == expected


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_resizing_keeps_channels_apart_and_the_dtype(channels: int, dtype: str) -> None:
    array = noise(20, 30, channels, dtype)
    resized = images.resize(array, 11, 17)
    assert (resized.shape, resized.dtype) == ((11, 17, channels), np.dtype(dtype))
    for c in range(channels):
        np.testing.assert_array_equal(images.resize(array[..., c : c + 1], 11, 17), resized[..., c : c + 1])


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_resizing_deep_pictures_invents_no_values_beyond_theirs(dtype: str) -> None:
    step = np.repeat([1000, 4095], 8).astype(dtype).reshape(1, 16, 1).repeat(16, axis=0)
    resized = images.resize(step, 40, 40)
    assert (resized.min(), resized.max()) == (1000, 4095)


def test_resizing_is_antialiased_and_nearest_invents_no_value() -> None:
    stripes = np.tile(np.array([[[0], [255]]], np.uint8), (16, 32, 1))
    assert np.ptp(images.resize(stripes, 4, 16)[:, 2:-2].astype(int)) < 8
    ids = noise(9, 9, 1, "uint16")
    assert set(np.unique(images.resize(ids, 21, 21, nearest=True))) <= set(np.unique(ids))


def test_16_bit_pictures_are_resized_as_8_bit_ones_are() -> None:
    eight = images.resize(ramp(), 20, 20).astype(int)
    sixteen = images.resize(ramp().astype(np.uint16) * 257, 20, 20).astype(int)
    assert np.abs(sixteen / 257 - eight).max() < 1.5


def test_grey_and_colour_are_made_to_match() -> None:
    grey = noise(channels=1)
    assert images.match_channels(grey, 1) is grey
    np.testing.assert_array_equal(images.match_channels(images.match_channels(grey, 3), 1), grey)
    with pytest.raises(DataError, match=r"4 channel.* cannot be made one of 3"):
        images.match_channels(noise(channels=4), 3)


def test_a_grid_holds_pictures_of_every_kind() -> None:
    rows = [[ramp(), noise(10, 10, 1, "uint16")], [noise(8, 8, 5, "float32")]]
    sheet = images.grid(rows, gap=2, titles=["source", "target"])
    assert (sheet.dtype, sheet.shape) == (np.uint8, (20 + 32 + 8 + 6, 48 + 10 + 6, 3))
    np.testing.assert_array_equal(sheet[22:54, 2:50], ramp())
    assert np.all(sheet[-1] == 255)
    assert sheet[:20].min() < 100, "the titles are drawn"


@pytest.mark.parametrize("format", sorted(set(FORMATS.values())))
def test_every_format_is_written_read_recognised_and_served(format: str) -> None:
    """A new one brings this test by its line in `FORMATS`."""
    array = ramp(16, 24)
    assert images.can_hold(images.SUFFIX_OF[format], array.dtype, 3)
    data = images.encode(array, format)
    assert images.format_of(data) == format
    assert images.read(data).array.shape == (16, 24, 3)
    assert "/" in MEDIA_TYPES[format]
