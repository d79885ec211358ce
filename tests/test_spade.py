"""SPADE: what its norms, singular vectors, styles and sizes promise, and operations that equal their plain twins."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from small import SMALL
from torch import Tensor, nn

from diptych.errors import ConfigError
from diptych.methods.pix2pixhd import Pix2PixHD
from diptych.methods.spade import SPADE
from diptych.nn.ops.divide_by_sigma import divide_by_sigma
from diptych.nn.ops.l1 import l1
from diptych.nn.ops.modulate import Modulate, modulate
from diptych.nn.perceptual import VGG, VGGDistance
from diptych.nn.spade import BatchNorm, InstanceNorm, SpatialGenerator
from diptych.nn.spectral import SpectralNormConv2d
from diptych.runtime.speed import PLAIN, Speed
from diptych.storage import weights
from diptych.testing import batch, begin

CODE = {"encoder": True, "style_channels": 8, "start_height": 2, "start_width": 2}
LAYOUTS = [torch.contiguous_format, torch.channels_last]


def made(**options: object) -> SPADE:
    torch.manual_seed(0)
    return SPADE(**SMALL["spade"] | options).eval().requires_grad_(False)


def maps(count: int = 2, height: int = 32, width: int = 32) -> Tensor:
    ranks = torch.randint(3, (count, 1, height, width), generator=torch.Generator().manual_seed(0))
    return torch.zeros(count, 3, height, width).scatter_(1, ranks, 1.0) * 2 - 1


def photo(seed: int = 7) -> Tensor:
    return torch.rand(1, 3, 48, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# Sizes


@pytest.mark.parametrize(("upsampling", "multiple"), [("fewer", 16), ("normal", 32), ("more", 64), ("most", 128)])
def test_sizes_are_multiples_of_the_granularity(upsampling, multiple):
    method = made(upsampling=upsampling)
    assert method.size_multiple == multiple
    assert method.translate(maps(1, multiple, 2 * multiple)).shape == (1, 3, multiple, 2 * multiple)


def test_first_features_of_another_size_than_trained_are_interpolated():
    method = made(**CODE)
    code = torch.zeros(1, 8)
    trained = method.g.generator.begin(code, 2, 2)
    assert torch.equal(trained, method.g.generator.start(code).view(1, 32, 2, 2))
    assert method.g.generator.begin(code, 3, 5).shape == (1, 32, 3, 5)
    assert method.translate(maps(1, 48, 80)).shape == (1, 3, 48, 80)


@pytest.mark.parametrize("norm", [BatchNorm(3), InstanceNorm()])
def test_a_single_value_becomes_nothing_and_is_not_remembered(norm):
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    assert norm(torch.full((1, 3, 1, 1), 5.0)).abs().max() == 0
    assert all(torch.equal(buffer, before[name]) for name, buffer in norm.named_buffers())


# Styles


@pytest.mark.parametrize("control", [{"style": photo()}, {"style_strength": 0.5}])
def test_a_model_without_an_encoder_refuses_styles_in_words(control):
    method = made()
    assert not method.stochastic
    with pytest.raises(ConfigError, match=r"knows no styles: .*encoder=true"):
        method.translate(maps(), **control)


def test_seeds_give_different_answers_and_one_is_the_same_for_all_pictures_of_a_batch():
    method = made(**CODE)
    assert method.stochastic
    nn.init.normal_(method.g.generator.start.weight)
    x = maps(1).repeat(2, 1, 1, 1)
    one, other = (method.translate(x, seed=seed) for seed in (1, 2))
    torch.testing.assert_close(one[0], one[1])
    assert (one - other).abs().mean() > 1e-4


def test_strength_goes_from_the_seed_s_style_to_the_photo_s():
    method, x = made(**CODE), maps()
    nn.init.normal_(method.g.encoder.mean.weight)
    style = method.g.encoder(photo())[0].expand(2, -1)
    whole = method.g.generator((x + 1) / 2, style)
    torch.testing.assert_close(method.translate(x, style=photo(), seed=3), whole)
    none = method.translate(x, style=photo(), style_strength=0.0, seed=3)
    torch.testing.assert_close(none, method.translate(x, seed=3))
    assert torch.equal(method.translate(x, style_strength=0.0), method.translate(x, style_strength=0.0, seed=9)), (
        "the average of all styles has no seed"
    )


def test_the_divergence_is_added_up_over_a_code_and_averaged_over_pictures():
    method, data = made(**CODE), batch(made())
    nn.init.normal_(method.g.encoder.mean.weight)
    term = next(method.steps(**data)).terms["kl"]
    torch.testing.assert_close(term, 0.05 * method.g.encoder(data["target"]).divergence().sum(1).mean())


# Singular vectors


def test_vectors_move_once_for_each_step_whatever_the_parts_of_a_batch():
    def vectors(micro_batch: int) -> list[Tensor]:
        options = SMALL["spade"] | {"norm": "instance"}
        trainer = begin(SPADE, options, micro_batch=micro_batch, lr_scale=0.0)
        trainer.step(batch(trainer.method, size=4))
        return [x for name, x in trainer.method.named_buffers() if name.endswith((".u", ".v"))]

    for one, other in zip(vectors(0), vectors(1), strict=True):
        assert torch.equal(one, other)


def test_steps_bring_the_stretch_of_a_bounded_convolution_to_one():
    conv = SpectralNormConv2d(6, 5, 3)
    for _ in range(50):
        conv.power_iteration()
    divided = divide_by_sigma(conv.weight, conv.u, conv.v)
    assert torch.linalg.matrix_norm(divided.flatten(1), 2).item() == pytest.approx(1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_step_does_not_depend_on_the_layout_of_the_weight(layout):
    torch.manual_seed(0)
    conv = SpectralNormConv2d(6, 5, (3, 2))
    u, matrix = conv.u.clone(), conv.weight.flatten(1)
    v = F.normalize(matrix.t() @ u, dim=0)
    conv.to(memory_format=layout).power_iteration()
    torch.testing.assert_close(conv.v, v)
    torch.testing.assert_close(conv.u, F.normalize(matrix @ v, dim=0))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("incoming", LAYOUTS)
def test_a_bounded_weight_and_its_gradient_are_those_written_out(layout, incoming):
    torch.manual_seed(0)
    weight = torch.randn(5, 6, 3, 2, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    u, v = torch.rand(5, dtype=torch.float64), torch.rand(36, dtype=torch.float64)
    gradient = torch.randn(5, 6, 3, 2, dtype=torch.float64).contiguous(memory_format=incoming)
    plain = weight / (u @ weight.flatten(1) @ v)
    divided = divide_by_sigma(weight, u, v)
    torch.testing.assert_close(divided, plain, rtol=1e-6, atol=1e-6)
    (one,), (other,) = (torch.autograd.grad(y, weight, gradient) for y in (divided, plain))
    torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_what_is_used_in_bfloat16_divides_its_weights_once_and_leaves_the_model_alone():
    method = made(norm="instance")
    exact = method.translate(maps())
    running = Speed(bf16=True).for_use(method)
    assert all(module.folded for module in running.g.modules() if isinstance(module, SpectralNormConv2d))
    assert torch.equal(exact, method.translate(maps()))
    folded = made(norm="instance")
    folded.fold_weights()
    torch.testing.assert_close(folded.translate(maps()), exact)


# Operations and their plain twins


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("slope", [1.0, 0.2])
def test_modulation_and_its_gradients_are_those_written_out(layout, slope):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=layout).requires_grad_()
    both = torch.randn(2, 6, 4, 5).contiguous(memory_format=layout).requires_grad_()
    gamma, beta = both.chunk(2, 1)
    results = [F.leaky_relu(x * (1 + gamma) + beta, slope), modulate(x, both, slope), Modulate.apply(x, both, slope)]
    gradients = [torch.autograd.grad(y.square().sum(), (x, both)) for y in results]
    for y, found in zip(results[1:], gradients[1:], strict=True):
        torch.testing.assert_close(y, results[0])
        torch.testing.assert_close(found, gradients[0])


def test_the_difference_of_features_stays_in_their_precision_and_layout():
    torch.manual_seed(0)
    x, aim = (torch.randn(2, 8, 5, 5).bfloat16().contiguous(memory_format=torch.channels_last) for _ in range(2))
    x.requires_grad_()
    loss = l1(x, aim)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, F.l1_loss(x.float(), aim.float()), rtol=1e-2, atol=0)
    (gradient,) = torch.autograd.grad(loss, x)
    assert gradient.is_contiguous(memory_format=torch.channels_last)
    assert gradient.dtype == torch.bfloat16
    torch.testing.assert_close(gradient.float(), (x - aim).sign().float() / x.numel(), rtol=1e-2, atol=0)


def test_nothing_in_the_generator_leaves_bfloat16_and_channels_last():
    torch.manual_seed(0)
    network = SpatialGenerator(3, 3, width=4, upsampling="fewer", hidden=8).to(memory_format=torch.channels_last)
    seen = []
    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda module, inputs, output: seen.append((type(module).__name__, output)))
    with torch.autocast("cpu", torch.bfloat16):
        network(((maps(2) + 1) / 2).contiguous(memory_format=torch.channels_last))
    assert len(seen) > 30
    for name, output in seen:
        assert output.dtype == torch.bfloat16, name
        assert output.is_contiguous(memory_format=torch.channels_last), name


# The perceptual term


def test_the_perceptual_distance_is_that_of_the_first_relu_of_each_block():
    torch.manual_seed(0)
    vgg, distance = VGG((2, 2, 4, 4, 4)), VGGDistance()
    distance.fill(vgg.state_dict())
    seen = one, other = [torch.rand(1, 3, 16, 16) * 2 - 1 for _ in range(2)]
    expected, before = torch.zeros(()), nn.MaxPool2d(2)
    for place, layer in enumerate(vgg.features):
        seen = [layer(x) for x in seen]
        if isinstance(layer, nn.ReLU) and isinstance(before, nn.MaxPool2d):
            expected += distance.taps[place] * F.l1_loss(*seen)
        before = before if isinstance(layer, nn.Conv2d) else layer
    torch.testing.assert_close(distance(one, other), expected)
    assert list(distance.taps.values()) == [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0]


@pytest.mark.parametrize("method", [SPADE, Pix2PixHD])
def test_the_perceptual_network_is_neither_trained_nor_saved(method):
    options = SMALL[method.__name__.lower()]
    trainer = begin(method, options | {"perceptual": 10.0}, speed=PLAIN)
    assert trainer.method.state_dict().keys() == method(**options).state_dict().keys()
    trainer.step(batch(trainer.method))
    assert trainer.losses()["G.perceptual"] > 0
    assert set(method.pretrained.values()) <= set(weights.PARTS)


@pytest.mark.parametrize("method", [SPADE, Pix2PixHD])
def test_the_perceptual_term_is_the_weighted_distance_of_the_fake(method):
    torch.manual_seed(0)
    made = method(**SMALL[method.__name__.lower()], perceptual=10.0)
    data, fakes = batch(made), []
    made.perceptual_network.register_forward_pre_hook(lambda _, pictures: fakes.append(pictures))
    term = next(made.steps(**data)).terms["perceptual"]
    ((fake, real),) = fakes
    assert torch.equal(real, data["target"])
    torch.testing.assert_close(term, 10 * VGGDistance.forward(made.perceptual_network, fake, real))
    assert fake.requires_grad
