"""Normal distributions of codes cost what they cost elsewhere; draws and running means do not see parts of batches."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from diptych.nn.gaussian import BOUND, Gaussian, RunningMeans, draw_normal, nats, seeded_normal, warmed
from diptych.nn.ops.group_norm import adaptive_group_norm, groups_of
from diptych.nn.residual import GroupNorm


def gaussian(seed: int, *shape: int) -> tuple[Gaussian, Normal]:
    chance = torch.Generator().manual_seed(seed)
    mean, log_variance = torch.randn(shape, generator=chance), torch.randn(shape, generator=chance)
    return Gaussian(mean, log_variance), Normal(mean, log_variance.exp().sqrt())


def test_divergences_are_those_of_torch() -> None:
    (q, torch_q), (p, torch_p) = gaussian(0, 3, 4, 5, 5), gaussian(1, 3, 4, 5, 5)
    torch.testing.assert_close(q.divergence(p), kl_divergence(torch_q, torch_p))
    standard = Normal(torch.zeros(()), torch.ones(()))
    torch.testing.assert_close(q.divergence(), kl_divergence(torch_q, standard))
    torch.testing.assert_close(q.divergence(q), torch.zeros(3, 4, 5, 5))


def test_a_draw_has_the_mean_and_the_deviation() -> None:
    q = Gaussian(torch.full((1, 1), 3.0), torch.full((1, 1), 4.0).log())
    drawn = q.at(torch.randn(100_000, 1, generator=torch.Generator().manual_seed(0)))
    assert drawn.mean().item() == pytest.approx(3, abs=0.03)
    assert drawn.std().item() == pytest.approx(2, abs=0.03)


def test_an_encoder_cannot_ask_for_a_variance_beyond_all_bounds() -> None:
    numbers = torch.tensor([[0.0, 1e6], [0.0, -1e6], [0.0, 0.01]], requires_grad=True)
    q = Gaussian.of(numbers.bfloat16())
    assert q.mean.dtype == torch.float32
    torch.testing.assert_close(q.log_variance[:, 0], torch.tensor([BOUND, -BOUND, 0.01]), rtol=0.01, atol=0)
    q.divergence(Gaussian(q.mean, -q.log_variance)).sum().backward()
    assert numbers.grad is not None
    assert numbers.grad.isfinite().all()


def test_nats_are_added_over_channels_and_averaged_over_places_and_pictures() -> None:
    divergence = torch.rand(3, 4, 5, 6)
    torch.testing.assert_close(nats(divergence), divergence.sum(1).mean())
    torch.testing.assert_close(nats(divergence[..., 0, 0]), divergence[..., 0, 0].sum(1).mean())


def test_free_bits_are_of_each_channel_of_each_picture() -> None:
    divergence = torch.tensor([[[[0.0, 0.4]], [[2.0, 4.0]]], [[[1.0, 1.0]], [[0.0, 0.0]]]], requires_grad=True)
    cost = nats(divergence, 0.5)  # means over the map: 0.2 and 3; 1 and 0
    assert cost.item() == pytest.approx((0.5 + 3 + 1 + 0.5) / 2)
    cost.backward()
    assert divergence.grad is not None
    assert divergence.grad.flatten(2).sum(2).tolist() == [[0, 0.5], [0.5, 0]]


def test_the_warm_up_is_a_straight_line_of_the_progress() -> None:
    assert [warmed(2.0, progress, 0.5) for progress in (0.0, 0.25, 0.5, 0.75, 1.0)] == [0, 1, 2, 2, 2]
    assert warmed(2.0, 0.0, 0.0) == 2


@pytest.mark.parametrize("shape", [(8,), (3,), (2, 5, 5), (16, 8, 8)])
def test_a_batch_in_parts_has_the_draws_of_the_whole(shape: tuple[int, ...]) -> None:
    code = torch.zeros(4, *shape)
    torch.manual_seed(0)
    whole = draw_normal(code, 2)
    torch.manual_seed(0)
    parts = [draw_normal(part, 2) for part in code.split(1)]
    for number, draws in enumerate(whole):
        assert draws.shape == code.shape
        assert torch.equal(draws, torch.cat([part[number] for part in parts]))
    drawn = torch.stack(whole).flatten(2)
    assert len(drawn.flatten().unique()) == drawn.numel()


def test_running_means_are_those_of_what_was_seen_and_older_pictures_fade() -> None:
    means, seen = RunningMeans(2, 3, decay=0.9), torch.randn(4, 3)
    assert means.mean(0).tolist() == [0, 0, 0]
    for one in seen:
        means.see(0, one[None])
    weights = torch.tensor([0.9**3, 0.9**2, 0.9, 1.0])
    torch.testing.assert_close(means.mean(0), (weights[:, None] * seen).sum(0) / weights.sum())
    assert means.mean(1).tolist() == [0, 0, 0]


def test_a_batch_in_parts_leaves_the_running_means_of_the_whole() -> None:
    whole, parts, seen = RunningMeans(1, 3, 0.9), RunningMeans(1, 3, 0.9), torch.randn(6, 3)
    whole.see(0, seen)
    for part in seen.split([1, 3, 2]):
        parts.see(0, part)
    torch.testing.assert_close(whole.state_dict(), parts.state_dict())


def test_groups_have_sixteen_channels_or_more() -> None:
    assert {c: groups_of(c) for c in (4, 16, 24, 31, 32, 48, 64, 96, 256)} == {
        4: 1, 16: 1, 24: 1, 31: 1, 32: 2, 48: 3, 64: 4, 96: 6, 256: 16,
    }  # fmt: skip


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("pictures", [1, 3])
def test_a_look_scales_and_shifts_each_picture_s_channels_in_its_own_precision_and_layout(
    pictures: int, dtype: torch.dtype, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    x, scale, shift = torch.randn(pictures, 32, 8, 8), torch.randn(pictures, 32), torch.randn(pictures, 32)
    plain = torch.nn.functional.group_norm(x, 2) * scale[..., None, None] + shift[..., None, None]
    given = x.to(dtype).contiguous(memory_format=layout).requires_grad_()
    ours = adaptive_group_norm(given, 2, scale, shift)
    ours.square().sum().backward()
    assert given.grad is not None
    assert ours.dtype == given.grad.dtype == dtype
    for made in (ours, given.grad):
        assert made.is_contiguous(memory_format=layout)
    torch.testing.assert_close(ours.float(), plain, **({} if dtype == torch.float32 else {"rtol": 0.02, "atol": 0.04}))


def test_a_norm_that_follows_looks_is_plain_without_one() -> None:
    norm, x = GroupNorm(32, conditioning=5), torch.randn(2, 32, 4, 4)
    torch.testing.assert_close(norm(x), torch.nn.functional.group_norm(x, 2))
    assert not torch.allclose(norm(x, torch.ones(2, 5)), norm(x))


def test_what_a_seed_draws_is_its_own_and_leaves_other_draws_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(seeded_normal(1, 1, 8), seeded_normal(1, 1, 8))
    assert not torch.equal(seeded_normal(1, 1, 8), seeded_normal(2, 1, 8))
    assert torch.equal(torch.rand(1), expected)
