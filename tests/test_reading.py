"""Every kind of file that a scanner, a camera or an optimiser writes becomes the array it means."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import noise, ramp
from PIL import Image
from stored import bmp, chunk, encoded, png, tiff

from diptych import images
from diptych.errors import DataError
from diptych.images.exif import BROKEN
from diptych.model.preparing import open_picture

BLACK_IS_ZERO, WHITE_IS_ZERO, RGB, INKS = 1, 0, 2, 5


def samples(bits: int, channels: int = 1, height: int = 6, width: int = 7, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**bits, (height, width, channels)).astype(np.uint8 if bits <= 8 else np.uint16)


def agrees(data: bytes, expected: np.ndarray) -> images.Picture:
    """Reading gives that array, and the header has said so."""
    picture, header = images.read(data), images.header(data)
    np.testing.assert_array_equal(picture.array, expected, strict=True)
    assert header[:4] == (expected.shape[1], expected.shape[0], expected.shape[2], str(expected.dtype))
    assert header.notes == picture.notes
    assert header.alpha == (picture.alpha is not None)
    return picture


# --- Depths ----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    bits=st.sampled_from([2, 4, 8, 10, 12, 14, 16]),
    photometric=st.sampled_from([BLACK_IS_ZERO, WHITE_IS_ZERO, RGB]),
    planar=st.booleans(),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 99),
)
def test_a_tiff_of_any_depth_and_layout_has_its_true_values(
    bits: int, photometric: int, planar: bool, size: tuple[int, int], seed: int
) -> None:
    array = samples(bits, 3 if photometric == RGB else 1, *size, seed)
    top = 2**bits - 1
    meant = array.dtype.type(top) - array if photometric == WHITE_IS_ZERO else array
    shown = meant * np.uint8(255 // top) if bits < 8 else meant
    data = tiff(array, bits, photometric, planar=planar)
    agrees(data, shown)
    np.testing.assert_array_equal(images.read(data, indices=True).array, meant)


@pytest.mark.parametrize("planar", [False, True])
def test_inks_of_16_bits_keep_them(planar: bool) -> None:
    inks = samples(16, 4)
    light = (65535 - inks[..., :3].astype(float)) * (65535 - inks[..., 3:].astype(float)) / 65535
    picture = agrees(tiff(inks, 16, INKS, planar=planar), light.round().astype(np.uint16))
    assert picture.notes == ("CMYK converted to RGB",)


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_avif_of_more_than_8_bits_keeps_them_and_says_so(bits: int, channels: int) -> None:
    import imagecodecs

    smooth = (np.dstack([ramp(), ramp()[..., :1]]) / 255.0 * (2**bits - 1)).astype(np.uint16)
    smooth = smooth[..., {1: [0], 2: [0, 3], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[channels]]
    data = imagecodecs.avif_encode(smooth.squeeze(), level=100, bitspersample=bits)
    picture, header = images.read(data), images.header(data)
    assert (header.dtype, picture.array.dtype.name) == ("uint16", "uint16")
    assert picture.notes == header.notes == (f"{bits} bits spread over 16",)
    assert header[:3] == (*picture.array.shape[1::-1], picture.array.shape[2])
    colours = smooth[..., :3] if channels > 2 else smooth[..., :1]
    assert np.abs(picture.array / 65535 - colours / (2**bits - 1)).max() < 2 / 2**bits
    assert header.alpha == (picture.alpha is not None) == (channels in (2, 4))
    if picture.alpha is not None:
        assert np.abs(picture.alpha / 65535 - smooth[..., -1] / (2**bits - 1)).max() < 2 / 2**bits


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from([(1, 1), (1, 2), (1, 4), (1, 8), (1, 16), (2, 8), (2, 16), (3, 8), (3, 16), (4, 8), (4, 16)]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    transparent=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_png_of_any_depth_keeps_its_values_and_its_transparency(
    kind: tuple[int, int], size: tuple[int, int], transparent: bool, seed: int
) -> None:
    channels, bits = kind
    array = samples(bits, channels, *size, seed)
    spread = array.dtype.type(255 // (2**bits - 1) if bits < 8 else 1)
    has_alpha, top = channels in (2, 4), 255 if bits <= 8 else 65535
    key = array[0, 0] if transparent and not has_alpha else None
    extra = b"" if key is None else chunk(b"tRNS", key.astype(">u2").tobytes())
    data = png(array, bits, extra=extra)
    picture = agrees(data, (array[..., :-1] if has_alpha else array) * spread)
    if key is not None:
        expected = np.where((array == key).all(axis=2), 0, top)
        np.testing.assert_array_equal(picture.alpha, expected.astype(array.dtype), strict=True)
    elif has_alpha:
        np.testing.assert_array_equal(picture.alpha, array[..., -1], strict=True)
    if not has_alpha:
        np.testing.assert_array_equal(images.read(data, indices=True).array, array)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_of_any_depth_has_its_colours_and_their_transparency(bits: int) -> None:
    indices, colours = samples(bits), noise(2**bits, 1)[:, 0]
    alphas = noise(2**bits, 1, 1, seed=1).ravel()
    data = png(indices, bits, palette=colours.tobytes(), extra=chunk(b"tRNS", alphas.tobytes()))
    picture = agrees(data, colours[indices[..., 0]])
    np.testing.assert_array_equal(picture.alpha, alphas[indices[..., 0]])
    numbers = images.read(data, indices=True)
    np.testing.assert_array_equal(numbers.array, indices)
    np.testing.assert_array_equal(numbers.visible, colours[indices[..., 0]])


@pytest.mark.parametrize("step", [17, 1])
def test_a_bmp_of_16_greys_is_read_as_grey(step: int) -> None:
    indices = np.arange(16, dtype=np.uint8).reshape(2, 8)
    data = bmp(indices, 4, [(step * n,) * 3 for n in range(16)])
    seen = images.read(data)
    assert np.array_equal(images.match_channels(seen.array, 3), np.dstack([indices * np.uint8(step)] * 3))
    np.testing.assert_array_equal(images.read(data, indices=True).array[..., 0], indices)


def test_single_bits_are_numbers_where_numbers_are_asked_for() -> None:
    bits = samples(1)[..., 0]
    image = Image.fromarray(bits.astype(bool))
    stream = io.BytesIO()
    image.save(stream, "TIFF")
    for data in (png(bits, 1), bmp(bits, 1, [(0, 0, 0), (255, 255, 255)]), stream.getvalue()):
        np.testing.assert_array_equal(images.read(data).array[..., 0], bits * 255)
        np.testing.assert_array_equal(images.read(data, indices=True).array[..., 0], bits)
    np.testing.assert_array_equal(images.from_pillow(image, indices=True).array[..., 0], bits)


def test_a_tiff_that_no_library_reads_is_named_by_its_kind() -> None:
    for data, what in (
        (tiff(samples(16), 16, 3), "PALETTE, 1 samples of 16 bits"),
        (tiff(samples(8, 3), 8, 10), "ICCLAB|ITULAB"),
    ):
        for look in (images.read, images.header):
            with pytest.raises(DataError, match=f"kind that is not read .*{what}.*: convert it"):
                look(data)


# --- Alpha -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_premultiplied_colours_are_divided_by_alpha(dtype: str, channels: int, tmp_path: Path) -> None:
    import tifffile

    colours, alpha = noise(12, 16, channels, dtype), noise(12, 16, 1, dtype, seed=1)
    alpha[0, :4] = 0
    top = 1.0 if dtype == "float32" else float(np.iinfo(dtype).max)
    stored = colours.astype(np.float64) * alpha / top
    stored = stored if dtype == "float32" else stored.round()
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.concatenate([stored, alpha], axis=2).astype(dtype),
        photometric="rgb" if channels == 3 else "minisblack",
        planarconfig="contig",
        extrasamples=["assocalpha"],
    )
    picture = images.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.alpha, alpha[..., 0])
    assert picture.notes == ("colours divided by alpha (they were premultiplied)",)
    away = np.abs(picture.array - colours.astype(float))[alpha[..., 0] > top / 8]
    assert away.max() <= (1e-5 if dtype == "float32" else 4)
    assert not picture.array[alpha[..., 0] == 0].any()
    again = images.read(picture.save(tmp_path / "b.tif"))
    np.testing.assert_array_equal(again.array, picture.array)
    np.testing.assert_array_equal(again.alpha, picture.alpha)


@pytest.mark.parametrize("mode", ["RGBa", "La"])
def test_premultiplied_images_of_pillow_are_read_straight(mode: str) -> None:
    straight = Image.fromarray(np.dstack([ramp(), np.full((32, 48), 200, np.uint8)])).convert(mode.upper())
    picture = images.from_pillow(straight.convert(mode))
    assert picture.array.shape[2] == len(mode) - 1
    assert np.abs(np.dstack([picture.array, picture.alpha]).astype(int) - np.asarray(straight)).max() <= 1


# --- Damaged words, whole pixels -------------------------------------------------------------------------------------

LARGE = b"Comment\0" + b"x" * 3_000_000
PACKED = zlib.compress(bytes(80_000_000))


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"tEXt", LARGE),
        chunk(b"zTXt", b"Comment\0\0" + PACKED),
        chunk(b"zTXt", b"Comment\0\0garbage"),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + PACKED),
        chunk(b"iTXt", b"Comment"),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + PACKED),
        chunk(b"zTXt", b"Raw profile type exif\0\0garbage"),
        chunk(b"iCCP", b"icc\0\0" + PACKED),
        chunk(b"iCCP", b"icc\0\0garbage"),
        chunk(b"iCCP", b""),
        chunk(b"eXIf", b"garbage"),
        chunk(b"eXIf", b"MM\0*" + struct.pack(">I", 1 << 30)),
        chunk(b"pHYs", b"1"),
        chunk(b"acTL", b"1"),
        chunk(b"gAMA", b""),
        chunk(b"tIME", b"never")[:-4] + b"sums",
    ],
    ids=lambda extra: extra[4:12].decode("latin-1"),
)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_png_is_read_without_its_damaged_or_large_metadata(extra: bytes, channels: int, bits: int) -> None:
    array = samples(bits, channels)
    picture = agrees(png(array, bits, extra=extra), array[..., : channels if channels < 4 else 3])
    assert len(picture.notes) == (extra[4:8] in (b"eXIf", b"iCCP"))


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "TIFF"])
def test_damaged_exif_says_nothing_of_the_pixels(format: str) -> None:
    whole = encoded(ramp(), format, **({} if format == "TIFF" else {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\1"}))
    damaged = {
        "JPEG": lambda: whole[:2] + b"\xff\xe1" + struct.pack(">H", 20) + b"Exif\0\0garbage garb" + whole[2:],
        "WEBP": lambda: whole.replace(b"MM\0*\0\0\0\x08\0\1", b"garbage ga"),
        "TIFF": lambda: _with_a_lost_exif_folder(),
    }[format]()
    np.testing.assert_array_equal(images.read(damaged).array, images.read(encoded(ramp(), format)).array)
    assert images.header(damaged).notes == (() if format == "TIFF" else (BROKEN,))


def _with_a_lost_exif_folder() -> bytes:
    image, stream = Image.fromarray(ramp()), io.BytesIO()
    image.save(stream, "TIFF", tiffinfo={34665: 1 << 30, 271: "maker"})
    return stream.getvalue()


# --- Arrays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 20, 30), (4, 30, 20), (2, 16, 16)])
def test_an_array_with_the_channels_first_is_known_by_its_shape(shape: tuple[int, int, int]) -> None:
    array = noise(*shape)
    picture = agrees(array_file(array), np.moveaxis(array, 0, -1))
    assert picture.notes == ("an array C H W turned to H W C",)


def test_an_array_in_python_is_taken_as_its_file_is() -> None:
    array = noise(3, 20, 30)
    picture = open_picture(array)
    np.testing.assert_array_equal(picture.array, np.moveaxis(array, 0, -1))
    assert picture.notes == ("an array C H W turned to H W C",)
    with pytest.raises(DataError, match="the array is an array 13x64x64, C H W as it seems"):
        open_picture(noise(13, 64, 64))
    with pytest.raises(DataError, match="the array holds values that are not finite"):
        open_picture(np.full((16, 16), np.nan))


@pytest.mark.parametrize("shape", [(13, 64, 64), (5, 20, 30)])
def test_an_array_that_seems_to_have_its_channels_first_is_refused_plainly(shape: tuple[int, int, int]) -> None:
    for look in (images.read, images.header):
        with pytest.raises(DataError, match=rf"array {'x'.join(map(str, shape))}, C H W as it seems: .*moveaxis"):
            look(array_file(noise(*shape)))


@pytest.mark.parametrize("shape", [(64, 64, 3), (64, 48, 13), (3, 5, 3), (16, 16, 16), (3, 64, 3), (64, 3)])
def test_other_arrays_are_taken_as_documented(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).random(shape, np.float32)
    np.testing.assert_array_equal(images.read(array_file(array)).array, array.reshape(*shape[:2], -1))


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((1, 3, 64, 64), "4 dimensions"),
        ((7,), "1 dimensions"),
        ((), "0 dimensions"),
        ((0, 5, 3), "no pixels"),
        ((5, 5, 0), "no pixels"),
        ((2**40, 2**40, 3), "over the limit"),
        ((6000, 6000, 1), "cut short"),
        ((2, 2**62), "over the limit"),
        ((-4, 4), "no pixels"),
    ],
)
def test_an_array_of_an_absurd_shape_is_refused_before_it_is_made(shape: tuple[int, ...], said: str) -> None:
    stream = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)  # type: ignore[no-untyped-call]
    with pytest.raises(DataError, match=said):
        images.read(stream.getvalue() + b"abcd")


def array_file(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()
