"""BicycleGAN: what each picture of a batch is for, what each term moves, and codes from seeds and pictures."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small import SMALL
from torch import Tensor, nn
from torch.func import functional_call

from diptych.errors import ConfigError
from diptych.methods.bicyclegan import BicycleGAN, through
from diptych.nn.code_encoder import CodeEncoder, MeanConv2d
from diptych.nn.coded_unet import CodedUNet, beside
from diptych.runtime.speed import PLAIN, Speed
from diptych.testing import bundle, take_gradients
from diptych.training.trainer import Trainer

SIZE = 32
OPTIONS = SMALL["bicyclegan"]


def pictures(count: int = 2, channels: int = 3, seed: int = 0) -> Tensor:
    return torch.rand(count, channels, SIZE, SIZE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def made(**options: Any) -> BicycleGAN:
    torch.manual_seed(0)
    method = BicycleGAN(**OPTIONS | options)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.mul_(10)  # the published start makes grey pictures of everything
    return method


@pytest.fixture
def model() -> BicycleGAN:
    return made().eval().requires_grad_(False)


def gradients(source: Tensor, target: Tensor, micro_batch: int = 0, **options: Any) -> dict[str, Tensor]:
    """The gradients of every step, with a draw for each picture that is a function of it."""
    method = made(**options)
    method.draw = lambda x: (codes(x, 1), codes(x, 2))  # type: ignore[method-assign]
    trainer = Trainer(method, images=2, micro_batch=micro_batch, lr_scale=0.0, speed=PLAIN)
    seen: dict[str, Tensor] = {}
    trainer.optimise = lambda groups: seen.update(take_gradients(trainer))  # type: ignore[method-assign]
    trainer.step({"source": source, "target": target})
    return seen


def codes(x: Tensor, which: int) -> Tensor:
    generator = torch.Generator()
    seeds = [int(one.double().abs().sum() * 1000) + which for one in x]
    return torch.cat([torch.randn(1, 8, generator=generator.manual_seed(seed)) for seed in seeds])


def differ(one: dict[str, Tensor], other: dict[str, Tensor], part: str) -> bool:
    return not all(torch.equal(one[name], other[name]) for name in one if name.startswith(f"{part}."))


# What each picture of a batch is for


def test_of_a_pair_the_second_is_only_an_example_for_the_second_discriminator():
    source, target = pictures(seed=1), pictures(seed=2)
    other_source, other_target = source.clone(), target.clone()
    other_source[1], other_target[1] = pictures(1, seed=3)[0], pictures(1, seed=4)[0]
    given = gradients(source, target)
    other = gradients(other_source, target)
    assert not any(differ(given, other, part) for part in ("g", "e", "d", "d2"))
    other = gradients(source, other_target)
    assert [part for part in ("g", "e", "d", "d2") if differ(given, other, part)] == ["d2"]


def test_with_conditional_discriminators_the_source_of_the_example_is_seen_too():
    source, target = pictures(seed=1), pictures(seed=2)
    other_source = torch.cat([source[:1], pictures(1, seed=3)])
    given, other = (gradients(x, target, conditional_d=True) for x in (source, other_source))
    assert [part for part in ("g", "e", "d", "d2") if differ(given, other, part)] == ["d2"]


def test_a_picture_alone_is_also_the_example():
    source, target = pictures(1, seed=1), pictures(1, seed=2)
    alone, twice = gradients(source, target), gradients(source.repeat(2, 1, 1, 1), target.repeat(2, 1, 1, 1))
    for name, gradient in alone.items():
        torch.testing.assert_close(gradient, twice[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("count", "micro_batch"), [(3, 2), (4, 2), (5, 2), (5, 4), (6, 4)])
def test_even_parts_of_a_batch_of_any_size_equal_the_whole(count, micro_batch):
    source, target = pictures(count, seed=1), pictures(count, seed=2)
    whole, parts = gradients(source, target), gradients(source, target, micro_batch)
    for name, gradient in whole.items():
        torch.testing.assert_close(gradient, parts[name], rtol=1e-4, atol=1e-5, msg=lambda text, name=name: name + text)


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize(("count", "micro_batch"), [(1, 0), (3, 1), (3, 0), (4, 3)])
def test_any_batch_and_any_part_of_it_trains(count, micro_batch, norm):
    trainer = Trainer(made(norm=norm), images=2, micro_batch=micro_batch)
    trainer.step({"source": pictures(count), "target": pictures(count, seed=1)})
    assert set(trainer.losses()) == {
        *(f"G+E.{term}" for term in ("gan", "gan2", "l1", "kl", "latent")),
        *(f"{d}.{term}" for d in ("D", "D2") for term in ("fake", "real")),
    }


def test_draws_are_made_picture_by_picture():
    method = made()
    torch.manual_seed(1)
    noise, codes = method.draw(pictures(4))
    torch.manual_seed(1)
    parts = [method.draw(pictures(2)) for _ in range(2)]
    assert noise.shape == codes.shape == (4, 8)
    torch.testing.assert_close(noise, torch.cat([part[0] for part in parts]))
    torch.testing.assert_close(codes, torch.cat([part[1] for part in parts]))


# What each term moves


def test_the_latent_term_leaves_the_encoder_alone():
    source, target = pictures(seed=1), pictures(seed=2)
    without, with_it = (gradients(source, target, latent=weight) for weight in (0.0, 5.0))
    assert differ(without, with_it, "g")
    assert not differ(without, with_it, "e")


@pytest.mark.parametrize("recompute", [False, True])
def test_a_loss_through_networks_has_the_gradient_of_one_whose_weights_are_constants(recompute):
    method = made()
    constants = {name: weight.detach() for name, weight in method.e.named_parameters()}
    answer, code = pictures(2).requires_grad_(), torch.randn(2, 8)
    constant = F.l1_loss(functional_call(method.e, constants, (answer,))[0], code)
    (wanted,) = torch.autograd.grad(3 * constant, answer)
    if recompute:
        Speed(recompute=True, bf16=False, channels_last=False).prepare([method.e])
    loss = through(lambda y: F.l1_loss(method.e(y)[0], code), answer)
    torch.testing.assert_close(loss, constant)
    (3 * loss).backward()
    torch.testing.assert_close(answer.grad, wanted)
    assert all(weight.grad is None for weight in method.e.parameters())


def test_the_divergence_is_added_up_over_a_code_and_averaged_over_pictures():
    method, y = made(), pictures(4, seed=2)
    for head in (method.e.mean, method.e.log_variance):
        torch.nn.init.normal_(head.weight)
    term = next(method.steps(pictures(4), y)).terms["kl"]
    torch.testing.assert_close(term, 0.01 * method.e(y[::2]).divergence().sum(1).mean())


def test_the_encoder_learns_from_its_code_by_the_noise_around_it():
    """Both of its heads have a gradient without the divergence."""
    seen = gradients(pictures(seed=1), pictures(seed=2), kl=0.0)
    assert all(seen[f"e.{head}.weight"].abs().max() > 0 for head in ("mean", "log_variance"))


# Codes


def test_one_seed_is_one_code_for_every_picture_of_a_batch(model):
    answers = model.translate(pictures(1).repeat(3, 1, 1, 1), seed=5)
    torch.testing.assert_close(answers, answers[:1].expand_as(answers))
    torch.testing.assert_close(answers[:1], model.translate(pictures(1), seed=5))


@pytest.mark.parametrize("where", ["all", "input"])
def test_seeds_give_different_answers(where):
    model = made(where=where).eval()
    answers = [model.translate(pictures(1), seed=seed) for seed in range(4)]
    for first, second in pairwise(answers):
        assert (first - second).abs().mean() > 1e-3


def test_a_style_picture_gives_the_code_that_the_encoder_reads_from_it(model):
    x, example = pictures(), pictures(1, seed=7)
    wanted = model.g(x, model.e(example)[0].expand(2, -1))
    torch.testing.assert_close(model.translate(x, style=example), wanted)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ({"style": pictures(1, seed=7)}, lambda model: model.e(pictures(1, seed=7))[0]),
        ({"interpolate_to_seed": 5}, lambda model: model.code_of(5)),
    ],
    ids=["style", "interpolate_to_seed"],
)
def test_strength_goes_from_the_seed_s_code_to_the_other(model, end: Any, code: Callable[..., Tensor]):
    x, first, second = pictures(), model.code_of(3), code(model)
    for strength in (0.0, 0.25, 1.0):
        wanted = model.g(x, ((1 - strength) * first + strength * second).expand(2, -1))
        torch.testing.assert_close(model.translate(x, seed=3, style_strength=strength, **end), wanted)
    assert torch.equal(model.translate(x, seed=3, style_strength=0.0, **end), model.translate(x, seed=3))


def test_strength_without_an_end_goes_from_the_average_code_to_the_seed_s(model):
    x, code = pictures(), model.code_of(3).expand(2, -1)
    for strength in (0.0, 0.5, 1.0):
        torch.testing.assert_close(model.translate(x, seed=3, style_strength=strength), model.g(x, strength * code))


def test_there_is_one_end_at_most(model):
    with pytest.raises(ConfigError, match=r"style and interpolate_to_seed both .* leave one of them out"):
        model.translate(pictures(), style=pictures(1), interpolate_to_seed=5)


def test_interpolate_to_seed_is_a_control_as_it_is_typed():
    translator = bundle(BicycleGAN, OPTIONS)
    assert translator.checked({"seed": 1, "interpolate_to_seed": 5, "style_strength": 0.5}) == {
        "seed": 1, "interpolate_to_seed": 5, "style": None, "style_strength": 0.5,
        "where": None, "feather": 8, "strength": 1.0,
    }  # fmt: skip
    assert translator.checked({})["interpolate_to_seed"] is None
    with pytest.raises(ConfigError, match="interpolate_to_seed"):
        translator.checked({"interpolate_to_seed": -1})


def test_several_answers_that_would_be_one_are_refused():
    translator = bundle(BicycleGAN, OPTIONS)
    with pytest.raises(ConfigError, match=r"every answer would be the same .* they differ with style_strength=0.5"):
        translator.check_several({"interpolate_to_seed": 5})
    translator.check_several({"interpolate_to_seed": 5, "style_strength": 0.5})


# Networks


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (2, 3)])
def test_a_convolution_and_its_means_are_one_convolution(size):
    conv = MeanConv2d(3, 5).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    wanted = F.avg_pool2d(F.conv2d(x, conv.weight, conv.bias, padding=1), 2)
    torch.testing.assert_close(conv(x), wanted)


def test_an_encoder_of_the_published_size_pools_eight_by_eight_pixels():
    seen = []
    encoder = CodeEncoder(3, width=2)
    encoder.blocks.register_forward_hook(lambda *args: seen.append(args[-1].shape[-2:]))
    encoder(torch.zeros(1, 3, 256, 256))
    assert seen == [(8, 8)]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_code_beside_features_keeps_their_layout_and_precision(layout, kind):
    x = torch.randn(2, 6, 8, 8).to(kind).contiguous(memory_format=layout).requires_grad_()
    code = torch.randn(2, 3, requires_grad=True)
    joined = beside(x, code)
    wanted = torch.cat([x, code.to(kind)[..., None, None].expand(-1, -1, 8, 8)], dim=1)
    assert torch.equal(joined, wanted)
    assert joined.is_contiguous(memory_format=layout)
    slope = torch.randn_like(joined)
    ours, theirs = (torch.autograd.grad(y, (x, code), slope) for y in (joined, wanted))
    assert ours[0].is_contiguous(memory_format=layout)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("options", [{}, {"upsampling": "bilinear"}, {"where": "input"}], ids=str)
def test_on_the_fast_path_convolutions_see_bfloat16_in_channels_last(options):
    trainer = Trainer(made(**options), images=2)
    seen: list[tuple[str, Tensor]] = []
    for name, module in trainer.method.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_pre_hook(lambda _, inputs, name=name: seen.append((name, inputs[0])))
    trainer.step({"source": pictures(2), "target": pictures(2, seed=1)})
    tiny = 2  # pixels a side, where it does not matter
    astray = {name for name, x in seen if not x.is_contiguous(memory_format=torch.channels_last) and x.shape[-1] > tiny}
    assert astray == set()
    assert all(x.dtype == torch.bfloat16 or x.shape[1] in (3, 11) for _, x in seen), "but for the pictures given"


def test_dropout_acts_in_training_alone():
    unet = CodedUNet(3, 3, depth=6, width=2, dropout=True)
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.mul_(20)
    x, code = torch.rand(1, 3, 64, 64), torch.randn(1, 8)
    assert not torch.equal(unet(x, code), unet(x, code))
    unet.eval()
    assert torch.equal(unet(x, code), unet(x, code))
