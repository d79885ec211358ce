"""pix2pixHD: from coarse to fine, features within things, looks that are drawn, taken from a picture or mixed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from small import SMALL
from test_steadiness import NoWaiting
from torch import Tensor

from diptych.errors import ConfigError, ModelError
from diptych.methods.pix2pixhd import Pix2PixHD
from diptych.model.card import Card, Domain
from diptych.model.folder import begin_from
from diptych.model.translator import Translator
from diptych.nn.coarse_to_fine import CoarseToFine
from diptych.nn.instances import FeatureEncoder, classes_of, instance_means
from diptych.nn.multiscale import MultiScaleFeatures, feature_matching
from diptych.runtime.speed import Speed
from diptych.testing import batch, begin, one_hot
from diptych.training.estimate import training_bytes
from diptych.training.stabilizers import Stabilizers
from diptych.training.trainer import Trainer

SIZE = 32
ENCODER = {"encoder": True, "encoder_width": 4, "encoder_downs": 2, "source_channels": 5}


def made(**options: Any) -> Pix2PixHD:
    torch.manual_seed(0)
    return Pix2PixHD(**SMALL["pix2pixhd"] | options)


def layout(count: int = 1, classes: int = 5, seed: int = 0) -> Tensor:
    """Planes of label maps of blocks."""
    blocks = torch.rand(count, classes, SIZE // 8, SIZE // 8, generator=torch.Generator().manual_seed(seed))
    return one_hot(blocks).repeat_interleave(8, 2).repeat_interleave(8, 3)


def picture(count: int = 1, seed: int = 0, size: int = SIZE) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def things(count: int = 1) -> Tensor:
    """Ids of instances, far apart: four quarters of each picture."""
    ids = torch.tensor([[0, 65535], [26001, 7]]).repeat_interleave(SIZE // 2, 0).repeat_interleave(SIZE // 2, 1)
    return ids.expand(count, 1, -1, -1)


def saved(method: Pix2PixHD, folder: Path, **options: Any) -> Path:
    sides = {"source": Domain(name="labels", channels=36), "target": Domain(name="photo", channels=3)}
    card = Card(method="pix2pixhd", options=SMALL["pix2pixhd"] | options, **sides)
    return Translator(method, card, device="cpu").save(folder, everything=True)


# From coarse to fine


def test_a_training_with_an_enhancer_takes_over_the_global_generator_and_the_scales_of_one_without(tmp_path: Path):
    coarse = made()
    fine = made(enhancers=1, scales=3, fix_global=0.5)
    before = {name: tensor.clone() for name, tensor in fine.state_dict().items()}
    anew = begin_from(fine, saved(coarse, tmp_path / "coarse"))
    assert anew == ["g.enhancers", "d.networks.2"]
    old, new = coarse.state_dict(), fine.state_dict()
    taken = {name for name in new if name in old}
    assert {name for name in old if name not in taken} == {"g.base.head.weight", "g.base.head.bias"}
    assert {name for name in new if name not in taken} == {n for n in new if n.startswith(tuple(f"{a}." for a in anew))}
    assert all(torch.equal(new[name], old[name]) for name in taken)
    assert all(torch.equal(new[name], before[name]) for name in new if name not in taken)


def test_an_enhancer_begins_from_features_of_a_picture_at_half_the_size(tmp_path: Path):
    coarse, fine = made(), made(enhancers=1)
    begin_from(fine, saved(coarse, tmp_path / "coarse"))
    seen: list[Tensor] = []
    fine.g.enhancers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    x = (layout(classes=36) + 1) / 2
    fine.g(x)
    half = torch.nn.functional.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
    torch.testing.assert_close(torch.tanh(fine.g.base.stem[0](half)), torch.tanh(coarse.g.base.stem[0](half)))
    torch.testing.assert_close(torch.tanh(coarse.g.base.head(seen[0])), coarse.g(half))


def test_an_enhancer_around_an_enhancer_takes_over_both(tmp_path: Path):
    one, two = made(enhancers=1), made(enhancers=2)
    assert begin_from(two, saved(one, tmp_path / "one", enhancers=1)) == ["g.enhancers.1"]
    assert torch.equal(one.g.enhancers[0].stem[0].weight, two.g.enhancers[0].stem[0].weight)


def test_a_global_generator_does_not_begin_from_one_with_an_enhancer(tmp_path: Path):
    with pytest.raises(ModelError, match="does not fit its method"):
        begin_from(made(), saved(made(enhancers=1), tmp_path / "fine", enhancers=1))


def test_all_but_the_outermost_enhancer_stand_still_for_the_share_that_is_asked():
    trainer = begin(Pix2PixHD, SMALL["pix2pixhd"] | {"enhancers": 2, "fix_global": 4 / 64})
    moved = []
    for number in range(3):
        before = {name: p.clone() for name, p in trainer.method.named_parameters() if p.dim() > 1}
        trainer.step(batch(trainer.method, number))
        after = dict(trainer.method.named_parameters())
        moved.append({name.rpartition(".")[0] for name in before if not torch.equal(before[name], after[name])})
    for parts in moved:
        assert any(part.startswith("g.enhancers.1.") for part in parts)
        assert any(part.startswith("d.") for part in parts)
    inner = ("g.base.", "g.enhancers.0.")
    assert [any(part.startswith(inner) for part in parts) for parts in moved] == [False, False, True]


def test_fixing_what_nothing_is_around_is_refused():
    with pytest.raises(ConfigError, match="fix_global keeps the global generator as it is"):
        made(fix_global=0.1)
    with pytest.raises(ConfigError, match="width is a multiple of 8, not 4"):
        made(enhancers=3)


# Networks and losses


def test_sizes_are_multiples_of_the_halvings():
    method = made(enhancers=1)
    assert method.size_multiple == 8
    assert method.translate(layout(classes=36)[..., :24, :]).shape == (1, 3, 24, SIZE)
    assert CoarseToFine(2, 3, width=4, downs=1, blocks=1, enhancers=2)(torch.zeros(1, 2, 16, 24)).shape[2:] == (16, 24)


def test_scales_are_given_from_the_full_size_on_and_named_from_the_smallest():
    d = MultiScaleFeatures(3, scales=2, layers=2, width=4, smallest_first=True)
    full, half = d(picture())
    assert (full.shape[-1], half.shape[-1]) == (19, 11)
    assert torch.equal(d.networks[1](picture())[-1], full)
    both = d(picture(), features=True)
    assert [len(maps) for maps in both] == [3, 3]
    assert torch.equal(both[1][-1], half)


def test_feature_matching_leaves_real_features_and_logits_alone():
    fake = [[torch.full((1, 2), 3.0, requires_grad=True), torch.ones(1)] for _ in range(2)]
    real = [[torch.full((1, 2), 1.0, requires_grad=True), torch.zeros(1)] for _ in range(2)]
    distance = feature_matching(fake, real)
    assert distance == 2.0  # |3 - 1| in one layer, a mean over two sizes
    distance.backward()
    assert fake[0][0].grad is not None
    assert real[0][0].grad is None


def test_features_are_weighed_by_how_many_layers_give_them():
    method, x, y = made(discriminator_layers=1), layout(classes=36), picture()
    planes = (x + 1) / 2
    seen = [method.d(torch.cat([planes, one], 1), features=True) for one in (method.g(planes), y)]
    torch.testing.assert_close(next(method.steps(x, y)).terms["features"], 10 * 4 / 2 * feature_matching(*seen))


def test_without_features_only_the_logits_count():
    trainer = begin(Pix2PixHD, SMALL["pix2pixhd"] | {"features": 0.0})
    trainer.step(batch(trainer.method))
    assert set(trainer.losses()) == {"G.gan", "D.real", "D.fake"}


# Features of things


def test_features_are_averaged_within_each_thing_of_each_picture():
    features = torch.rand(2, 3, SIZE, SIZE, requires_grad=True)
    means = instance_means(features, things(2))
    half = SIZE // 2
    for y in (0, half):
        for x in (0, half):
            part = (..., slice(y, y + half), slice(x, x + half))
            wanted = features[part].mean(dim=(2, 3), keepdim=True)
            torch.testing.assert_close(means[part], wanted.expand_as(means[part]))
    weights = torch.rand_like(means)
    (ours,) = torch.autograd.grad((means * weights).sum(), features)
    torch.testing.assert_close(ours, instance_means(weights, things(2)))  # the average is its own transpose


def test_averages_of_many_rounded_pixels_are_not_rounded_away():
    features = torch.full((1, 1, 256, 256), 0.5, dtype=torch.bfloat16)
    means = instance_means(features, torch.zeros(1, 1, 256, 256, dtype=torch.int64))
    assert means.dtype == torch.bfloat16
    assert torch.equal(means, features)


def test_void_pixels_are_a_class_of_their_own_and_borders_are_none():
    x = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]])[None, :, None]  # planes: two classes and borders
    x[0, 2, 0, 1] = 1.0
    assert classes_of(x).flatten().tolist() == [0, 1, 2, 2]
    assert classes_of(torch.zeros(1, 3, 1, 1)).item() == 3


def test_statistics_are_those_of_each_class_and_drawn_from():
    encoder = FeatureEncoder(3, 2, classes=3, width=4, downs=1)
    classes = torch.tensor([0, 1]).repeat_interleave(SIZE // 2).expand(1, 1, SIZE, SIZE)
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        seen = torch.tensor([0.5, -0.25])[classes[0, 0]] + 0.1 * torch.randn(1, 2, 1, 1, generator=generator)
        encoder.follow(seen, classes)
    average = encoder.draw(classes, classes, seed=0, strength=0.0)
    assert (average[0, :, 0, 0] - 0.5).abs().max() < 0.03
    assert (average[0, :, 0, -1] + 0.25).abs().max() < 0.03
    drawn = torch.stack([encoder.draw(classes, classes, seed=s)[0, :, 0] for s in range(200)])
    assert abs(drawn[..., 0].std() - 0.1) < 0.02
    assert torch.equal(encoder.draw(classes + 2, classes + 2, seed=1)[..., :1], torch.zeros(1, 2, SIZE, 1))  # unseen


def test_an_encoder_learns_without_waiting_for_the_device_with_and_without_instances():
    trainer = Trainer(made(**ENCODER), images=8)
    for more in ({}, {"instances": things(2)}):
        data = {"source": layout(2), "target": picture(2), **more}
        trainer.step(data)
        with NoWaiting():
            trainer.step(data)
    assert trainer.method.e is not None
    assert trainer.method.e.moments[:, -1].count_nonzero() == 5
    assert trainer.losses()


def test_instances_are_what_features_are_averaged_in():
    method, seen = made(**ENCODER), []
    method.g.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, 5:]))
    for instances in (None, things(2)):
        next(method.steps(layout(2), picture(2), instances))
    by_class, by_thing = seen
    torch.testing.assert_close(by_class, instance_means(by_class, classes_of(layout(2) / 2 + 0.5)))
    torch.testing.assert_close(by_thing, instance_means(by_thing, things(2)))
    assert not torch.allclose(by_class, by_thing)


# In use


@pytest.fixture
def encoding() -> Pix2PixHD:
    """A model with an encoder that has seen things."""
    trainer = begin(Pix2PixHD, SMALL["pix2pixhd"] | ENCODER)
    for seed in range(4):
        trainer.step({"source": layout(2, seed=seed), "target": picture(2, seed=seed) * (seed + 1) / 4})
    return trainer.method.eval().requires_grad_(False)


def test_seeds_give_different_looks_and_a_style_picture_its_own(encoding: Pix2PixHD):
    x, example = layout(2), picture(seed=7)
    answers = [encoding.translate(x, seed=seed) for seed in range(3)]
    for first, second in pairwise(answers):
        assert not torch.equal(first, second)
    none, half, whole = (encoding.translate(x, seed=2, style=example, style_strength=s) for s in (0.0, 0.5, 1.0))
    assert torch.equal(none, answers[2])
    torch.testing.assert_close(whole, encoding.translate(x, seed=1, style=example))
    assert not torch.equal(half, whole)
    one = encoding.translate(x, seed=1, style_strength=0.0)
    assert torch.equal(one, encoding.translate(x, seed=2, style_strength=0.0))


def test_the_looks_of_a_style_picture_are_those_that_training_would_see(encoding: Pix2PixHD):
    x, example, seen = layout(), picture(seed=7), []
    encoding.g.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for instances in (None, things()):
        answer = encoding.translate(x, style=example, instances=instances)
        next(encoding.steps(x, example, instances))
        torch.testing.assert_close(seen[-2], seen[-1])
        assert torch.equal(answer, encoding.g(seen[-2]))


def test_a_style_picture_of_another_size_is_brought_to_the_input_s(encoding: Pix2PixHD):
    answer = encoding.translate(layout(), style=picture(size=48))
    assert answer.shape == (1, 3, SIZE, SIZE)


def test_things_of_one_class_have_looks_of_their_own_where_instances_are_given(encoding: Pix2PixHD):
    seen: list[Tensor] = []
    encoding.g.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, 5:]))
    alike = one_hot(torch.eye(5)[0].view(1, 5, 1, 1).expand(2, 5, SIZE, SIZE))
    encoding.translate(alike)
    encoding.translate(alike, instances=things(2))
    encoding.translate(alike, instances=things(1))
    assert torch.equal(seen[0], seen[0][..., :1, :1].expand_as(seen[0]))
    assert len(seen[1][0, 0].unique()) == 4
    assert torch.equal(seen[1], seen[2])


def test_without_an_encoder_there_is_no_style_and_nothing_to_draw(encoding: Pix2PixHD):
    plain = made()
    assert encoding.stochastic
    assert not plain.stochastic
    with pytest.raises(ConfigError, match="takes no style picture: it was trained with encoder: false"):
        plain.translate(layout(classes=36), style=picture())


def test_a_model_with_an_encoder_translates_in_bfloat16_as_well(encoding: Pix2PixHD):
    sides = {"source": Domain(name="labels", channels=5), "target": Domain(name="photo", channels=3)}
    card = Card(method="pix2pixhd", options=SMALL["pix2pixhd"] | ENCODER, **sides)
    answers = [Translator(encoding, card, speed=Speed(bf16=bf16), device="cpu") for bf16 in (False, True)]
    for controls in ({}, {"instances": things(2)}, {"style": picture(), "style_strength": 0.5}):
        exact, rounded = (answer.batch(layout(2), **controls) for answer in answers)
        assert (exact - rounded).abs().max() < 0.1


def test_memory_is_estimated_with_an_encoder():
    pictures = {"source": torch.empty(2, 5, SIZE, SIZE), "target": torch.empty(2, 3, SIZE, SIZE)}
    assert training_bytes(lambda: made(**ENCODER), pictures, speed=Speed(), stabilizers=Stabilizers()) > 10**5
