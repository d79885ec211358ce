"""Networks without norms and strides, the adversary that they are made for, and the defaults of a method of ours."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from diptych.errors import ConfigError
from diptych.methods import find
from diptych.nn.gan import detached, quarter, relativistic, roughness
from diptych.nn.smooth import SmoothDiscriminator, SmoothUNet
from diptych.training.recipe import resolve
from diptych.training.schedule import factor


@pytest.mark.parametrize("shape", [(64, 64), (64, 128), (256, 64)])
def test_a_smooth_u_net_keeps_the_size_and_sees_its_input_at_full_size(shape: tuple[int, int]) -> None:
    network = SmoothUNet(2, 3, width=4, levels=5, detail=4)
    x = torch.rand(1, 2, *shape).requires_grad_()
    made = network(x)
    assert made.shape == (1, 3, *shape)
    made[..., shape[0] // 2, shape[1] // 2].sum().backward()
    assert x.grad is not None
    assert (x.grad[0, :, shape[0] // 2, shape[1] // 2] != 0).all()


def test_smooth_networks_have_no_norms_strides_or_transposed_convolutions() -> None:
    for network in (SmoothUNet(3, 3), SmoothDiscriminator(6)):
        kinds = {type(module).__name__ for module in network.modules() if not list(module.children())}
        assert kinds <= {"Conv2d", "Identity"}
        assert {module.stride for module in network.modules() if isinstance(module, nn.Conv2d)} == {(1, 1)}


def test_a_smooth_discriminator_judges_patches() -> None:
    assert SmoothDiscriminator(6, width=4, levels=3)(torch.zeros(2, 6, 64, 32)).shape == (2, 1, 8, 4)


def test_the_relativistic_loss_is_about_differences_alone() -> None:
    better, worse = torch.full((2, 1, 4, 4), 103.0), torch.full((2, 1, 4, 4), 100.0)
    assert float(relativistic(better, worse)) == pytest.approx(0.04859, abs=1e-4)  # log(1 + e^-3)
    assert float(relativistic(worse, better)) == pytest.approx(3.04859, abs=1e-4)
    assert float(relativistic(worse, worse)) == pytest.approx(0.6931, abs=1e-4)


def test_the_relativistic_loss_of_several_maps_is_their_mean() -> None:
    maps = [torch.full((2, 1, 4, 4), 3.0), torch.zeros(2, 1, 2, 2)]
    nothing = [torch.zeros_like(one) for one in maps]
    assert float(relativistic(maps, nothing)) == pytest.approx((0.04859 + 0.6931) / 2, abs=1e-4)
    assert not any(one.requires_grad for one in detached([one.requires_grad_() for one in maps]))


def test_the_roughness_of_a_linear_discriminator_is_its_squared_slope() -> None:
    torch.manual_seed(0)
    slopes = torch.tensor([100.0, 2.0, -1.0]).view(1, 3, 1, 1)  # the first channel is given: no noise reaches it
    rough = roughness(lambda x: (x * slopes).sum(dim=1, keepdim=True), torch.rand(8, 3, 128, 128), 0.05, given=1)
    assert float(rough) == pytest.approx(5.0, rel=0.03)


@pytest.mark.parametrize(("side", "kept"), [(256, 128), (128, 64), (100, 64), (64, 32), (32, 32), (8, 8)])
def test_a_quarter_is_a_part_of_the_picture_anywhere(side: int, kept: int) -> None:
    torch.manual_seed(0)
    x = torch.arange(side * side).view(1, 1, side, side)
    parts = [quarter(x) for _ in range(20)]
    assert {part.shape[-2:] for part in parts} == {(kept, kept)}
    assert len({int(part[0, 0, 0, 0]) for part in parts}) > 1 or kept == side
    assert all((part[..., 1:, :] - part[..., :-1, :] == side).all() for part in parts)


def test_a_method_may_have_defaults_for_its_training_and_a_recipe_still_decides() -> None:
    assert find("paired").train_defaults == {"batch": 4, "ema": 0.99}
    ours, published = resolve({"method": "paired"}).train, resolve({"method": "pix2pix"}).train
    assert (ours.batch, ours.ema, ours.lr_scale) == (4, 0.99, 1.0)
    assert (published.batch, published.ema) == (1, 0.0)
    asked = resolve({"method": "paired", "train": {"batch": 2, "ema": 0.0}}).train
    assert (asked.batch, asked.ema) == (2, 0.0)


def test_a_warm_cosine_rises_for_a_twentieth_and_falls_to_nothing() -> None:
    rates = [factor("warm cosine", step / 1000) for step in range(1001)]
    highest = max(range(1001), key=lambda step: rates[step])
    assert 40 <= highest <= 55
    assert 0 < rates[0] < 0.11
    assert rates[-1] < 1e-4
    assert rates[500] == pytest.approx(0.5, abs=0.01)


def test_unpaired_begins_by_changing_nothing_and_its_content_term_knows_the_place() -> None:
    method = find("unpaired")(levels=2, width=4, detail=4, discriminator_width=4, discriminator_levels=2, heads=8)
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    assert torch.equal(method.translate(x), x)
    seen = method.g.encoder(x)
    torch.manual_seed(0)
    same = float(method.contrast(seen, seen).detach())
    torch.manual_seed(0)
    moved = float(method.contrast([one.roll(5, dims=-1) for one in seen], seen).detach())
    assert same < 0.9 * moved


def test_unpaired_needs_as_many_channels_in_both_domains() -> None:
    with pytest.raises(ConfigError, match=r"a has 3, b has 1: make them alike, or choose cyclegan"):
        find("unpaired")(a_channels=3, b_channels=1)
