"""Metrics of two sets of pictures, and of several answers: closed forms, properties, and figures of real pictures."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from diptych import metrics
from diptych.errors import ConfigError, DataError, WeightsError
from diptych.evaluation.sets import ARTEFACTS, MANIFOLD
from diptych.metrics import lpips_squeeze, psnr, samples, sets, squeezenet
from diptych.metrics.interval import jackknife
from diptych.metrics.sets import fd_squeezenet, halves, kd_squeezenet
from diptych.nn.perceptual import LPIPS, SqueezeNet

SHARED = Path(__file__).parents[2] / "shared"
WEIGHTS = Path(os.environ.get("DIPTYCH_WEIGHTS") or SHARED / "weights")
HORSES = Path(os.environ.get("DIPTYCH_DATA") or SHARED / "data") / "horse2zebra-128"

OF_FEATURES = sorted(set(sets.names()) - set(ARTEFACTS))
"""The metrics of features of any kind; what tells of artefacts has features of its own."""
DISTANCES = sorted(set(OF_FEATURES) - set(MANIFOLD))


def cloud(count: int, dims: int = 6, shift: float = 0.0, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    """Features `N D` of a round normal distribution."""
    return np.random.default_rng(seed).normal(shift, scale, (count, dims))


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DIPTYCH_WEIGHTS", raising=False)


@pytest.fixture
def untrained(monkeypatch):
    """The networks with random weights, in place of the published ones."""
    torch.manual_seed(0)
    network, judge = SqueezeNet(), LPIPS()
    monkeypatch.setattr(squeezenet, "locate", lambda name: Path(name))
    monkeypatch.setattr(lpips_squeeze, "locate", lambda name: Path(name))
    monkeypatch.setattr(squeezenet, "trained", lambda path: network)
    monkeypatch.setattr(lpips_squeeze, "load", lambda linear, path: judge)


# --- Every set metric ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sets.names())
def test_every_set_metric_states_its_protocol_in_one_sentence_and_which_way_is_better(name):
    metric = sets.find(name)
    assert len(metric.PROTOCOL) > 20
    assert "\n" not in metric.PROTOCOL
    assert not metric.PROTOCOL.endswith(".")
    assert metric.BETTER in ("higher", "lower")


@pytest.mark.parametrize("name", DISTANCES)
def test_the_distance_is_symmetric_and_grows_with_a_shift_and_with_a_change_of_spread(name):
    distance = sets.find(name).distance
    a = cloud(80)
    assert distance(a, cloud(60, seed=1)) == pytest.approx(distance(cloud(60, seed=1), a))
    shifted = [distance(a, cloud(60, shift=shift, seed=1)) for shift in (0, 0.5, 1, 2)]
    wider = [distance(a, cloud(60, scale=scale, seed=1)) for scale in (1, 1.5, 2, 3)]
    assert shifted == sorted(shifted)
    assert wider == sorted(wider)


@pytest.mark.parametrize("name", OF_FEATURES)
def test_the_order_of_the_pictures_does_not_matter_to_the_distance(name):
    a, b = cloud(30), cloud(40, shift=1, seed=1)
    assert sets.find(name).distance(a[::-1], b) == pytest.approx(sets.find(name).distance(a, b))


@pytest.mark.parametrize("name", OF_FEATURES)
def test_the_interval_holds_the_value_is_the_same_for_the_same_seed_and_shrinks_with_more_pictures(name):
    compare = sets.find(name).compare
    a, b = cloud(200), cloud(200, shift=0.7, seed=1)
    many = compare(a, b, size=200)
    few = compare(a[:20], b[:20], size=20)
    assert many == compare(a, b, size=200)
    assert many != compare(a, b, size=200, seed=1)
    assert many.low < many.value < many.high
    assert many.high - many.low < few.high - few.low


@pytest.mark.parametrize("name", OF_FEATURES)
def test_the_interval_covers_the_distance_about_as_often_as_it_says(name):
    """Of the mean over many data sets of this size, which for a biased metric is not the distance of endless ones."""
    compare, rng = sets.find(name).compare, np.random.default_rng(0)
    found = []
    for seed in range(40):
        a, b = rng.normal(size=(40, 4)), rng.normal(0.6, 1.3, size=(50, 4))
        found.append(compare(a, b, size=20, seed=seed))
    truth = np.mean([interval.value for interval in found])
    covered = np.mean([interval.low < truth < interval.high for interval in found])
    assert 0.85 <= covered <= 1


@pytest.mark.parametrize("name", DISTANCES)
def test_halves_of_one_set_are_as_far_apart_as_two_such_sets_and_nearer_than_another_set(name):
    metric = sets.find(name)
    real = cloud(60)
    chance = halves(metric, real, size=30)
    alike = np.mean([metric.distance(cloud(30, seed=seed), cloud(30, seed=seed + 50)) for seed in range(50)])
    assert chance.low < alike < chance.high
    assert chance.low < chance.value < chance.high
    assert chance == halves(metric, real, size=30)
    assert chance.high < metric.compare(cloud(40, shift=2, seed=1), real, size=30).low


@pytest.mark.parametrize("name", OF_FEATURES)
def test_one_picture_is_no_set(name):
    for a, b in ((cloud(1), cloud(5)), (cloud(5), cloud(1))):
        with pytest.raises(DataError, match="needs two pictures"):
            sets.find(name).distance(a, b)


@pytest.mark.parametrize("name", OF_FEATURES)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_handful_of_pictures_gives_finite_numbers(name, count):
    metric = sets.find(name)
    interval = metric.compare(cloud(count), cloud(count, seed=1), size=count)
    assert np.isfinite(interval).all()
    assert interval.low <= interval.value <= interval.high or name.startswith("kd")


def test_a_mistyped_set_metric_is_answered_with_the_nearest_name_and_a_metric_of_pairs_is_none(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="did you mean 'fd_squeezenet'"):
        sets.find("fd_squezenet")
    with pytest.raises(ConfigError, match=r"not a set metric: it lacks BIASED, compare, distance, features"):
        sets.find("diptych.metrics.psnr")
    assert not set(sets.names()) & set(metrics.names())


# --- Frechet distance ------------------------------------------------------------------------------------------------


def test_a_set_is_at_no_frechet_distance_from_itself_though_it_is_smaller_than_its_dimensions():
    for count in (10, 512, 700):
        features = 5 * cloud(count, dims=512) + 3
        assert fd_squeezenet.distance(features, features) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(("n", "m", "dims"), [(50, 40, 3), (40, 90, 8), (12, 9, 8)])
def test_frechet_distance_is_that_of_its_definition(n, m, dims):
    """|m1 - m2|^2 + tr(S1 + S2 - 2 sqrt(S1 S2)), taken literally; a root's trace is the sum of roots of eigenvalues."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(n, dims)) @ rng.normal(size=(dims, dims)), rng.normal(1, 2, size=(m, dims))
    s1, s2 = np.cov(a.T), np.cov(b.T)
    root = np.sqrt(np.linalg.eigvals(s1 @ s2).real.clip(min=0)).sum()
    literal = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s1 + s2) - 2 * root
    assert fd_squeezenet.distance(a, b) == pytest.approx(literal, rel=1e-9)


