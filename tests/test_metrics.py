"""Metrics: known numbers, agreement with torchmetrics and with the figures measured on real pictures."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from diptych import metrics
from diptych.errors import ConfigError, DataError, WeightsError
from diptych.metrics import correlation, features_resnet_nsfw, l1, lpips_squeeze, ms_ssim, psnr, ssim
from diptych.metrics.interval import bootstrap
from diptych.nn.perceptual import LPIPS, SqueezeNet
from diptych.nn.thin_resnet import ThinResNet
from diptych.storage import weights

SHARED = Path(__file__).parents[2] / "shared"
WEIGHTS = Path(os.environ.get("DIPTYCH_WEIGHTS") or SHARED / "weights")
FACADES = Path(os.environ.get("DIPTYCH_DATA") or SHARED / "data") / "facades" / "test"
LINEAR, SQUEEZENET = "lpips-v0.1-squeeze.pth", "squeezenet1_1-imagenet.fp16.safetensors"


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture
def untrained(tmp_path, monkeypatch):
    """The networks that score with random weights; LPIPS's in the files and under the names of the published ones."""
    torch.manual_seed(0)
    second = ThinResNet().eval().requires_grad_(False)
    monkeypatch.setattr(features_resnet_nsfw, "judge", lambda pictures: second)
    net, layers = SqueezeNet().state_dict(), LPIPS().weights
    torch.save(net | {"classifier.1.bias": torch.zeros(1000)}, tmp_path / "squeezenet1_1-b8a52dc0.pth")
    linear = {f"lin{k}.model.1.weight": torch.rand_like(weight) for k, weight in enumerate(layers)}
    torch.save(linear, tmp_path / LINEAR)
    for name, part in weights.PARTS.items():
        digests = {file: (weights.sha256(tmp_path / file),) for file in part.files if (tmp_path / file).exists()}
        monkeypatch.setitem(weights.PARTS, name, weights.Part(part.what, part.url, digests, part.terms))
    monkeypatch.setenv("DIPTYCH_WEIGHTS", str(tmp_path))
    return tmp_path


@pytest.fixture
def published(monkeypatch):
    if not (WEIGHTS / LINEAR).exists():
        pytest.skip(f"needs {LINEAR} in DIPTYCH_WEIGHTS")
    monkeypatch.setenv("DIPTYCH_WEIGHTS", str(WEIGHTS))


