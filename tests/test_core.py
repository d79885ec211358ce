"""The core carries methods it knows nothing of, and does with their steps exactly what it says."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from odd.encoder import Encoder
from odd.same import Same
from odd.sampler import Sampler
from odd.three_optimisers import ThreeOptimisers
from odd.worded import Worded
from torch import nn

from diptych.errors import ConfigError, DataError
from diptych.methods import find
from diptych.methods.method import Adam, AdamW, Method, Step
from diptych.nn.ema import Average
from diptych.runtime.device import choose_device
from diptych.runtime.speed import PLAIN, Speed
from diptych.testing import CHECKS, Check, batch, begin, bundle, check_method, checks
from diptych.training import schedule
from diptych.training.estimate import training_bytes
from diptych.training.trainer import Trainer

SMALL = {"generator": "unet_32", "width": 4, "discriminator_width": 4, "discriminator_layers": 2}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("method", [ThreeOptimisers, Encoder, Sampler, Worded], ids=lambda method: method.__name__)
def test_methods_unlike_pix2pix_pass_the_battery(method, check):
    check(method, {})


def test_a_check_that_is_known_to_fail_is_named_with_its_reason() -> None:
    found = {str(check): check for check in checks(Same, expected={"every_group_learns": "its network is an identity"})}
    assert list(found)[:2] == ["options_are_a_schema", "groups_hold_every_parameter_once"]
    assert {"tiles_are_the_whole", "served_it_gives_the_same", "exported_it_gives_the_same"} <= found.keys()
    found["options_are_a_schema"]()
    with pytest.raises(AssertionError, match="every_group_learns passes, and was expected to fail: its network is an"):
        found["every_group_learns"]()
    with pytest.raises(ValueError, match="there is no check called every_group"):
        next(checks(Same, expected={"every_group": "misspelt"}))


def test_an_expected_failure_is_no_failure() -> None:
    def fails(method: type[Method], options: dict[str, object]) -> None:
        raise AssertionError("it fails")

    Check(fails, Same, {}, "known")()
    with pytest.raises(AssertionError, match="it fails"):
        Check(fails, Same, {})()


class Scalar(Method):
    """One weight w, one step whose loss is w * mean(x): every number can be told beforehand."""

    keep = ("net",)

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.net.weight)

    def groups(self):
        return {"W": [self.net]}

    def optimisers(self):
        return {"W": Adam(lr=0.1, betas=(0.5, 0.9))}

    def steps(self, source):
        yield Step("W", product=self.net.weight.sum() * source.mean(), constant=torch.zeros(()))

    def translate(self, x):
        return x * self.net.weight.sum()


def ones(size: int = 2) -> dict[str, torch.Tensor]:
    return {"source": torch.ones(size, 1, 4, 4)}


def test_a_step_moves_its_weight_by_the_learning_rate():
    trainer = Trainer(Scalar(), images=100, speed=PLAIN, schedule="constant")
    trainer.step(ones())
    assert trainer.method.net.weight.item() == pytest.approx(0.9, abs=1e-6)
    assert trainer.images_seen == 2
    assert trainer.losses() == {"W.product": 1.0, "W.constant": 0.0}


def test_the_schedule_and_the_scale_act_on_the_published_rate():
    trainer = Trainer(Scalar(), images=10, speed=PLAIN, schedule="cosine", lr_scale=0.5)
    trainer.images_seen = 5
    trainer.step(ones())
    rate = 0.1 * 0.5 * schedule.factor("cosine", 0.5)
    assert trainer.method.net.weight.item() == pytest.approx(1 - rate, abs=1e-6)


def test_a_warm_up_and_a_decay_of_their_own_act_as_published():
    class Warm(Scalar):
        def optimisers(self):
            return {"W": AdamW(lr=0.1, betas=(0.5, 0.9), weight_decay=0.5, warm_up=4)}

    trainer, expected = Trainer(Warm(), images=100, speed=PLAIN, schedule="constant"), 1.0
    for seen in (0, 2, 4):
        rate = 0.1 * min(1, (seen + 1) / 4)
        expected = expected * (1 - rate * 0.5) - rate  # a gradient that stays is a step of the rate
        trainer.step(ones())
        assert trainer.method.net.weight.item() == pytest.approx(expected, abs=1e-5)


def test_clipping_bounds_the_gradient_of_a_step():
    trainer = Trainer(Scalar(), images=10, speed=PLAIN, clip=0.25)
    norms = []
    trainer.optimisers["W"].register_step_pre_hook(
        lambda optimiser, *_: norms.append(optimiser.param_groups[0]["params"][0].grad.norm().item())
    )
    trainer.step({"source": torch.full((1, 1, 4, 4), 3.0)})
    assert norms == [pytest.approx(0.25, rel=1e-4)]


def test_the_average_follows_the_weights_and_is_what_translation_uses():
    trainer = Trainer(Scalar(), images=100, speed=PLAIN, schedule="constant", ema=0.5)
    trainer.step(ones())
    first = 1 + (1 - (3 / 12) ** 2) * (0.9 - 1)  # the warm-up keeps 3/12 of the average for each of the two images
    assert trainer.trained()["net.weight"].item() == pytest.approx(first, abs=1e-6)
    assert trainer.method.net.weight.item() == pytest.approx(0.9, abs=1e-6)


def test_an_average_copies_counters_and_averages_the_rest():
    network = nn.BatchNorm2d(2)
    average = Average({"n": network}, 0.9)
    network(torch.randn(4, 2, 3, 3))
    average.update()
    assert average.averages["n.num_batches_tracked"].item() == 1
    assert not torch.equal(average.averages["n.running_mean"], network.running_mean)


def test_a_loss_that_is_not_a_number_is_named():
    trainer = Trainer(Scalar(), images=10, speed=PLAIN)
    trainer.step({"source": torch.full((1, 1, 2, 2), math.nan)})
    with pytest.raises(ValueError, match=r"W\.product is not a number after 1 images"):
        trainer.losses()


@pytest.mark.parametrize("name", ["linear", "cosine", "step", "constant"])
def test_every_schedule_starts_at_one_and_never_rises(name):
    factors = [schedule.factor(name, k / 100) for k in range(101)]
    assert factors[0] == pytest.approx(1, abs=1e-6)
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(factors))
    assert factors[-1] >= 0


def test_the_linear_schedule_holds_for_half_and_ends_near_zero():
    assert schedule.factor("linear", 0.49) == 1
    assert 0 < schedule.factor("linear", 1.0) < 0.02


def test_the_estimate_counts_state_and_activations():
    def build():
        return find("pix2pix")(**SMALL)

    count = sum(p.numel() for p in build().parameters())
    one, eight = (training_bytes(build, batch(build(), size=size), speed=PLAIN) for size in (1, 8))
    assert one > 16 * count
    assert 6 < (eight - 16 * count) / (one - 16 * count) <= 8


def test_bfloat16_needs_less_memory_by_the_estimate():
    pictures = batch(find("pix2pix")(**SMALL))
    fast, plain = (
        training_bytes(lambda: find("pix2pix")(**SMALL), pictures, speed=speed) for speed in (Speed(bf16=True), PLAIN)
    )
    assert fast < plain


def test_the_battery_is_one_call_and_fails_where_a_method_is_wrong():
    class Forgetful(Scalar):
        def groups(self):
            return {"W": []}

    with pytest.raises((AssertionError, ValueError)):
        check_method(Forgetful)


def test_progress_is_told_to_the_method_before_each_batch():
    trainer = begin(find("pix2pix"), SMALL)
    seen = []
    for number in range(3):
        trainer.step(batch(trainer.method, number))
        seen.append(trainer.method.progress)
    assert seen == [0, 2 / 64, 4 / 64]


@pytest.mark.parametrize("name", ["gpu", "cuda:99", ""])
def test_a_device_that_is_not_here_is_named(name):
    with pytest.raises(ConfigError, match=f"the device '{name}' cannot be used"):
        choose_device(name)


@pytest.mark.parametrize("array", [np.zeros((4, 4, 3), np.int64), np.zeros((4, 4, 3), complex), np.zeros((0, 4, 3))])
def test_arrays_without_a_known_white_are_refused(array):
    with pytest.raises(ConfigError):
        bundle(find("pix2pix"), SMALL)(array)


def test_floats_beyond_one_are_refused_and_floats_up_to_one_are_as_bytes():
    translator, picture = bundle(find("pix2pix"), SMALL), np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert np.array_equal(translator(picture / 255).array, translator(picture).array)
    with pytest.raises(DataError, match="values from 0 to 47"):
        translator(picture.astype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("options", [SMALL, {**SMALL, "generator": "resnet_6blocks", "norm": "instance"}])
def test_compiled_networks_give_the_losses_of_the_others(options):
    losses = []
    for speed in (Speed(bf16=True), Speed(bf16=True, compile=True)):
        trainer = begin(find("pix2pix"), {**options, "dropout": False}, speed=speed)
        trainer.step(batch(trainer.method))
        losses.append(trainer.losses())
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_an_error_of_another_kind_is_no_expected_failure() -> None:
    def breaks(method: type[Method], options: dict[str, object]) -> None:
        raise TypeError("a slip of its author")

    with pytest.raises(TypeError, match="a slip of its author"):
        Check(breaks, Same, {}, "known")()


def test_a_loss_that_compiled_networks_cannot_take_is_a_message_with_its_remedy():
    class Twice(Scalar):
        def steps(self, source):
            class Refusing(torch.autograd.Function):
                @staticmethod
                def forward(ctx, x):
                    return x.clone()

                @staticmethod
                def backward(ctx, gradient):
                    raise RuntimeError("torch.compile with aot_autograd does not currently support double backward")

            yield Step("W", penalty=Refusing.apply(self.net.weight.sum()))

    with pytest.raises(ConfigError, match=r"the loss of W needs second derivatives.*set speed\.compile=false"):
        Trainer(Twice(), images=10, speed=PLAIN).step(ones())
