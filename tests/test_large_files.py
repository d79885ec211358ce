"""A TIFF that is read in parts shows what it would as a whole: small and large files go one way."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from commands import diptych
from models import model
from pictures import ramp
from PIL import Image
from stored import cmyk_profile, encoded, grey_profile, rgb_profile, tiff

from diptych import images
from diptych.errors import DataError

pyvips = pytest.importorskip("pyvips")
from diptych.inference.tiff import divides_by_alpha  # noqa: E402

GREY, WHITE_IS_ZERO, RGB, INKS = 1, 0, 2, 5


def samples(bits: int, channels: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**bits, (20, 24, channels)).astype(np.uint8 if bits <= 8 else np.uint16)


def kinds() -> dict[str, bytes]:
    found = {f"grey of {bits} bits": tiff(samples(bits, 1), bits, GREY) for bits in (2, 4, 8, 16)}
    found |= {f"white is zero, {bits} bits": tiff(samples(bits, 1), bits, WHITE_IS_ZERO) for bits in (2, 4, 8, 16)}
    for bits in (8, 16):
        found |= {
            f"RGB {bits}": tiff(samples(bits, 3), bits, RGB),
            f"planar RGB {bits}": tiff(samples(bits, 3), bits, RGB, planar=True),
            f"premultiplied RGB {bits}": tiff(samples(bits, 4), bits, RGB, extra=(1,)),
            f"straight RGB {bits}": tiff(samples(bits, 4), bits, RGB, extra=(2,)),
            f"premultiplied grey {bits}": tiff(samples(bits, 2), bits, GREY, extra=(1,)),
            f"white is zero and alpha {bits}": tiff(samples(bits, 2), bits, WHITE_IS_ZERO, extra=(2,)),
            f"inks {bits}": tiff(samples(bits, 4), bits, INKS),
            f"inks and alpha {bits}": tiff(samples(bits, 5), bits, INKS, extra=(2,)),
            f"RGB with a profile {bits}": tiff(samples(bits, 3), bits, RGB, profile=rgb_profile()),
            f"premultiplied RGB with a profile {bits}": tiff(
                samples(bits, 4), bits, RGB, extra=(1,), profile=rgb_profile()
            ),
            f"grey with a profile {bits}": tiff(samples(bits, 1), bits, GREY, profile=grey_profile()),
            f"inks with a profile {bits}": tiff(samples(bits, 4), bits, INKS, profile=cmyk_profile()),
        }
    found["five channels"] = tiff(samples(8, 5), 8, GREY, extra=(0, 0, 0, 0))
    for mode in ("P", "1"):
        stream = io.BytesIO()
        Image.fromarray(samples(8, 3)).convert(mode).save(stream, "TIFF")
        found[f"mode {mode}"] = stream.getvalue()
    found["turned"] = encoded(samples(8, 3), "TIFF", tiffinfo={0x0112: 6}, icc_profile=rgb_profile())
    return found


def in_parts(path: Path, *, indices: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
    """A file as the translation of large TIFFs reads it, two parts at a time."""
    image = pyvips.Image.new_from_file(str(path), access="random").autorot()
    finish = images.in_parts(path, indices=indices, straight=divides_by_alpha())
    middle = image.height // 2
    parts = []
    for top, bottom in ((0, middle), (middle, image.height)):
        seen = image.crop(0, top, image.width, bottom - top).numpy()
        parts.append(finish(seen.reshape(bottom - top, image.width, image.bands)))
    alphas = [part.alpha for part in parts if part.alpha is not None]
    return np.concatenate([part.array for part in parts]), np.concatenate(alphas) if alphas else None


@pytest.mark.parametrize("kind", kinds())
def test_parts_are_those_of_the_whole(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(kinds()[kind])
    array, alpha = in_parts(path)
    whole = images.read(path)
    if "premultiplied" in kind:  # libvips divides, and does not round
        assert np.abs(array.astype(int) - whole.array)[whole.alpha > 30].max() < 16  # type: ignore[operator]
    else:
        np.testing.assert_array_equal(array, whole.array, strict=True)
    assert (alpha is None) == (whole.alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(alpha, whole.alpha)
    if kind != "mode P" and "premultiplied" not in kind:
        np.testing.assert_array_equal(in_parts(path, indices=True)[0], images.read(path, indices=True).array)


def test_bands_that_are_not_those_of_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(samples(8, 3), 8, RGB))
    with pytest.raises(DataError, match=r"a\.tif: has 2 bands, not 3"):
        images.in_parts(path)(samples(8, 2))


@pytest.mark.parametrize("alpha", [False, True])
def test_a_large_translation_sees_the_colours_of_a_small_one(alpha: bool, tmp_path: Path) -> None:
    folder, stored = model(tmp_path / "model", "cyclegan"), ramp(300, 420)
    if alpha:
        stored = np.dstack([stored, np.full((300, 420), 130, np.uint8)])
    profile = rgb_profile((0.735, 0.265, 0.115, 0.826, 0.157, 0.018), 1.8)
    (tmp_path / "wide.tif").write_bytes(encoded(stored, "TIFF", icc_profile=profile))
    (tmp_path / "plain.tif").write_bytes(encoded(stored, "TIFF"))

    def made(name: str, out: str, *options: object) -> images.Picture:
        common = ["translate", folder, tmp_path / name, "--to", "the b", "--tile", 128]
        said = diptych(*common, *options, "--out", tmp_path / out)
        assert said.code == 0, said.err
        assert ("to sRGB" in said.err) == (name == "wide.tif")
        return images.read(tmp_path / out)

    whole = made("wide.tif", "whole.tif", "--tiling", "off")
    parts = made("wide.tif", "parts.tif", "--limit-mp", 0.1)
    plain = made("plain.tif", "more.tif", "--tiling", "off")
    assert decibels(whole, parts) >= 40
    assert decibels(whole, plain) < 30
    assert parts.notes == whole.notes == (), "the result has no profile but sRGB's"
    assert (parts.alpha is None) == (whole.alpha is None) == (not alpha)
    if alpha:
        np.testing.assert_array_equal(parts.alpha, whole.alpha)


def decibels(one: images.Picture, other: images.Picture) -> float:
    error = np.square(one.array.astype(float) - other.array).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))