def facades(count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Label map and photo of the first test pictures, `1 3 256 256`."""
    from diptych.images import read, to_unit

    if not FACADES.exists():
        pytest.skip("needs facades/test in DIPTYCH_DATA")
    pictures = [to_unit(read(path).array, 0, 255)[None] for path in sorted(FACADES.glob("*.jpg"))[:count]]
    return [(picture[..., 256:], picture[..., :256]) for picture in pictures]


SIDES = {"ms_ssim": (176, 183)}
"""Of the pictures that a metric needs to be larger than a few pixels."""


@pytest.mark.parametrize("name", metrics.names())
def test_every_metric_states_its_protocol_in_one_sentence_and_which_way_is_better(name):
    metric = metrics.find(name)
    assert len(metric.PROTOCOL) > 20
    assert "\n" not in metric.PROTOCOL
    assert not metric.PROTOCOL.endswith(".")
    assert metric.BETTER in ("higher", "lower")


@pytest.mark.parametrize("name", metrics.names())
def test_every_metric_gives_one_number_per_picture_and_gets_worse_with_noise(name, untrained):
    metric = metrics.find(name)
    shape = (2, 3, *SIDES.get(name, (32, 40)))
    target = noise(*shape)
    slight, strong = target + 0.1 * noise(*shape, seed=1), target + 0.8 * noise(*shape, seed=1)
    good, bad = metric.measure(slight, target), metric.measure(strong, target)
    assert good.shape == bad.shape == (2,)
    assert bool((good > bad).all() if metric.BETTER == "higher" else (good < bad).all())


@pytest.mark.parametrize("name", metrics.names())
def test_a_picture_scores_the_same_alone_and_in_a_batch(name, untrained):
    measure = metrics.find(name).measure
    shape = (3, 3, *SIDES.get(name, (33, 41)))
    output, target = noise(*shape), noise(*shape, seed=1)
    alone = torch.cat([measure(output[k : k + 1], target[k : k + 1]) for k in range(3)])
    torch.testing.assert_close(measure(output, target), alone)


@pytest.mark.parametrize("name", ["psnr", "ssim", "l1"])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_pixel_metrics_take_any_number_of_channels(name, channels):
    value = metrics.find(name).measure(noise(1, channels, 16, 16), noise(1, channels, 16, 16, seed=1))
    assert math.isfinite(value.item())


def test_psnr_and_l1_of_a_constant_difference_are_what_one_computes_by_hand():
    target = torch.zeros(1, 3, 4, 4)
    assert psnr.measure(target + 0.5, target).item() == pytest.approx(10 * math.log10(4 / 0.25))
    assert l1.measure(target + 0.5, target).item() == pytest.approx(0.5)


def test_black_taken_for_white_has_no_decibels_at_all():
    assert psnr.measure(-torch.ones(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item() == pytest.approx(0)


def test_equal_pictures_score_100_decibels_so_that_a_mean_stays_finite():
    picture = noise(2, 3, 16, 16)
    assert psnr.measure(picture, picture).tolist() == [100, 100]


def test_equal_pictures_are_wholly_similar_and_at_no_distance(untrained):
    picture = noise(1, 3, 32, 32)
    assert ssim.measure(picture, picture).item() == pytest.approx(1)
    assert l1.measure(picture, picture).item() == 0
    assert lpips_squeeze.measure(picture, picture).item() == 0


@pytest.mark.parametrize("shape", [(2, 3, 40, 33), (1, 1, 11, 11)])
def test_psnr_and_ssim_agree_with_torchmetrics(shape):
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    target = noise(*shape)
    output = (target + 0.4 * noise(*shape, seed=1)).clamp(-1, 1)
    similarity = structural_similarity_index_measure(output, target, data_range=2.0, reduction="none")
    torch.testing.assert_close(ssim.measure(output, target), similarity.reshape(-1), atol=1e-5, rtol=0)
    decibels = peak_signal_noise_ratio(output, target, data_range=2.0, dim=(1, 2, 3), reduction="none")
    torch.testing.assert_close(psnr.measure(output, target), decibels.reshape(-1))


@pytest.mark.parametrize("shape", [(2, 3, 180, 201), (1, 1, 176, 176)])
def test_ms_ssim_agrees_with_torchmetrics(shape):
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    target = noise(*shape)
    output = (target + 0.4 * noise(*shape, seed=1)).clamp(-1, 1)
    expected = multiscale_structural_similarity_index_measure(output, target, data_range=2.0, reduction="none")
    torch.testing.assert_close(ms_ssim.measure(output, target), expected.reshape(-1), atol=1e-5, rtol=0)
    assert ms_ssim.measure(-target, target).tolist() == [0] * len(target), "never below it"


@pytest.mark.parametrize(("metric", "smallest"), [(ssim, 11), (lpips_squeeze, 17), (ms_ssim, 176)])
def test_a_picture_too_small_for_a_metric_is_refused_in_words(metric, smallest, untrained):
    assert metric.measure(noise(1, 3, smallest, smallest), noise(1, 3, smallest, smallest)).shape == (1,)
    with pytest.raises(DataError, match=f"{smallest} pixels.* 30 x {smallest - 1} is smaller"):
        metric.measure(noise(1, 3, smallest - 1, 30), noise(1, 3, smallest - 1, 30))


def test_lpips_sees_a_grey_picture_as_its_channel_three_times(untrained):
    output, target = noise(1, 1, 32, 32), noise(1, 1, 32, 32, seed=1)
    repeated = lpips_squeeze.measure(output.repeat(1, 3, 1, 1), target.repeat(1, 3, 1, 1))
    torch.testing.assert_close(lpips_squeeze.measure(output, target), repeated)


def test_lpips_refuses_four_channels_in_words(untrained):
    with pytest.raises(DataError, match=r"grey or colour.*4 channels"):
        lpips_squeeze.measure(noise(1, 4, 32, 32), noise(1, 4, 32, 32))


def test_lpips_without_its_weights_names_the_command_that_fetches_them(tmp_path, monkeypatch):
    monkeypatch.setenv("DIPTYCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="diptych weights fetch lpips_squeeze"):
        lpips_squeeze.measure(noise(1, 3, 32, 32), noise(1, 3, 32, 32))


def test_lpips_is_differentiable_so_that_it_can_be_a_loss():
    output = noise(1, 3, 32, 32).requires_grad_()
    LPIPS()(output, noise(1, 3, 32, 32, seed=1)).sum().backward()
    assert output.grad is not None
    assert output.grad.abs().sum() > 0


def test_squeezenet_gives_seven_scales_of_the_published_widths():
    taps = SqueezeNet()(noise(1, 3, 64, 64))
    assert tuple(tap.shape[1] for tap in taps) == SqueezeNet.channels
    assert [tap.shape[2] for tap in taps] == [31, 15, 7, 3, 3, 3, 3]


def test_the_published_linear_layers_load_from_the_old_file_format_too(published):
    """torchmetrics carries the publisher's own file, in the format of old and saved on a GPU."""
    import torchmetrics

    original = Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models" / "squeeze.pth"
    if not original.exists():
        pytest.skip("this torchmetrics carries no LPIPS weights")
    assert weights.sha256(original) == weights.PARTS["lpips_squeeze"].files[LINEAR][0]
    new, old = (lpips_squeeze.load(path, WEIGHTS / SQUEEZENET).weights for path in (WEIGHTS / LINEAR, original))
    assert all(torch.equal(a, b) for a, b in zip(new, old, strict=True))


def test_a_few_real_pictures_score_as_they_did_when_all_were_compared(published):
    """The label map taken as the photo, on three of the pictures of the next test."""
    scores = [lpips_squeeze.measure(*pair).item() for pair in facades(3)]
    assert np.mean(scores) == pytest.approx(0.6855, abs=2e-4)


@pytest.mark.slow
def test_the_label_map_taken_as_the_photo_scores_as_the_reference_says(published):
    """shared/reference/CURVES.md: 0.6762 and 6.44 dB over the 100 test pictures of facades."""
    pairs = facades(100)
    assert len(pairs) == 100
    assert np.mean([lpips_squeeze.measure(*pair).item() for pair in pairs]) == pytest.approx(0.6762, abs=1e-4)
    assert np.mean([psnr.measure(*pair).item() for pair in pairs]) == pytest.approx(6.44, abs=5e-3)


def test_a_mistyped_metric_is_answered_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'psnr'"):
        metrics.find("psrn")


def test_a_metric_from_elsewhere_is_found_by_its_dotted_name(tmp_path, monkeypatch):
    (tmp_path / "my_lab_metrics").mkdir()
    source = "PROTOCOL, BETTER = 'the lab way', 'lower'\ndef measure(output, target): return output\n"
    (tmp_path / "my_lab_metrics" / "ours.py").write_text(source)
    (tmp_path / "my_lab_metrics" / "none.py").write_text("BETTER = 'lower'\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert metrics.find("my_lab_metrics.ours").PROTOCOL == "the lab way"
    with pytest.raises(ConfigError, match="lacks PROTOCOL, measure"):
        metrics.find("my_lab_metrics.none")


def test_the_interval_is_the_same_for_the_same_seed_and_holds_the_mean():
    values = np.random.default_rng(3).normal(size=50).tolist()
    first = bootstrap(values, seed=1)
    assert first == bootstrap(values, seed=1)
    assert first != bootstrap(values, seed=2)
    assert first.low < first.value < first.high
    assert first.value == pytest.approx(np.mean(values))


def test_one_value_alone_is_its_own_interval():
    assert bootstrap([0.25]) == (0.25, 0.25, 0.25)


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [bootstrap(rng.normal(5, 2, size=50).tolist(), samples=400) for _ in range(200)]
    covered = np.mean([low < 5 < high for _, low, high in intervals])
    assert 0.88 < covered < 0.99


def test_the_interval_of_many_values_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(size=500)
    mean, low, high = bootstrap(values.tolist())
    expected = 1.96 * values.std() / math.sqrt(500)
    assert mean - low == pytest.approx(expected, rel=0.06)
    assert high - mean == pytest.approx(expected, rel=0.06)


def test_a_wider_level_gives_a_wider_interval():
    values = np.random.default_rng(0).normal(size=40).tolist()
    narrow, wide = bootstrap(values, level=0.5), bootstrap(values, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_the_interval_of_skewed_scores_covers_the_true_mean_almost_as_often():
    """benchmarks/intervals.py has the table. The percentile interval covers 90 of 100 here."""
    rng = np.random.default_rng(1)
    intervals = [bootstrap(rng.lognormal(size=60).tolist(), samples=1000, seed=k) for k in range(600)]
    assert np.mean([low <= math.exp(0.5) <= high for _, low, high in intervals]) > 0.93


@pytest.mark.parametrize(
    "values", [[1.0, 2.0], [0.0, 0.0, 9.0], [3.0] * 5, [0.0] * 30 + [1.0], [1e-9, 2e-9, 5e-9, 1e-9]]
)
def test_the_interval_of_few_or_equal_values_is_within_them(values: list[float]):
    mean, low, high = bootstrap(values)
    assert min(values) <= low <= mean <= high <= max(values)
    assert (low == high) == (len(set(values)) == 1)


def test_correlation_tells_light_from_dark_whatever_their_levels_and_is_zero_for_even_pictures() -> None:
    x = noise(2, 3, 8, 8)
    assert correlation.measure(0.1 * x + 0.3, x).tolist() == pytest.approx([1, 1])
    assert correlation.measure(-x, x).tolist() == pytest.approx([-1, -1])
    assert correlation.measure(torch.ones(2, 1, 8, 8), x).tolist() == [0, 0]
