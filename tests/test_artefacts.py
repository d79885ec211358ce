"""Marks that networks leave: a grid over the pictures, and a frame around them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pictures import save
from torch import Tensor, nn

from diptych.errors import DataError
from diptych.evaluation.command import evaluate_folder
from diptych.methods.method import Method
from diptych.metrics import sets
from diptych.metrics.sets import frame, grid
from diptych.model.card import Card, Domain
from diptych.model.translator import Translator

LEVEL = 2 / 255


def scenes(count: int, height: int = 72, width: int = 101, *, channels: int = 3, seed: int = 0) -> Tensor:
    """Pictures with a spectrum as photographs have it, each of another contrast, rounded to 8 bits."""
    draw = torch.Generator().manual_seed(seed)
    steps = torch.fft.fftfreq(height).view(-1, 1).square() + torch.fft.rfftfreq(width).square()
    fall = (steps + 1e-3) ** -0.8  # smoother than a photograph on average, as its calm parts are
    noise = torch.randn(count, channels, height, width, generator=draw)
    pictures = torch.fft.irfft2(torch.fft.rfft2(noise) * fall, s=(height, width))
    pictures = pictures / pictures.std(dim=(1, 2, 3), keepdim=True)
    return rounded(pictures * (0.05 + 0.2 * torch.rand(count, 1, 1, 1, generator=draw)))


def stripes(count: int, seed: int = 0) -> Tensor:
    """Pictures of parallel lines, upright or lying, of any period from 3 to 20 pixels."""
    draw = torch.Generator().manual_seed(seed)
    period = 3 + 17 * torch.rand(count, 1, 1, 1, generator=draw)
    place = torch.arange(96.0).view(1, 1, 1, -1).expand(count, 1, 96, -1)
    turned = torch.rand(count, 1, 1, 1, generator=draw) < 0.5
    return rounded(0.5 * torch.sin(2 * torch.pi * torch.where(turned, place.mT, place) / period))


def rounded(pictures: Tensor) -> Tensor:
    return (pictures.clamp(-1, 1) * 127.5 + 127.5).round() / 127.5 - 1


def checkered(pictures: Tensor, period: int, levels: float = 2) -> Tensor:
    height, width = pictures.shape[-2:]
    places = torch.arange(height).view(-1, 1) // (period // 2) + torch.arange(width) // (period // 2)
    return rounded(pictures + levels * LEVEL * (1 - 2 * (places % 2)))


def framed(pictures: Tensor, levels: float, wide: int = 8) -> Tensor:
    """A border that is so much darker at the edge, and less so inwards."""
    height, width = pictures.shape[-2:]
    y, x = (torch.minimum(torch.arange(size), torch.arange(size).flip(0)) for size in (height, width))
    depth = torch.minimum(y.view(-1, 1), x.view(1, -1))
    return rounded(pictures - levels * LEVEL * (1 - depth / wide).clamp(min=0))


def blurred(pictures: Tensor, radius: int) -> Tensor:
    kernel = torch.softmax(-(torch.arange(-3.0 * radius, 3 * radius + 1) ** 2) / (2 * radius**2), 0)
    x = F.pad(pictures.flatten(0, 1).unsqueeze(1), (3 * radius,) * 4, mode="reflect")
    return rounded(F.conv2d(F.conv2d(x, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1)).view_as(pictures))


def score(metric: sets.SetMetric, output: Tensor, real: Tensor) -> float:
    return metric.distance(metric.features(output), metric.features(real))


@pytest.mark.parametrize("metric", [grid, frame])
@pytest.mark.parametrize("make", [scenes, stripes, lambda count: torch.zeros(count, 3, 40, 33)])
def test_halves_of_one_set_score_about_one_whatever_they_show(metric, make):
    found = sets.halves(metric, metric.features(make(80)), size=40)
    assert 0.9 < found.value < 1.1


@pytest.mark.parametrize(("period", "levels"), [(2, 1), (4, 2), (8, 4)])
@pytest.mark.parametrize("channels", [1, 4])
def test_a_checkerboard_that_is_just_visible_is_a_grid_of_its_period(period, levels, channels):
    real = scenes(12, channels=channels)
    seen = grid.features(checkered(real, period, levels)), grid.features(real)
    found = grid.ratios(*seen)
    assert found[period] == grid.distance(*seen) > 1.5
    assert all(ratio < 1.1 for other, ratio in found.items() if other != period)
    assert grid.meaning(*seen).startswith(f"a grid of {period} pixels")


def test_a_grid_is_found_in_pictures_of_32_pixels_and_in_one_axis_alone():
    real = scenes(12, 32, 47)
    assert score(grid, checkered(real, 4), real) > 1.5
    lines = rounded(real + 8 * LEVEL * (torch.arange(47) % 8 < 4))
    assert grid.ratios(grid.features(lines), grid.features(real))[8] > 1.5


@pytest.mark.parametrize("radius", [1, 2, 4])
def test_blur_and_low_contrast_are_neither_grid_nor_frame(radius):
    real = scenes(12, 96, 96)
    assert score(grid, blurred(real, radius), real) < 1.1
    assert score(grid, rounded(real / 2), real) < 1.1
    assert score(frame, blurred(real, 1), real) < 1.1
    assert score(frame, rounded(real / 2), real) < 1.1


def test_a_grid_in_real_pictures_is_not_held_against_outputs_that_have_it_too():
    real = checkered(scenes(24), 8)
    assert score(grid, checkered(scenes(24, seed=1), 8), real) < 1.1
    assert score(grid, scenes(24, seed=1), real) < 1.1


class Decoder(nn.Module):
    """Twice to the double size with random weights: by transposed convolutions, or interpolation before plain ones."""

    def __init__(self, transposed: bool) -> None:
        super().__init__()
        make = (lambda: nn.ConvTranspose2d(3, 3, 3, 2, 1, 1)) if transposed else (lambda: nn.Conv2d(3, 3, 3, padding=1))
        self.layers, self.transposed = nn.ModuleList([make(), make()]), transposed

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x if self.transposed else F.interpolate(x, scale_factor=2, mode="bilinear"))
        return x


def test_transposed_convolutions_make_a_grid_and_interpolation_does_not():
    real = scenes(12, 96, 96)
    small = F.avg_pool2d(real, 4)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        made, calm = (rounded(Decoder(transposed)(small)) for transposed in (True, False))
    assert score(grid, made, real) > 3
    assert score(grid, calm, real) < 1.1


def test_a_frame_of_twelve_grey_levels_is_found_dark_or_light_or_as_a_line():
    real = scenes(40, 64, 80)
    seen = frame.features(framed(real, 12)), frame.features(real)
    assert frame.distance(*seen) > 1.2
    assert "brightness" in frame.meaning(*seen)
    assert score(frame, framed(real, -12), real) > 1.2
    assert score(frame, framed(real, 12, wide=1), real) > 1.2


def test_a_border_without_detail_is_a_frame():
    real = scenes(40, 64, 80)
    smooth = blurred(real, 2)
    smooth[:, :, 8:-8, 8:-8] = real[:, :, 8:-8, 8:-8]
    seen = frame.features(smooth), frame.features(real)
    assert frame.distance(*seen) > 1.5
    assert "detail" in frame.meaning(*seen)


def test_a_frame_that_all_real_pictures_have_is_none_in_outputs():
    assert score(frame, framed(scenes(40), 20), framed(scenes(40, seed=1), 20)) < 1.15
    assert score(frame, scenes(40), framed(scenes(40, seed=1), 20)) > 1.2


@pytest.mark.parametrize("metric", [grid, frame])
def test_small_pictures_are_refused_by_the_pixels_needed(metric):
    with pytest.raises(DataError, match="32 pixels a side; a picture of 40 x 31"):
        metric.features(torch.zeros(1, 3, 31, 40))


def test_frames_of_other_channels_do_not_compare():
    with pytest.raises(DataError, match="channels"):
        score(frame, scenes(2, channels=1), scenes(2))


@pytest.mark.parametrize("metric", [grid, frame])
def test_the_interval_holds_the_value_and_one_pair_has_none(metric):
    real, marked = (metric.features(x) for x in (scenes(30), framed(checkered(scenes(30, seed=1), 4), 20)))
    value, low, high = metric.compare(marked, real, size=30)
    assert low < value == metric.distance(marked, real) < high
    alone = metric.compare(marked[:1], real[:1], size=1)
    assert alone.low == alone.value == alone.high
    assert np.isfinite(alone.value)


class Tiled(Method):
    """Adds a checkerboard of four pixels."""

    keep = ("g",)

    def __init__(self, *, source_channels: int = 3, target_channels: int = 3) -> None:
        super().__init__()
        self.g = nn.Identity()

    def translate(self, x: Tensor) -> Tensor:
        return checkered(x, 4, levels=6)


def test_pairs_are_evaluated_for_artefacts_and_the_page_says_what_was_found(tmp_path):
    for split, seed in (("train", 0), ("test", 1)):
        for k, picture in enumerate(scenes(6, 40, 48, seed=seed)):
            array = ((picture + 1) * 127.5).round().permute(1, 2, 0).numpy().astype("uint8")
            for side in ("day", "night"):
                save(tmp_path / "data" / split / side / f"{k}.png", array)
    sides = {side: Domain(name=name, channels=3) for side, name in (("source", "day"), ("target", "night"))}
    translator = Translator(Tiled(), Card(method="tiled", options={}, ways=["b"], **sides), device="cpu")
    result, page = evaluate_folder(translator, str(tmp_path / "data"), out=tmp_path / "out")
    assert list(result.metrics)[-2:] == ["grid", "frame"]
    assert result.metrics["grid"]["value"] > 1.5
    assert result.metrics["grid"]["count"] == 6
    assert set(result.baselines["real halves"]) == {"grid", "frame"}
    assert result.metrics["psnr"]["value"] > 30
    for text in (result.to_text(), page.read_text(encoding="utf-8")):
        assert "a grid of 4 pixels that real pictures do not have" in text
        assert "the border is as in real pictures" in text