def test_frechet_distance_of_round_gaussians_is_what_one_computes_by_hand():
    """|shift|^2 + D (s1 - s2)^2, reached from above as the pictures become many."""
    a, b = cloud(60_000, dims=4), cloud(60_000, dims=4, shift=0.5, scale=3, seed=1)
    assert fd_squeezenet.distance(a, b) == pytest.approx(4 * 0.5**2 + 4 * (3 - 1) ** 2, rel=0.01)


def test_fewer_pictures_give_a_higher_frechet_distance_which_is_why_numbers_are_made_equal():
    a, b = cloud(400, dims=20), cloud(400, dims=20, seed=1)
    means = [fd_squeezenet.compare(a, b, size=size).value for size in (25, 50, 100, 200)]
    assert means == sorted(means, reverse=True)
    assert means[0] > 4 * means[-1]


def test_groups_of_unequal_numbers_do_not_widen_the_interval_of_the_frechet_distance():
    """30 pictures in 20 groups: without one of them 28 or 29 are left, which alone changes the distance."""
    widths = []
    for count in (40, 30):
        clouds = [(cloud(count, dims=300, seed=seed), cloud(count, dims=300, seed=seed + 9)) for seed in range(3)]
        found = [fd_squeezenet.compare(a, b, size=count) for a, b in clouds]
        widths.append(np.mean([high - low for _, low, high in found]))
    assert widths[1] < 1.3 * widths[0]


def test_a_shift_of_all_pictures_adds_its_square_to_the_frechet_distance():
    a = cloud(30, dims=64)
    assert fd_squeezenet.distance(a, a + 2) == pytest.approx(64 * 2**2)


