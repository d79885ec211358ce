"""UNIT and MUNIT: two ways, styles that are drawn, taken from a picture or mixed, and what their networks promise."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from small import SMALL
from torch import Tensor, nn

from diptych.methods.munit import MUNIT
from diptych.methods.unit import UNIT
from diptych.nn.blocks import AdaptiveResidual
from diptych.nn.multiscale import MultiScale
from diptych.nn.norms import LayerNorm
from diptych.nn.ops.instance_norm import adaptive_instance_norm, instance_norm
from diptych.nn.perceptual import VGG, DomainInvariant
from diptych.runtime.speed import PLAIN, called
from diptych.storage import weights
from diptych.training.trainer import Trainer

SIZE = 32


def pictures(count: int = 2, channels: int = 3, seed: int = 0) -> Tensor:
    return torch.rand(count, channels, SIZE, SIZE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture
def munit() -> MUNIT:
    torch.manual_seed(0)
    return MUNIT(**SMALL["munit"]).eval().requires_grad_(False)


@pytest.mark.parametrize("method", [UNIT, MUNIT])
def test_each_way_leads_to_the_channels_of_its_domain(method):
    both = method(**SMALL[method.__name__.lower()] | {"a_channels": 1, "b_channels": 3})
    assert both.translate(pictures(channels=1), to="b").shape == (2, 3, SIZE, SIZE)
    assert both.translate(pictures(channels=3), to="a").shape == (2, 1, SIZE, SIZE)


@pytest.mark.parametrize("method", [UNIT, MUNIT])
def test_domains_of_different_channels_train(method):
    options = SMALL[method.__name__.lower()] | {"a_channels": 1, "b_channels": 3}
    trainer = Trainer(method(**options), images=2, speed=PLAIN)
    trainer.step({"a": pictures(channels=1), "b": pictures(channels=3)})
    assert trainer.losses()


def test_the_two_ways_of_unit_are_encoder_and_decoder_of_the_two_domains():
    method = UNIT(**SMALL["unit"])
    x = pictures()
    assert torch.equal(method.translate(x, to="b"), method.b.decoder(method.a.encoder(x)))
    assert torch.equal(method.translate(x, to="a"), method.a.decoder(method.b.encoder(x)))


def test_one_seed_is_one_style_for_every_picture_of_a_batch(munit):
    one = pictures(1)
    answers = munit.translate(one.repeat(3, 1, 1, 1), seed=5)
    assert torch.equal(answers, munit.translate(one.repeat(3, 1, 1, 1), seed=5))
    torch.testing.assert_close(answers, answers[:1].expand_as(answers))


def test_seeds_give_different_answers(munit):
    answers = [munit.translate(pictures(1), seed=seed) for seed in range(4)]
    for first, second in pairwise(answers):
        assert (first - second).abs().mean() > 1e-3


def test_a_style_picture_gives_its_own_style(munit):
    x, example = pictures(), pictures(1, seed=7)
    for to, source, target in (("b", munit.a, munit.b), ("a", munit.b, munit.a)):
        wanted = target.decoder(source.content(x), target.style(example).expand(2, -1))
        torch.testing.assert_close(munit.translate(x, to=to, style=example), wanted)


def test_strength_goes_from_the_seed_s_style_to_the_picture_s(munit):
    x, example = pictures(), pictures(1, seed=7)
    none, half, whole = (munit.translate(x, seed=3, style=example, style_strength=s) for s in (0.0, 0.5, 1.0))
    assert torch.equal(none, munit.translate(x, seed=3))
    assert torch.equal(whole, munit.translate(x, seed=4, style=example))
    assert 0 < (half - none).abs().mean() < (whole - none).abs().mean()


def test_without_a_picture_strength_goes_from_the_average_style_to_the_seed_s(munit):
    x = pictures()
    assert torch.equal(munit.translate(x, seed=1, style_strength=0.0), munit.translate(x, seed=2, style_strength=0.0))
    average = munit.b.decoder(munit.a.content(x), torch.zeros(2, 8))
    torch.testing.assert_close(munit.translate(x, style_strength=0.0), average)


def test_draws_of_a_step_are_normal_and_those_of_a_batch_in_parts():
    unit, munit = UNIT(**SMALL["unit"]), MUNIT(**SMALL["munit"])
    code, x = torch.zeros(4, 16, 8, 8), torch.zeros(4, 3, 8, 8)
    for draw, like in ((lambda h: unit.noise(h, 4), code), (munit.styles, x)):
        torch.manual_seed(0)
        whole = draw(like)
        torch.manual_seed(0)
        parts = [draw(part) for part in like.split(2)]
        for number, draws in enumerate(whole):
            assert torch.equal(draws, torch.cat([part[number] for part in parts]))
        assert abs(torch.cat([draws.flatten() for draws in whole]).std() - 1) < 0.2


@pytest.mark.parametrize("method", [UNIT, MUNIT])
def test_speed_reaches_the_networks_that_an_auto_encoder_holds(method):
    made = method(**SMALL[method.__name__.lower()])
    assert called(made.a) == list(made.a.children())
    assert called(made.d_a) == [made.d_a]


@pytest.mark.parametrize("norm", ["none", "instance", "spectral"])
def test_a_discriminator_gives_one_map_for_each_size(norm):
    network = MultiScale(1, scales=3, layers=2, width=4, norm=norm)
    assert [tuple(logits.shape) for logits in network(pictures(2, 1))] == [(2, 1, 8, 8), (2, 1, 4, 4), (2, 1, 2, 2)]


def test_spectral_norm_bounds_the_largest_singular_value():
    network = MultiScale(3, scales=1, layers=2, width=4, norm="spectral")
    for _ in range(50):
        network(pictures())
    conv = network.networks[0][1][0]
    normed = conv.weight.flatten(1) / conv.u.dot(conv.weight.flatten(1).mv(conv.v))
    torch.testing.assert_close(torch.linalg.matrix_norm(normed, 2), torch.tensor(1.0), rtol=1e-3, atol=0)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_style_shifts_and_scales_each_picture_s_channels(layout):
    torch.manual_seed(0)
    x, scale, shift = torch.randn(2, 4, 8, 8), torch.randn(2, 4), torch.randn(2, 4)
    wanted = instance_norm(x) * scale[..., None, None] + shift[..., None, None]
    torch.testing.assert_close(adaptive_instance_norm(x.contiguous(memory_format=layout), scale, shift), wanted)
    ours = adaptive_instance_norm(x.bfloat16().contiguous(memory_format=layout), scale.bfloat16(), shift.bfloat16())
    torch.testing.assert_close(ours.float(), wanted, rtol=0.05, atol=0.05)


def test_a_residual_block_without_a_style_is_plain():
    block, x = AdaptiveResidual(4), torch.randn(2, 4, 8, 8)
    plain = torch.tensor([0.0, 1.0]).view(1, 1, 2, 1).expand(2, 2, 2, 4)
    torch.testing.assert_close(block(x), block(x, plain))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layer_norm_is_over_each_whole_picture(dtype):
    torch.manual_seed(0)
    norm, x = LayerNorm(4), (torch.randn(2, 4, 16, 16) * 3 + 1) * torch.tensor([1, 0.01]).view(2, 1, 1, 1)
    flat = x.flatten(1)
    plain = ((x - flat.mean(1).view(-1, 1, 1, 1)) / (flat.std(1).view(-1, 1, 1, 1) + 1e-5)) * norm.weight.view(-1, 1, 1)
    ours = norm(x.to(dtype).contiguous(memory_format=torch.channels_last)).float()
    torch.testing.assert_close(ours, plain, **({} if dtype == torch.float32 else {"rtol": 0.02, "atol": 0.02}))


@pytest.mark.parametrize("method", [UNIT, MUNIT])
def test_the_perceptual_network_is_neither_trained_nor_saved(method):
    made = method(**SMALL[method.__name__.lower()] | {"perceptual": 1.0})
    plain = method(**SMALL[method.__name__.lower()])
    assert isinstance(made.perceptual_network, DomainInvariant)
    assert plain.perceptual_network is None
    assert made.state_dict().keys() == plain.state_dict().keys()
    assert len(list(made.parameters())) == len(list(plain.parameters()))
    made.load_state_dict(plain.state_dict())
    trainer = Trainer(made, images=2, speed=PLAIN)
    trainer.step({"a": pictures(1), "b": pictures(1)})
    terms = trainer.losses()
    assert terms["G.perceptual_a"] > 0
    assert terms["G.perceptual_b"] > 0


def test_the_perceptual_distance_has_the_published_weights_and_a_gradient():
    tensors = VGG().state_dict()
    keys = [
        f"features.{i}.{leaf}" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28) for leaf in ("weight", "bias")
    ]
    assert list(tensors) == keys
    distance = DomainInvariant()
    distance.fill(tensors | {"classifier.0.weight": torch.zeros(1)})
    x = pictures(1, 1).requires_grad_()
    assert distance(x, x) == 0
    distance(x, pictures(1, seed=1)).backward()
    assert x.grad is not None
    assert x.grad.abs().max() > 0
    with pytest.raises(KeyError, match=r"features\.28\.bias"):
        distance.fill({key: tensors[key] for key in keys[:-1]})


def test_the_perceptual_distance_sees_no_change_of_brightness_and_contrast_alone():
    torch.manual_seed(0)
    distance = DomainInvariant()
    for module in distance.network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            module.bias.zero_()
    distance.mean.fill_(0.5)
    x, other = pictures(1), pictures(1, seed=1)
    assert distance(x, x * 0.5) < 0.05 * distance(x, other)


def test_the_weights_that_the_methods_ask_for_can_be_fetched():
    assert set(UNIT.pretrained.values()) | set(MUNIT.pretrained.values()) <= weights.PARTS.keys()
