"""A photo in the style of a painting, without training: nearer to it, of its own kind, and never all or nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import diptych
from pictures import noise, ramp, save
from PIL import Image

import diptych as package
from diptych import images
from diptych.cli.stylize import read_paintings
from diptych.data.samples import painting
from diptych.errors import ConfigError, DataError
from diptych.images import Picture
from diptych.images.metadata import NOTHING, Metadata
from diptych.inference.stylize import Eye, Painting, Subject, coarse_to_fine, in_unit, mixed, stylize
from diptych.nn.perceptual import VGG
from diptych.nn.style import moments, style_distance
from diptych.provenance.settings import read_settings
from diptych.runtime.device import choose_device

ART = painting(1, 64)


@pytest.fixture(scope="module")
def painted() -> Picture:
    return stylize(ramp(48, 64), ART, steps=8)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    eye = Eye("efficientnet_lite0", choose_device("cpu"))
    found, wanted = (eye.moments(in_unit(images.from_array(x))) for x in (one, other))
    return float(style_distance(found, wanted))


def test_the_result_is_nearer_to_the_painting_than_the_photo_is(painted: Picture) -> None:
    assert painted.array.shape == (48, 64, 3)
    assert distance(painted.array, ART) < 0.6 * distance(ramp(48, 64), ART)


def test_the_same_seed_gives_the_same_picture_and_another_another(painted: Picture) -> None:
    again, other = (stylize(ramp(48, 64), ART, steps=8, seed=seed) for seed in (0, 1))
    assert np.array_equal(painted.array, again.array)
    assert not np.array_equal(painted.array, other.array)


def test_with_no_strength_it_is_the_photo_and_more_changes_more(painted: Picture) -> None:
    photo = ramp(48, 64)
    none, half = (stylize(photo, ART, steps=8, strength=s).array.astype(float) for s in (0.0, 0.3))
    assert np.abs(none - photo).max() <= 2
    assert (
        np.abs(none - photo).mean() < np.abs(half - photo).mean() < np.abs(painted.array - photo.astype(float)).mean()
    )


def test_colours_are_kept_where_that_is_asked_for() -> None:
    photo = np.clip(ramp(48, 64), 60, 180)
    made = stylize(photo, ART, steps=6, keep_colours=True).array.astype(float)
    change = made - photo
    assert change.std() > 2
    assert np.abs(change - change.mean(2, keepdims=True)).mean() < 1.5  # all channels alike, but for what is cut off


@pytest.mark.parametrize(("channels", "dtype"), [(1, "uint8"), (3, "uint16"), (3, "float32"), (1, "uint16")])
def test_depth_is_kept_and_grey_becomes_colours(channels: int, dtype: str) -> None:
    made = stylize(noise(20, 24, channels, dtype), ART, steps=1)
    assert made.array.shape == (20, 24, 3)
    assert made.array.dtype == dtype
    assert stylize(noise(20, 24, channels, dtype), ART, steps=1, keep_colours=True).array.shape == (20, 24, channels)


def test_a_painting_may_be_smaller_larger_or_grey() -> None:
    for art in (painting(0, 64)[:9, :30], painting(0, 256), painting(0, 64)[..., :1]):
        assert stylize(ramp(24, 40), art, steps=1).array.shape == (24, 40, 3)


@pytest.mark.parametrize(
    ("photo", "art"), [(noise(4, 40), ART), (ramp(), noise(4, 4)), (noise(20, 20, 5), ART),
     (noise(20, 20, 1).astype(np.int16), ART), (ramp(), noise(20, 20, 1).astype(np.float32))],
)  # fmt: skip
def test_what_cannot_be_painted_is_refused_in_words(photo: np.ndarray, art: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"too small|cannot be made|must lie between 0 and 1"):
        stylize(photo, art, steps=1)


def test_without_a_painting_or_with_shares_of_nothing_it_is_refused() -> None:
    for art in ((), (Painting(ART, 0.0),), (Painting(ART, -1.0), Painting(ART, 2.0))):
        with pytest.raises(ConfigError, match="a style needs a painting"):
            stylize(ramp(), *art)


def test_styles_are_mixed_by_their_shares() -> None:
    eye = Eye("efficientnet_lite0", choose_device("cpu"))
    one, other = (eye.moments(in_unit(images.from_array(painting(n, 64)))) for n in (0, 1))
    mean, covariance = mixed([one, other], [3, 1])[2]
    assert np.allclose(mean, 0.75 * one[2][0] + 0.25 * other[2][0], atol=1e-6)
    assert np.allclose(covariance, 0.75 * one[2][1] + 0.25 * other[2][1], atol=1e-5)


def test_another_size_takes_alpha_along_and_drops_what_is_no_longer_true() -> None:
    photo = Picture(noise(40, 60), alpha=noise(40, 60, 1)[..., 0], metadata=Metadata(dpi=(300, 300)))
    made = stylize(photo, ART, steps=1, size=30)
    assert made.array.shape == (20, 30, 3)
    assert made.alpha is not None
    assert made.alpha.shape == (20, 30)
    assert made.metadata == NOTHING
    same = stylize(photo, ART, steps=1)
    assert np.array_equal(same.alpha, photo.alpha)
    assert same.metadata == photo.metadata


def test_large_photos_are_painted_at_1024_pixels() -> None:
    assert Subject(Picture(np.zeros((1000, 2048, 3), np.uint8)), None, False).shape == (500, 1024)


def test_sizes_go_from_coarse_to_fine_and_none_is_tiny() -> None:
    assert coarse_to_fine((512, 768)) == [(128, 192), (256, 384), (512, 768)]
    assert coarse_to_fine((100, 130)) == [(100, 130)]


def test_what_watches_sees_the_work_grow_and_may_stop_it() -> None:
    seen: list[float] = []

    def watch(share: float, now: Any) -> bool:
        seen.append(share)
        assert now().array.shape == (48, 64, 3)
        return len(seen) < 3

    stylize(ramp(48, 64), ART, steps=8, watch=watch)
    assert seen == pytest.approx([1 / 8, 2 / 8, 3 / 8])


def test_a_painting_of_one_colour_makes_no_nonsense() -> None:
    made = stylize(ramp(24, 40), np.full((32, 32, 3), 90, np.uint8), steps=3).array
    assert made.std() < ramp(24, 40).std()


def test_vgg_paints_likewise(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = torch.Generator().manual_seed(0)
    blank = VGG((2, 2, 4, 4, 2)).state_dict()
    made_up = {key: torch.randn(x.shape, generator=chance) * (2 / x[0].numel()) ** 0.5 for key, x in blank.items()}
    monkeypatch.setattr("diptych.storage.weights.tensors", lambda name: made_up)
    photo = ramp(24, 40)
    made = stylize(photo, ART, steps=2, network="vgg19").array
    assert made.shape == photo.shape
    assert not np.array_equal(made, photo)


def test_it_is_a_name_of_the_package() -> None:
    assert package.stylize is stylize


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return save(tmp_path / "photo.png", ramp(24, 40)), save(tmp_path / "art.png", ART)


def test_the_command_writes_the_picture_with_its_settings_and_a_preview(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    photo, art = files
    said = diptych("stylize", photo, "--style", art, "--steps", 2, "--out", tmp_path / "made.png",
                   "--preview", tmp_path / "preview.jpg", "--strength", 0.5)  # fmt: skip
    assert said.code == 0, said.err
    assert "40x24 pixels by efficientnet_lite0" in said.out
    told = read_settings((tmp_path / "made.png").read_bytes())
    assert told["method"] == "stylize"
    assert told["controls"] | {"style": "art.png", "strength": 0.5, "seed": 0, "steps": 2} == told["controls"]
    assert images.read(tmp_path / "preview.jpg").array.shape == (24, 40, 3)


def test_orientation_and_alpha_come_along(tmp_path: Path, files: tuple[Path, Path]) -> None:
    turned = Image.fromarray(ramp(24, 40))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    clear = np.concatenate([ramp(24, 40), np.arange(960).reshape(24, 40, 1) % 256], axis=2).astype(np.uint8)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    for name in ("turned.jpg", "clear.png"):
        said = diptych("stylize", tmp_path / name, "--style", files[1], "--steps", 1, "--out", tmp_path / "out")
        assert said.code == 0, said.err
    assert images.read(tmp_path / "out" / "turned.jpg").array.shape == (40, 24, 3)
    assert np.array_equal(images.read(tmp_path / "out" / "clear.png").alpha, clear[..., 3])


def test_an_interruption_keeps_what_there_is(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    class Struck:
        def look(self) -> None:
            seen.append(1.0)
            os.kill(os.getpid(), signal.SIGINT)

        def __enter__(self) -> Struck:
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr("diptych.runtime.threads.Threads", Struck)
    said = diptych("stylize", files[0], "--style", files[1], "--steps", 500, "--out", tmp_path / "made.png")
    assert said.code == 128 + signal.SIGINT
    assert "as far as it came" in said.err
    assert len(seen) == 1
    assert images.read(tmp_path / "made.png").array.shape == (24, 40, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--style", "ART", "--shares", "1,2"), "a number for each of the 1 paintings"),
        (("--style", "ART", "--shares", "0"), "a number for each"),
        (("--style", "ART", "--network", "vgg11"), "there are auto, efficientnet_lite0, vgg19"),
        (("--style", "gone.png"), "gone.png"),
        (("--style", "ART", "--out", "PHOTO"), "choose another --out"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple[str, ...], message: str, files: tuple[Path, Path]) -> None:
    given = [{"ART": files[1], "PHOTO": files[0]}.get(word, word) for word in arguments]
    said = diptych("stylize", files[0], *given)
    assert said.code == 2
    assert message in said.err


@pytest.mark.parametrize(("network", "remedy"), [("auto", "diptych[deep]"), ("vgg19", "diptych weights fetch vgg19")])
def test_without_weights_it_says_what_to_install(
    network: str, remedy: str, files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diptych.storage.packages.installed", lambda name: [])
    monkeypatch.setenv("DIPTYCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said = diptych("stylize", files[0], "--style", files[1], "--network", network, "--out", tmp_path / "out")
    assert said.code == 2
    assert remedy in said.err


def test_paintings_have_equal_shares_unless_given(files: tuple[Path, Path]) -> None:
    assert [one.share for one in read_paintings([files[1]] * 2, None, 50)] == [1, 1]
    assert [one.share for one in read_paintings([files[1]] * 2, "2,1", 50)] == [2, 1]


def test_moments_of_an_eye_are_those_of_what_it_sees() -> None:
    eye = Eye("efficientnet_lite0", choose_device("cpu"))
    x = in_unit(images.from_array(ART))
    colours = eye.look(x)[0]
    assert colours.shape[-2:] == (64 + 2 * 16 + 7, 64 + 2 * 16 + 7)
    assert np.allclose(moments(colours)[0], colours.mean((2, 3)), atol=1e-6)