def test_the_jackknife_of_a_mean_is_the_standard_error():
    values = np.random.default_rng(0).normal(5, 2, 40)
    value, low, high = jackknife(values.mean(), [np.delete(values, k).mean() for k in range(40)])
    error = values.std(ddof=1) / np.sqrt(40)
    assert (value - low) / error == pytest.approx(1.96, abs=1e-3)
    assert (high - value) / error == pytest.approx(1.96, abs=1e-3)


# --- Kernel distance -------------------------------------------------------------------------------------------------


def test_kernel_distance_is_that_of_its_definition():
    a, b = cloud(5, dims=3), cloud(4, dims=3, shift=1, seed=1)

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 3 + 1) ** 3)

    within = [[k(x, y) for i, x in enumerate(some) for j, y in enumerate(some) if i != j] for some in (a, b)]
    between = [k(x, y) for x in a for y in b]
    literal = np.mean(within[0]) + np.mean(within[1]) - 2 * np.mean(between)
    assert kd_squeezenet.distance(a, b) == pytest.approx(literal)


def test_kernel_distance_has_no_bias_for_any_number_of_pictures():
    rng = np.random.default_rng(0)
    for count in (3, 10, 40):
        found = [
            kd_squeezenet.distance(rng.normal(size=(count, 4)), rng.normal(size=(count, 4)))
            for _ in range(12_000 // count**2 + 100)
        ]
        assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))
        assert np.min(found) < 0


def test_kernel_distance_sees_what_means_and_spreads_do_not():
    """Two values against a normal distribution of the same mean and spread; the third moments tell a skewed one."""
    rng = np.random.default_rng(0)
    normal, skewed = rng.normal(size=(500, 2)), rng.exponential(size=(500, 2)) - 1
    assert kd_squeezenet.compare(skewed, normal, size=0).low > kd_squeezenet.distance(normal, -normal)


def test_bootstrap_samples_of_the_kernel_distance_are_about_the_value_and_not_above_it():
    """Were copies compared with each other, every sample would lie higher by about 2 (E k(x, x) - E k(x, y)) / N."""
    a, b = cloud(20, dims=30), cloud(20, dims=30, shift=0.3, seed=1)
    value, low, high = kd_squeezenet.compare(a, b, size=0)
    assert value - low == pytest.approx(high - value, rel=0.35)


# --- Neighbours ------------------------------------------------------------------------------------------------------


def by_definition(name: str, a: np.ndarray, b: np.ndarray) -> float:
    """Of outputs a and real pictures b, one after the other, as the papers write it."""

    def ball(own: np.ndarray, at: int, k: int) -> float:
        return sorted(np.linalg.norm(own[at] - other) for n, other in enumerate(own) if n != at)[k - 1]

    def inside(x: np.ndarray, own: np.ndarray, k: int) -> list[bool]:
        return [bool(np.linalg.norm(x - own[at]) <= ball(own, at, k)) for at in range(len(own))]

    if name == "precision_squeezenet":
        return float(np.mean([any(inside(x, b, 3)) for x in a]))
    if name == "recall_squeezenet":
        return float(np.mean([any(inside(y, a, 3)) for y in b]))
    if name == "density_squeezenet":
        return sum(sum(inside(x, b, 5)) for x in a) / (5 * len(a))
    return float(np.mean([any(np.linalg.norm(x - b[at]) <= ball(b, at, 5) for x in a) for at in range(len(b))]))


@pytest.mark.parametrize("name", MANIFOLD)
@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.8, 0.6), (0.3, 1.8)])
def test_shares_of_neighbours_are_those_of_their_definitions(name, shift, scale):
    a, b = cloud(25, shift=shift, scale=scale), cloud(31, seed=1)
    assert sets.find(name).distance(a, b) == pytest.approx(by_definition(name, a, b))


def test_what_is_missing_and_what_is_foreign_are_told_apart():
    real = np.concatenate([cloud(60), cloud(60, shift=30, seed=1)])
    half = cloud(120, seed=2)  # one kind of two, well made
    astray = np.concatenate([real[::2] + 0.01, cloud(60, shift=-40, seed=3)])  # both kinds, and as much of a third
    found = {
        one: {name: sets.find(name).distance(made, real) for name in MANIFOLD}
        for one, made in (("half", half), ("astray", astray))
    }
    for like_real, complete in (("precision", "recall"), ("density", "coverage")):
        half, astray = ([of[f"{name}_squeezenet"] for name in (like_real, complete)] for of in found.values())
        assert half[0] > half[1] + 0.25
        assert astray[1] > astray[0] + 0.25


