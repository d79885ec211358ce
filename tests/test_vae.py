"""The VAE learns pictures of two domains by heart, and walks among their codes as it is asked to."""

from __future__ import annotations

import pytest
import torch
from fitting import fit, scenes
from small import SMALL
from torch import Tensor

from diptych.errors import ConfigError
from diptych.methods.vae import VAE
from diptych.nn.gaussian import Gaussian
from diptych.runtime.speed import PLAIN
from diptych.testing import batch, begin, bundle
from diptych.training.trainer import Trainer

BRIGHTER = 0.7


@pytest.fixture(scope="module")
def domains() -> dict[str, Tensor]:
    """Scenes, and the same ones brighter: what differs is the light alone."""
    dark = scenes(6) * 0.3 - 0.35
    return {"a": dark, "b": dark.flip(0) + BRIGHTER}


@pytest.fixture(scope="module")
def vae(domains: dict[str, Tensor]) -> VAE:
    torch.manual_seed(0)
    return fit(VAE(code=8, downs=2, width=16), domains, 150, lr_scale=5.0)


@pytest.fixture
def fresh() -> VAE:
    torch.manual_seed(0)
    method = VAE(**SMALL["vae"]).eval().requires_grad_(False)
    method.autoencoder.means.see(0, torch.randn(1, 4))
    method.autoencoder.means.see(1, torch.randn(1, 4))
    return method


def test_a_handful_of_pictures_of_both_domains_is_learnt_by_heart(vae: VAE, domains: dict[str, Tensor]) -> None:
    for to, pictures in (("b", domains["a"]), ("a", domains["b"])):
        assert (vae.translate(pictures, to=to, strength=0.0) - pictures).abs().mean() < 0.1


def test_the_way_between_the_means_translates(vae: VAE, domains: dict[str, Tensor]) -> None:
    a, b = domains["a"], domains["a"] + BRIGHTER
    assert (vae.translate(a) - b).abs().mean() < 0.4 * BRIGHTER
    assert (vae.translate(b, to="a") - a).abs().mean() < 0.4 * BRIGHTER
    light = [vae.translate(a, strength=s).mean().item() for s in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert light == sorted(light)


def test_the_code_walks_from_one_mean_to_the_other(fresh: VAE) -> None:
    x, means = scenes(2), fresh.autoencoder.means
    apart = (means.mean(1) - means.mean(0)).view(-1, 1, 1)
    code, decode = fresh.code(x), fresh.autoencoder.decoder
    torch.testing.assert_close(fresh.translate(x, strength=0.0), decode(code))
    torch.testing.assert_close(fresh.translate(x, strength=0.3), decode(code + 0.3 * apart))
    torch.testing.assert_close(fresh.translate(x), decode(code + apart))
    torch.testing.assert_close(fresh.translate(x, to="a"), decode(code - apart))


def test_chance_leads_from_the_picture_to_one_that_the_seed_alone_decides(fresh: VAE) -> None:
    x, other = scenes(2).split(1)
    assert torch.equal(fresh.translate(x, seed=1), fresh.translate(x, seed=2))
    assert not torch.equal(fresh.translate(x, seed=1, chance=0.5), fresh.translate(x, seed=2, chance=0.5))
    assert not torch.allclose(fresh.translate(x, seed=1, chance=0.5), fresh.translate(other, seed=1, chance=0.5))
    assert torch.equal(fresh.translate(x, seed=1, chance=1.0), fresh.translate(other, seed=1, chance=1.0))


def test_a_style_picture_is_the_other_end_of_a_way(fresh: VAE) -> None:
    x, example = scenes(2).split(1)
    decode = fresh.autoencoder.decoder
    assert torch.equal(fresh.translate(x, style=example, style_strength=0.0), fresh.translate(x))
    assert torch.equal(fresh.translate(x, style_strength=0.9), fresh.translate(x)), "there is none"
    torch.testing.assert_close(fresh.translate(x, style=example, style_strength=1.0), decode(fresh.code(example)))
    between = fresh.code(x).lerp(fresh.code(example), 0.5)
    torch.testing.assert_close(fresh.translate(x, style=example, strength=0.0), decode(between))


def test_a_style_picture_may_have_another_size(fresh: VAE) -> None:
    made = fresh.translate(scenes(2), style=torch.zeros(1, 3, 24, 40))
    assert made.shape == (2, 3, 16, 16)


def test_the_means_are_those_of_the_codes_seen_also_for_a_batch_in_parts() -> None:
    trainers = [begin(VAE, SMALL["vae"], micro_batch=size, lr_scale=0.0) for size in (0, 1)]
    pictures = batch(trainers[0].method, size=4)
    for trainer in trainers:
        trainer.step(pictures)
    for kind, domain in enumerate("ab"):
        whole, parts = (trainer.method.autoencoder.means.mean(kind) for trainer in trainers)
        torch.testing.assert_close(whole, parts)
        seen = trainers[0].method.code(pictures[domain]).mean((2, 3))
        torch.testing.assert_close(whole, seen.mean(0), rtol=0.01, atol=1e-3)


def test_the_loss_is_made_of_the_terms_it_says() -> None:
    method = VAE(**SMALL["vae"], kl=0.5, warmup=0.5, loss="l2")
    method.progress = 0.25
    pictures = batch(method)
    torch.manual_seed(0)
    (step,) = method.steps(**pictures)
    q = Gaussian.of(method.autoencoder.encoder(pictures["a"]))
    assert step.terms.keys() == {"l2_a", "l2_b", "kl_a", "kl_b"}
    torch.testing.assert_close(step.terms["kl_a"], 0.25 * q.divergence().sum(1).mean())


def test_free_bits_keep_the_code_from_being_nothing() -> None:
    left = []
    for free_bits in (0.0, 0.5):
        torch.manual_seed(0)
        trainer = Trainer(VAE(**SMALL["vae"], kl=100.0, free_bits=free_bits), images=120, speed=PLAIN, lr_scale=10.0)
        pictures = {"a": scenes(2), "b": scenes(2).flip(0)}
        for _ in range(60):
            trainer.step(pictures)
        q = Gaussian.of(trainer.method.autoencoder.encoder(scenes(2)))
        left.append(q.divergence().mean().item())
    assert left[0] < 0.02
    assert left[1] > 3 * left[0]


def test_several_answers_need_chance() -> None:
    translator = bundle(VAE, SMALL["vae"])
    picture = scenes(1)[0].permute(1, 2, 0).numpy() / 2 + 0.5
    with pytest.raises(ConfigError, match=r"every answer would be the same .* they differ with chance=0.5"):
        translator.samples(picture, 2)
    one, other = translator.samples(picture, 2, chance=0.5, style=picture, to="the b")
    assert (one.array != other.array).any()


def test_domains_of_different_channels_are_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="a has 1, b has 3: make them alike, or choose unit"):
        VAE(a_channels=1, b_channels=3)
