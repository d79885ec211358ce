"""CycleGAN: its terms, its history, its mask; that its numbers are the published ones is in test_conformance.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small import SMALL
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from diptych.errors import ConfigError
from diptych.methods.cyclegan import CycleGAN
from diptych.methods.method import parameters

TERMS = {"gan_a", "gan_b", "cycle_a", "cycle_b"}
IDENTITY = {"identity_a", "identity_b"}


def made(**options: Any) -> CycleGAN:
    torch.manual_seed(0)
    return CycleGAN(**SMALL["cyclegan"] | options)


def batch(a_channels: int = 3, b_channels: int = 3, size: int = 2) -> dict[str, Tensor]:
    a, b = torch.rand(size, a_channels, 16, 24), torch.rand(size, b_channels, 16, 24)
    return {"a": a * 2 - 1, "b": b * 2 - 1}


def gradients(method: CycleGAN, pictures: dict[str, Tensor]) -> list[Tensor]:
    """Those of every step, with no weight moved in between."""
    torch.manual_seed(0)
    found = []
    for step in method.steps(**pictures):
        moving = parameters(net for name in step.groups for net in method.groups()[name])
        found += torch.autograd.grad(step.loss, moving)
    return found


@pytest.mark.parametrize("norm", ["instance", "none"])
def test_sharing_a_batch_changes_no_gradient(norm: str) -> None:
    pictures, together, apart = batch(), made(norm=norm), made(norm=norm)
    apart.one_pass = False
    for one, other in zip(gradients(together, pictures), gradients(apart, pictures), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_batch_norms_see_each_batch_alone() -> None:
    assert not made(norm="batch").one_pass


def test_a_generator_leaves_alone_what_is_there_already() -> None:
    step = next(made().steps(**batch()))
    assert step.terms.keys() == TERMS | IDENTITY


@pytest.mark.parametrize("channels", [{"a_channels": 1}, {"b_channels": 4}])
def test_domains_with_different_channels_have_no_identity_term(channels: dict[str, int]) -> None:
    method, pictures = made(**channels), batch(**channels)
    steps = list(method.steps(**pictures))
    assert [step.groups for step in steps] == [("G",), ("D",)]
    assert steps[0].terms.keys() == TERMS
    assert method.translate(pictures["a"]).shape == pictures["b"].shape
    assert method.translate(pictures["b"], to="a").shape == pictures["a"].shape


def test_a_weight_of_zero_leaves_the_identity_term_out() -> None:
    assert next(made(identity=0.0).steps(**batch())).terms.keys() == TERMS


@pytest.mark.parametrize(("gan", "penalised"), [("wgan-gp", {"penalty_a", "penalty_b"}), ("hinge", set())])
def test_a_critic_pays_for_its_slope(gan: str, penalised: set[str]) -> None:
    generators, discriminators = made(gan=gan).steps(**batch())
    assert generators.terms.keys() == TERMS | IDENTITY
    assert discriminators.terms.keys() == {"real_a", "fake_a", "real_b", "fake_b"} | penalised


def test_nothing_waits_for_the_device() -> None:
    method = made(history=2)
    for _ in range(3):
        with NoReading():
            list(method.steps(**batch()))
    assert len(method.history_a.stored) == 2


class NoReading(TorchDispatchMode):
    """Refuses what makes the host wait for the device: to look at a value, or to count values."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert function not in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        return function(*args, **(kwargs or {}))


def test_discriminators_are_shown_the_history() -> None:
    method, old = made(history=2), torch.full((2, 3, 16, 24), 0.25)
    for pool in (method.history_a, method.history_b):
        pool.stored = old.clone()
    seen: list[Tensor] = []
    for d in (method.d_a, method.d_b):
        d.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    steps = method.steps(**batch(size=8))
    next(steps)
    seen.clear()
    step = next(steps)
    for pictures in seen:
        fakes = pictures[8:]
        assert 0 < sum(torch.equal(fake, old[0]) for fake in fakes) <= 2
    assert step.real_inputs.keys() == {method.d_a, method.d_b}


def test_the_history_is_part_of_the_state() -> None:
    method = made()
    list(method.steps(**batch()))
    state = method.state_dict()
    assert state["history_a.stored"].shape == state["history_b.stored"].shape == (2, 3, 16, 24)


# Attention


def looking(bias: float) -> CycleGAN:
    """Both generators' masks are far to one side."""
    method = made(attention=True).eval()
    for generator in (method.ab, method.ba):
        torch.nn.init.constant_(generator.head.bias[-1:], bias)
    return method


@pytest.mark.parametrize("to", ["a", "b"])
def test_where_the_mask_is_closed_the_input_stays(to: Any) -> None:
    method, x = looking(-50.0), batch()["a"]
    assert torch.equal(method.translate(x, to=to), x)
    assert torch.equal(method.translate(x, to=to, show="mask"), -torch.ones_like(x))


def test_where_the_mask_is_open_all_is_new() -> None:
    method, x = looking(50.0), batch()["a"]
    new = super(type(method.ab), method.ab).forward(x)[:, :3]
    assert torch.equal(method.translate(x), new)
    assert torch.equal(method.translate(x, show="mask"), torch.ones_like(x))


def test_between_them_the_mask_mixes() -> None:
    method, x = made(attention=True).eval(), batch()["a"]
    mask = (method.translate(x, show="mask") + 1) / 2
    new = super(type(method.ab), method.ab).forward(x)[:, :3]
    assert 0 < mask.min() < mask.max() < 1
    assert torch.equal(mask[:, 0], mask[:, 2])
    torch.testing.assert_close(method.translate(x), mask * new + (1 - mask) * x)


def test_a_mask_costs_a_channel_more_and_the_default_has_none() -> None:
    plain, attentive = made(), made(attention=True)
    assert [plain.ab.head.out_channels, attentive.ab.head.out_channels] == [3, 4]
    with pytest.raises(ConfigError, match="no mask"):
        plain.translate(batch()["a"], show="mask")


def test_attention_needs_as_many_channels_on_both_sides() -> None:
    with pytest.raises(ConfigError, match=r"a has 1, b has 3: set attention to false"):
        made(attention=True, a_channels=1)