# --- Features --------------------------------------------------------------------------------------------------------


def test_features_are_512_numbers_for_each_picture_the_same_alone_and_in_a_batch(untrained):
    pictures = noise(3, 3, 40, 56)
    together = squeezenet.features(pictures)
    assert together.shape == (3, 512)
    assert together.dtype == np.float64
    alone = np.concatenate([squeezenet.features(pictures[k : k + 1]) for k in range(3)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_both_set_metrics_look_with_the_same_eyes_so_that_pictures_are_looked_at_once():
    assert fd_squeezenet.features is kd_squeezenet.features


def test_a_grey_picture_is_its_channel_three_times(untrained):
    grey = noise(1, 1, 24, 24)
    np.testing.assert_allclose(squeezenet.features(grey), squeezenet.features(grey.repeat(1, 3, 1, 1)), atol=1e-6)


def test_other_channels_are_refused_in_words(untrained):
    with pytest.raises(DataError, match=r"grey or colour.*4 channels"):
        squeezenet.features(noise(1, 4, 24, 24))


def test_features_without_weights_name_the_command_that_fetches_them():
    with pytest.raises(WeightsError, match="diptych weights fetch squeezenet"):
        squeezenet.features(noise(1, 3, 24, 24))


def test_a_picture_is_normalised_as_in_the_training_of_the_network(untrained, monkeypatch):
    seen = []
    network = SimpleNamespace(to=lambda device: lambda x: seen.append(x) or [x])
    monkeypatch.setattr(squeezenet, "trained", lambda path: network)
    squeezenet.features(torch.zeros(1, 3, 10, 20))
    assert seen[0].shape == (1, 3, 224, 224)
    expected = (0.5 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(seen[0][0, :, 100, 100], expected)


# --- Several answers -------------------------------------------------------------------------------------------------


def test_equal_answers_have_no_diversity_and_others_the_mean_of_all_pairs(untrained):
    answers = noise(4, 3, 32, 32)
    assert samples.diversity(answers[:1].repeat(3, 1, 1, 1)) == 0
    pairs = [(i, j) for i in range(4) for j in range(i)]
    literal = np.mean([lpips_squeeze.measure(answers[i : i + 1], answers[j : j + 1]).item() for i, j in pairs])
    assert samples.diversity(answers) == pytest.approx(literal, rel=1e-5)


def test_one_answer_has_no_diversity(untrained):
    with pytest.raises(DataError, match="several answers"):
        samples.diversity(noise(1, 3, 32, 32))


def test_the_best_answer_is_the_highest_or_the_lowest_as_the_metric_has_it():
    target = torch.zeros(1, 3, 16, 16)
    answers = torch.stack([torch.full((3, 16, 16), value) for value in (0.1, 0.2, 0.4)])
    best, mean = samples.best_and_mean(metrics.find("l1"), answers, target)
    assert (best, mean) == (pytest.approx(0.1), pytest.approx(0.7 / 3))
    best, mean = samples.best_and_mean(psnr, answers, target)
    assert best == pytest.approx(20 * np.log10(2 / 0.1), abs=1e-4)


# --- Real pictures ---------------------------------------------------------------------------------------------------


def test_real_zebras_are_nearer_to_real_zebras_than_horses_are(monkeypatch):
    from diptych.images import match_channels, read, to_unit

    if not HORSES.exists() or not (WEIGHTS / "squeezenet1_1-imagenet.fp16.safetensors").exists():
        pytest.skip("needs horse2zebra-128 in DIPTYCH_DATA and SqueezeNet in DIPTYCH_WEIGHTS")
    monkeypatch.setenv("DIPTYCH_WEIGHTS", str(WEIGHTS))

    def seen(folder: str, count: int) -> np.ndarray:
        paths = sorted((HORSES / folder).glob("*.jpg"))[:count]
        return squeezenet.features(
            torch.stack([to_unit(match_channels(read(path).array, 3), 0, 255) for path in paths])
        )

    horses, zebras = seen("testA", 12), seen("testB", 24)
    for metric in (fd_squeezenet, kd_squeezenet):
        assert metric.compare(horses, zebras, size=12).value > halves(metric, zebras, size=12).high
