"""Whatever a profile says the colours of a file are, they are read as sRGB, and it is said."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from pictures import noise, ramp
from PIL import Image, ImageCms
from stored import ADOBE, P3, WIDE, chunk, cmyk_profile, encoded, grey_profile, png, rgb_profile, srgb_profile, tiff

from diptych import images
from diptych.images import colour

SPACES = {"P3": rgb_profile(P3), "Adobe": rgb_profile(ADOBE), "wide": rgb_profile(WIDE, 1.8)}
LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}


def seen(array: np.ndarray, profile: bytes, mode: str, out: str = "RGB") -> np.ndarray:
    """What LittleCMS makes of it."""
    plane = array[..., 0] if array.shape[2] == 1 else array
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    srgb = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(Image.fromarray(plane, mode), opened, srgb, outputMode=out))


def converted(picture: images.Picture, header: images.Header) -> None:
    assert sum(note.startswith("colours converted from ") for note in picture.notes) == 1
    assert header.notes == picture.notes
    assert header[:4] == (*picture.array.shape[1::-1], picture.array.shape[2], picture.array.dtype.name)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("format", [*LOSSLESS, "JPEG", "AVIF"])
def test_rgb_of_any_profile_is_read_as_srgb(space: str, format: str) -> None:
    array, profile = noise() if format in LOSSLESS else ramp(), SPACES[space]
    options = LOSSLESS.get(format, {"quality": 100, "subsampling": 0 if format == "JPEG" else "4:4:4"})
    data = encoded(array, format, icc_profile=profile, **options)
    stored = images.read(encoded(array, format, **options)).array
    picture = images.read(data)
    np.testing.assert_array_equal(picture.array, seen(stored, profile, "RGB"))
    assert np.abs(picture.array.astype(int) - stored).max() > 20
    converted(picture, images.header(data))
    np.testing.assert_array_equal(images.read(data, indices=True).array, stored, "numbers have no colours")
    np.testing.assert_array_equal(images.from_pillow(Image.open(io.BytesIO(data))).array, picture.array)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_alpha_stays_as_it_is_beside_converted_colours(format: str) -> None:
    array = noise(channels=4)
    picture = images.read(encoded(array, format, icc_profile=SPACES["P3"]))
    np.testing.assert_array_equal(picture.array, seen(array[..., :3], SPACES["P3"], "RGB"))
    np.testing.assert_array_equal(picture.alpha, array[..., 3])


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG"])
def test_grey_of_another_gamma_is_read_as_grey_of_srgb(format: str) -> None:
    array, profile = ramp()[..., :1], grey_profile(1.8)
    options = {"quality": 100} if format == "JPEG" else {}
    stored = images.read(encoded(array[..., 0], format, **options)).array
    data = encoded(array[..., 0], format, icc_profile=profile, **options)
    picture = images.read(data)
    np.testing.assert_array_equal(picture.array, seen(stored, profile, "L")[..., 1:2])
    assert np.abs(picture.array.astype(int) - stored).max() > 10
    converted(picture, images.header(data))


@pytest.mark.parametrize("format", ["TIFF", "JPEG"])
def test_inks_are_read_by_their_profile(format: str) -> None:
    inks, profile = Image.fromarray(ramp()).convert("CMYK"), cmyk_profile()
    stream, plain = io.BytesIO(), io.BytesIO()
    inks.save(stream, format, icc_profile=profile)
    inks.save(plain, format)
    picture = images.read(stream.getvalue())
    stored = np.asarray(Image.open(plain))
    np.testing.assert_array_equal(picture.array, seen(stored, profile, "CMYK"))
    assert np.abs(picture.array.astype(int) - images.read(plain.getvalue()).array).max() > 20
    converted(picture, images.header(stream.getvalue()))


@pytest.mark.parametrize(
    ("photometric", "channels", "profile", "mode"),
    [(2, 3, rgb_profile(P3), "RGB"), (1, 1, grey_profile(), "L"), (5, 4, cmyk_profile(), "CMYK")],
)
@pytest.mark.parametrize("bits", [12, 16])
def test_deep_colours_are_converted_at_their_own_depth(
    photometric: int, channels: int, profile: bytes, mode: str, bits: int
) -> None:
    eight, top = noise(16, 16, channels), 2**bits - 1
    deep = (eight * (top / 255)).round().astype(np.uint16)
    data = tiff(deep, bits, photometric, profile=profile)
    picture = images.read(data)
    expected = seen(eight, profile, mode)[..., :1] if mode == "L" else seen(eight, profile, mode)
    assert picture.array.dtype == np.uint16
    away = np.abs(picture.array / top * 255 - expected)
    assert away.max() < {"RGB": 1.01, "L": 1.6, "CMYK": 10}[mode]  # 8 bits are not exact
    assert away.mean() < 1
    converted(picture, images.header(data))


def test_a_16_bit_png_is_converted_at_its_own_depth() -> None:
    import zlib

    steps = np.arange(4096, dtype=np.uint16)[None, :, None].repeat(3, axis=2)
    data = png(steps, 16, extra=chunk(b"iCCP", b"icc\0\0" + zlib.compress(rgb_profile(P3, 1.8))))
    picture = images.read(data)
    assert len(np.unique(picture.array)) > 1000
    converted(picture, images.header(data))


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG", "WEBP", "AVIF"])
def test_a_profile_that_is_srgb_changes_nothing_and_is_not_worth_a_word(format: str) -> None:
    picture = images.read(encoded(ramp(), format, icc_profile=srgb_profile()))
    np.testing.assert_array_equal(picture.array, images.read(encoded(ramp(), format)).array)
    assert picture.notes == ()


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG", "WEBP"])
@pytest.mark.parametrize("damage", [lambda p: p[:200], lambda p: b"garbage" * 20, lambda p: p[:128] + bytes(len(p))])
def test_a_damaged_profile_costs_no_picture_and_is_said(format: str, damage: object) -> None:
    picture = images.read(encoded(ramp(), format, icc_profile=damage(rgb_profile())))  # type: ignore[operator]
    np.testing.assert_array_equal(picture.array, images.read(encoded(ramp(), format)).array)
    assert picture.notes == (colour.DAMAGED,)


def test_a_profile_of_which_a_part_is_missing_is_said() -> None:
    data = encoded(ramp(), "JPEG", icc_profile=rgb_profile() + bytes(70_000))
    second = data.index(b"ICC_PROFILE\0\2")
    picture = images.read(data[:second] + b"NOT" + data[second + 3 :])
    assert picture.notes == (colour.DAMAGED,)
    np.testing.assert_array_equal(picture.array, images.read(encoded(ramp(), "JPEG")).array)


@pytest.mark.parametrize("kind", [1, 7])
def test_a_tiff_may_keep_its_profile_as_bytes_of_either_kind(kind: int) -> None:
    data = tiff(noise(), 8, 2, profile=rgb_profile())
    entry = data.rindex(struct.pack("<HH", 34675, 7))
    picture = images.read(data[: entry + 2] + struct.pack("<H", kind) + data[entry + 4 :])
    assert picture.notes[0].startswith("colours converted")


def test_a_profile_for_other_channels_is_left_out_and_said() -> None:
    for array, profile, what in (
        (ramp()[..., 0], rgb_profile(), "is for RGB, not for 1 channel"),
        (ramp(), grey_profile(), "is for GRAY, not for 3 channel"),
        (ramp(), cmyk_profile(), "is for CMYK, not for 3 channel"),
    ):
        picture = images.read(encoded(array, "PNG", icc_profile=profile))
        np.testing.assert_array_equal(picture.array.squeeze(), array)
        assert what in picture.notes[0]


def test_floats_keep_their_numbers_and_it_is_said(tmp_path: Path) -> None:
    import tifffile

    array = noise(dtype="float32")
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", iccprofile=rgb_profile())
    picture = images.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.array, array)
    assert "is not applied to floats" in picture.notes[0]


def test_the_name_of_a_profile_cannot_write_on_the_console() -> None:
    profile = bytearray(rgb_profile())
    at = profile.find("RGB built-in".encode("utf-16-be"))
    profile[at : at + 8] = "\x1b[2J".encode("utf-16-be")
    (note,) = images.read(encoded(ramp(), "PNG", icc_profile=bytes(profile))).notes
    assert note.isprintable()


def camera_exif(index: bytes, orientation: int = 1) -> bytes:
    """EXIF of a camera, with the interoperability index."""

    def directory(entries: list[tuple[int, int, int, bytes]]) -> bytes:
        rows = b"".join(
            struct.pack(">HHI", tag, kind, count) + value.ljust(4, b"\0") for tag, kind, count, value in entries
        )
        return struct.pack(">H", len(entries)) + rows + bytes(4)

    first = directory([(0x0112, 3, 1, struct.pack(">H", orientation)), (0x8769, 4, 1, struct.pack(">I", 38))])
    private = directory([(0xA001, 3, 1, b"\xff\xff"), (0xA005, 4, 1, struct.pack(">I", 68))])
    return b"Exif\0\0MM\0*\0\0\0\x08" + first + private + directory([(1, 2, 4, index)])


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_camera_set_to_adobe_rgb_says_so_in_exif_alone(format: str, orientation: int) -> None:
    options = {"PNG": {}, "JPEG": {"quality": 100}, "WEBP": {"lossless": True}}[format]
    plain = encoded(ramp(), format, exif=camera_exif(b"R98", orientation), **options)
    data = encoded(ramp(), format, exif=camera_exif(b"R03", orientation), **options)
    picture, stored = images.read(data), images.read(plain).array
    assert np.abs(picture.array.astype(int) - seen(stored, rgb_profile(ADOBE, 563 / 256), "RGB")).max() <= 1
    assert np.abs(picture.array.astype(int) - stored).max() > 20
    converted(picture, images.header(data))
    np.testing.assert_array_equal(images.from_pillow(Image.open(io.BytesIO(data))).array, picture.array)
    assert not any("converted" in note for note in images.read(plain).notes)


# --- PNG's and AVIF's own words for colours --------------------------------------------------------------------------


def gamma_and_points(gamma: float, points: tuple[float, ...]) -> bytes:
    numbers = [round(1e5 * p) for p in (0.3127, 0.3290, *points)]
    return chunk(b"gAMA", struct.pack(">I", round(1e5 * gamma))) + chunk(b"cHRM", struct.pack(">8I", *numbers))


BT709 = (0.640, 0.330, 0.300, 0.600, 0.150, 0.060)


def test_gamma_and_primaries_of_a_png_are_its_profile() -> None:
    array = ramp()
    assert images.read(png(array, extra=gamma_and_points(1 / 2.2, BT709))).notes == ()
    wide = images.read(png(array, extra=gamma_and_points(1 / 1.8, P3)))
    assert np.abs(wide.array.astype(int) - seen(array, rgb_profile(P3, 1.8), "RGB")).max() <= 1
    assert wide.notes == ("colours converted from the space that its file describes to sRGB",)
    linear = images.read(png(array, extra=gamma_and_points(1.0, BT709)))
    expected = np.where(array / 255 < 0.0031308, array / 255 * 12.92, 1.055 * (array / 255) ** (1 / 2.4) - 0.055)
    assert np.abs(linear.array - expected * 255).max() < 1.5
    srgb = chunk(b"sRGB", b"\0") + gamma_and_points(1.0, P3)
    np.testing.assert_array_equal(images.read(png(array, extra=srgb)).array, array)


def test_a_gamma_alone_is_of_the_primaries_of_srgb() -> None:
    alone = chunk(b"gAMA", struct.pack(">I", 100000))
    linear = images.read(png(ramp(), extra=alone))
    np.testing.assert_array_equal(linear.array, images.read(png(ramp(), extra=gamma_and_points(1.0, BT709))).array)
    assert linear.notes == ("colours converted from the space that its file describes to sRGB",)
    assert images.read(png(ramp(), extra=chunk(b"gAMA", struct.pack(">I", 45455)))).notes == ()


@pytest.mark.parametrize(("codes", "changed"), [((1, 13), False), ((12, 13), True), ((9, 1), True), ((2, 2), False)])
def test_the_code_points_of_a_png_are_its_profile(codes: tuple[int, int], changed: bool) -> None:
    picture = images.read(png(ramp(), extra=chunk(b"cICP", bytes([*codes, 0, 1]))))
    assert bool(picture.notes) == changed == (not np.array_equal(picture.array, ramp()))


def test_hdr_is_taken_as_it_is_and_said() -> None:
    picture = images.read(png(ramp(), extra=chunk(b"cICP", bytes([9, 16, 0, 1]))))
    np.testing.assert_array_equal(picture.array, ramp())
    assert "9/16" in picture.notes[0]
