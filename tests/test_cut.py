"""CUT and FastCUT: what is contrasted with what; that it is what was published is in test_conformance_cut.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small import SMALL
from torch import Tensor, nn

from diptych.errors import ConfigError
from diptych.methods import cut
from diptych.methods.cut import CUT
from diptych.methods.fastcut import FastCUT
from diptych.methods.method import parameters
from diptych.nn import norms
from diptych.nn.blocks import initialise_he
from diptych.nn.contrastive import PatchHeads, draw_places, mirror_places, patch_nce, take
from diptych.nn.generators import FeatureResNet
from diptych.nn.norms import InstanceNorm
from diptych.nn.ops.blur import BlurDown, BlurUp
from diptych.nn.ops.instance_norm import instance_norm
from diptych.runtime.speed import Speed
from diptych.training.trainer import Trainer

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def made(method: type[CUT] = CUT, **options: Any) -> CUT:
    """A small one whose networks do not shrink what they see, as fresh ones do."""
    torch.manual_seed(0)
    small = method(**SMALL["cut"] | {"discriminator_layers": 1} | options)
    initialise_he(small)
    return small


def batch(size: int = 2, channels: int = 3) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(size)
    return {name: torch.rand(size, channels, 16, 24, generator=generator) * 2 - 1 for name in "ab"}


def terms(method: CUT, pictures: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those of every step, with no weight moved in between."""
    torch.manual_seed(1)
    return {f"{'+'.join(s.groups)}.{name}": x for s in method.steps(**pictures) for name, x in s.terms.items()}


# What the terms are


def test_the_discriminator_moves_first_then_the_generator_with_its_heads() -> None:
    assert list(terms(made(), batch())) == ["D.fake", "D.real", "G+F.gan", "G+F.nce", "G+F.identity"]
    assert list(terms(made(FastCUT), batch())) == ["D.fake", "D.real", "G+F.gan", "G+F.nce"]


def test_the_discriminator_judges_pictures_of_b() -> None:
    method, pictures = made(), batch()
    step = next(method.steps(**pictures))
    assert list(step.real_inputs) == [method.d]
    assert step.real_inputs[method.d] is pictures["b"]


@pytest.mark.parametrize("method", [CUT, FastCUT])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("negatives", ["picture", "batch"])
def test_any_batch_size_will_do(method: type[CUT], size: int, negatives: str) -> None:
    found = terms(made(method, negatives=negatives), batch(size))
    assert all(term.shape == () and term.isfinite() for term in found.values())


def test_the_identity_term_is_the_same_contrast_of_b_alone() -> None:
    pictures = batch()
    both, alone = terms(made(patches=10_000), pictures), terms(made(patches=10_000, identity=False), pictures)
    swapped = terms(made(patches=10_000, identity=False), {"a": pictures["b"], "b": pictures["a"]})
    torch.testing.assert_close(2 * both["G+F.nce"], alone["G+F.nce"])
    torch.testing.assert_close(2 * both["G+F.identity"], swapped["G+F.nce"])


def test_negatives_of_the_whole_batch_are_more_and_of_the_same_domain() -> None:
    one = {name: x[:1] for name, x in batch().items()}
    twice = {name: x.repeat(2, 1, 1, 1) for name, x in one.items()}
    near, far = ({"patches": 10_000, "negatives": negatives} for negatives in ("picture", "batch"))
    alone = terms(made(**near), one)
    torch.testing.assert_close(terms(made(**far), one), alone)
    doubled = terms(made(**far), twice)
    assert terms(made(**near), twice)["G+F.nce"] < doubled["G+F.nce"] < alone["G+F.nce"] + torch.tensor(2.0).log()
    lonely = terms(made(**far, identity=False), twice)
    torch.testing.assert_close(lonely["G+F.nce"], 2 * doubled["G+F.nce"])  # b's patches are none of a's negatives


def test_a_picture_left_as_it_was_is_the_easiest_to_recognise() -> None:
    method, pictures = made(identity=False), batch()
    left, changed = (method.contrast(y, method.g(pictures["a"], give="both")[1], None) for y in pictures.values())
    assert left < changed


# Flipping


@pytest.mark.parametrize("identity", [True, False])
def test_flipped_inputs_are_compared_where_they_came_from(identity: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flipping changes nothing with a generator that makes mirrored pictures of mirrored ones, for once."""
    monkeypatch.setattr(BlurDown, "forward", lambda self, x: F.avg_pool2d(x, 2))
    method, pictures = made(flip=True, identity=identity), batch(3)
    with torch.no_grad():
        for weight in parameters([method.g]):
            if weight.dim() == 4:
                weight.copy_((weight + weight.flip(-1)) / 2)
    found = []
    for flipped in (False, True):
        draw = torch.tensor([flipped, False, True] * 2)
        monkeypatch.setattr(cut, "draw_flips", lambda x, draw=draw: draw[: len(x)])
        found.append(terms(method, pictures))
    assert found[0]["G+F.nce"] > 0.1
    for name in ("G+F.nce", "G+F.identity")[: 1 + identity]:
        torch.testing.assert_close(found[0][name], found[1][name], rtol=1e-3, atol=1e-4)


def test_about_half_of_the_inputs_are_flipped_each_by_its_own_draw() -> None:
    torch.manual_seed(0)
    flipped = cut.draw_flips(torch.zeros(1000, 1, 1, 1))
    assert 430 < flipped.sum() < 570


def test_the_discriminator_sees_flipped_fakes_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    method, pictures, seen = made(flip=True, identity=False), batch(1), []
    method.d.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    monkeypatch.setattr(cut, "draw_flips", lambda x: torch.ones(len(x), dtype=torch.bool))
    terms(method, pictures)
    fake = method.g(pictures["a"].flip(-1))
    assert torch.equal(seen[0], fake)
    assert torch.equal(seen[1], pictures["b"])


def test_mirrored_places_are_where_a_flipped_map_holds_the_same() -> None:
    feature, places = torch.rand(2, 3, 5, 7), torch.stack([torch.randperm(35) for _ in range(2)])
    assert torch.equal(take(feature.flip(-1), mirror_places(places, 7)), take(feature, places))


# Places, heads, contrast


def test_places_are_different_ones_and_each_picture_has_its_own() -> None:
    features = [torch.zeros(3, 1, 20, 30), torch.zeros(3, 5, 4, 5)]
    wide, narrow = draw_places(features, 50)
    assert (wide.shape, narrow.shape) == ((3, 50), (3, 20))
    assert all(len(set(row.tolist())) == len(row) for row in (*wide, *narrow))
    assert wide.max() < 600
    assert narrow.max() == 19
    assert not torch.equal(wide[0], wide[1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_places_are_counted_row_by_row(layout: torch.memory_format) -> None:
    feature = torch.rand(2, 3, 4, 5).contiguous(memory_format=layout)
    found = take(feature, torch.tensor([[7, 0], [19, 6]]))
    assert torch.equal(found, torch.stack([feature[[0, 0], :, [1, 0], [2, 0]], feature[[1, 1], :, [3, 1], [4, 1]]]))


@pytest.mark.parametrize(("blocks", "layers"), [(1, 4), (2, 5), (9, 5)])
def test_heads_are_made_from_the_generator_before_any_picture_is_seen(blocks: int, layers: int) -> None:
    method = made(blocks=blocks, a_channels=2, b_channels=2, width=4, heads=6)
    assert method.g.feature_channels == [2, 8, *[16] * (layers - 2)]
    assert [tuple(head[0].weight.shape) for head in method.f.heads] == [(6, c) for c in method.g.feature_channels]
    x = torch.rand(1, 2, 16, 16)
    assert [feature.shape[1] for feature in method.g(x, give="features")] == method.g.feature_channels


def test_heads_give_vectors_of_length_one() -> None:
    features = [torch.randn(2, 3, 4, 4), torch.randn(2, 5, 4, 4)]
    for vectors in PatchHeads([3, 5], width=6)(features, draw_places(features, 7)):
        torch.testing.assert_close(vectors.norm(dim=2), torch.ones(2, 7), rtol=1e-4, atol=1e-4)


def test_contrast_is_least_where_queries_are_their_own_keys_and_moves_queries_alone() -> None:
    keys = F.normalize(torch.randn(2, 9, 8), dim=2).requires_grad_()
    queries = keys.detach().clone().requires_grad_()
    own = patch_nce(queries, keys)
    assert (own < patch_nce(queries.roll(1, dims=1), keys)).all()
    own.sum().backward()
    assert keys.grad is None
    assert queries.grad is not None


def test_patches_of_another_picture_are_no_negatives_unless_grouped_with_it() -> None:
    queries, keys = F.normalize(torch.randn(2, 2, 9, 8), dim=3)
    other = torch.stack([keys[0], keys[1].roll(1, dims=1)])
    assert torch.equal(patch_nce(queries, keys)[0], patch_nce(queries, other)[0])
    whole = patch_nce(queries.flatten(0, 1)[None], keys.flatten(0, 1)[None])
    assert (whole[0, :9] > patch_nce(queries, keys)[0]).all()


# Networks


@pytest.mark.parametrize("part", ["g", "d", "f"])
def test_fresh_weights_are_as_published(part: str) -> None:
    torch.manual_seed(0)
    for layer in getattr(CUT(blocks=2, width=16, discriminator_width=16), part).modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.weight.numel() > 5000:
            fans = (layer.weight.shape[0] + layer.weight.shape[1]) * layer.weight[0, 0].numel()
            torch.testing.assert_close(layer.weight.std().item(), 0.02 * (2 / fans) ** 0.5, rtol=0.05, atol=0)
            assert not layer.bias.any()


def test_features_stop_at_the_fifth_block() -> None:
    network, reached = FeatureResNet(3, 3, blocks=9, width=2), []
    for number, block in enumerate(network.blocks, 1):
        block.register_forward_hook(lambda *_, number=number: reached.append(number))
    network(torch.rand(1, 3, 16, 16), give="features")
    assert reached == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("size", [(8, 10), (7, 9), (2, 3)])
def test_blurs_are_the_published_convolutions_in_both_directions(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    rows = {BlurDown: torch.tensor([1.0, 2, 1]) / 4, BlurUp: torch.tensor([1.0, 3, 3, 1]) / 4}
    for blur, row in rows.items():
        kernel = torch.outer(row, row).double().expand(3, 1, -1, -1)
        if blur is BlurDown:
            theirs = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, stride=2, groups=3)
        else:
            repeated = F.pad(x, (1, 1, 1, 1), mode="replicate")
            theirs = F.conv_transpose2d(repeated, kernel, stride=2, padding=2, groups=3)[..., 1:-1, 1:-1]
        ours, probe = blur()(x), torch.randn_like(theirs)
        torch.testing.assert_close(ours, theirs)
        gradients = [torch.autograd.grad((y * probe).sum(), x)[0] for y in (ours, theirs)]
        torch.testing.assert_close(*gradients)


@pytest.mark.slow
@pytest.mark.parametrize("blur", [BlurDown, BlurUp])
def test_compiled_blurs_have_the_same_gradients(blur: type[nn.Module]) -> None:
    def conv() -> nn.Conv2d:
        return nn.Conv2d(8, 8, 3, padding=1)

    torch.manual_seed(0)
    network = nn.Sequential(conv(), InstanceNorm(8), nn.ReLU(), blur(), conv()).to(memory_format=torch.channels_last)
    x = torch.randn(2, 8, 16, 16).contiguous(memory_format=torch.channels_last).requires_grad_()
    plain, compiled = (torch.autograd.grad(f(x).square().sum(), x)[0] for f in (network, torch.compile(network)))
    torch.testing.assert_close(compiled, plain, rtol=1e-3, atol=1e-4)


def test_different_channels_are_refused_with_a_way_out() -> None:
    with pytest.raises(ConfigError, match=r"a has 1, b has 3: .*cyclegan"):
        CUT(a_channels=1, b_channels=3)


# Gradients are the true ones


def plainly_normalised(x: Tensor) -> Tensor:
    centred = x - x.mean((2, 3), keepdim=True)
    return centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("gradient_layout", LAYOUTS)
@pytest.mark.parametrize("size", [1, 2])
def test_the_gradient_of_an_instance_norm_is_right_however_tensors_lie(
    size: int, layout: torch.memory_format, gradient_layout: torch.memory_format
) -> None:
    x = torch.randn(size, 4, 6, 8).contiguous(memory_format=layout).requires_grad_()
    incoming = torch.randn(x.shape).contiguous(memory_format=gradient_layout)
    ours, plain = (torch.autograd.grad(norm(x), x, incoming)[0] for norm in (instance_norm, plainly_normalised))
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", [CUT, FastCUT])
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_step_has_the_gradients_of_plain_formulas_in_double_precision(
    method: type[CUT], size: int, channels_last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    speed = Speed(bf16=False, channels_last=channels_last, fused=False, keep_memory=False)
    monkeypatch.setattr(
        cut, "draw_places", lambda features, count: [torch.arange(24).expand(len(f), -1) for f in features]
    )
    monkeypatch.setattr(cut, "draw_flips", lambda x: torch.arange(len(x)) % 2 == 0)

    def gradients(small: CUT, pictures: dict[str, Tensor]) -> list[Tensor]:
        trainer, found = Trainer(small, images=1, speed=speed), []
        for parts in trainer.micro_batches(pictures):
            for step in trainer.method.steps(**parts):
                found += torch.autograd.grad(step.loss, trainer.parameters(step.groups))
        return found

    ours = gradients(made(method), batch(size))
    monkeypatch.setattr(norms, "instance_norm", plainly_normalised)
    true = gradients(made(method).double(), {name: x.double() for name, x in batch(size).items()})
    for one, other in zip(ours, true, strict=True):
        if one.dim() > 1:
            assert F.cosine_similarity(one.double().flatten(), other.flatten(), dim=0) > 0.9999
