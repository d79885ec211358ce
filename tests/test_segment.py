"""Segmentation learns label maps by heart; void pixels have no say, and losses are what they are by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fitting import fit, scenes
from small import SMALL
from torch import Tensor

from diptych.images.legend import Legend, from_one_hot, to_one_hot
from diptych.methods.segment import Segment
from diptych.nn.segmentation import cross_entropy, dice
from diptych.testing import batch

CLASSES = 3


def ranks(count: int = 2, size: int = 8) -> Tensor:
    return torch.randint(0, CLASSES, (count, size, size), generator=torch.Generator().manual_seed(0))


def shares(classes: Tensor) -> Tensor:
    """`B H W` of ranks, or -1 for void, as `B K H W` of 0 and 1."""
    return (classes[:, None] == torch.arange(CLASSES)[:, None, None]).float()


def terms(method: Segment, source: Tensor, target: Tensor) -> dict[str, Tensor]:
    (step,) = method.steps(source, target)
    return step.terms


@pytest.mark.parametrize("options", [{}, {"norm": "batch"}, {"balance": 1.0, "dice": 1.0}], ids=str)
def test_a_handful_of_label_maps_is_learnt_by_heart(options: dict[str, object]) -> None:
    torch.manual_seed(0)
    source, legend = scenes(4), Legend.numbered(range(CLASSES))
    bright = (source.mean(1) > -0.7).long()
    classes = bright * (1 + (source[:, 0] > source[:, 1]).long())
    target = to_one_hot(classes[..., None].byte(), legend)
    method = fit(Segment(width=16, depth=2, **options), {"source": source, "target": target}, 60, lr_scale=3.0)
    made = method.translate(source)
    told = np.stack([from_one_hot(one, legend).array[..., 0] for one in made])
    assert (told == classes.numpy()).mean() > 0.97
    assert (made - target).abs().mean() < 0.35


def test_planes_are_likelihoods_that_add_up() -> None:
    torch.manual_seed(0)
    made = Segment(**SMALL["segment"]).eval().translate(scenes(2))
    assert made.min() >= -1
    assert made.max() <= 1
    torch.testing.assert_close(((made + 1) / 2).sum(1), torch.ones(2, 16, 16))


def test_without_balance_the_loss_is_the_cross_entropy() -> None:
    logits, classes = torch.randn(2, CLASSES, 8, 8), ranks()
    torch.testing.assert_close(cross_entropy(logits, shares(classes)), F.cross_entropy(logits, classes))


def test_wholly_balanced_every_class_of_a_picture_weighs_the_same() -> None:
    logits, classes = torch.randn(1, CLASSES, 8, 8), ranks(1)
    classes[:, 2:] = 0
    each = F.cross_entropy(logits, classes, reduction="none")
    wanted = torch.stack([each[classes == k].mean() for k in range(CLASSES)]).mean()
    torch.testing.assert_close(cross_entropy(logits, shares(classes), 1.0), wanted)
    halfway = torch.tensor([float((classes == k).sum()) for k in range(CLASSES)]) ** -0.5
    wanted = (halfway[classes] * each).sum() / halfway[classes].sum()
    torch.testing.assert_close(cross_entropy(logits, shares(classes), 0.5), wanted)


def test_overlap_is_lacking_by_what_is_said_wrongly() -> None:
    classes = ranks()
    right = 100 * shares(classes)
    assert dice(right, shares(classes)).item() == pytest.approx(0, abs=1e-5)
    wrong = 100 * shares((classes + 1) % CLASSES)
    assert dice(wrong, shares(classes)).item() == pytest.approx(1, abs=1e-5)
    one, unsure = shares(torch.zeros(1, 4, 4, dtype=torch.long)), torch.zeros(1, CLASSES, 4, 4)
    assert dice(unsure, one).item() == pytest.approx(1 - 2 * (1 / 3) / (1 / 3 + 1))  # other classes are not there


@pytest.mark.parametrize("options", [{}, {"balance": 0.7, "dice": 1.0}], ids=str)
def test_void_pixels_do_not_count(options: dict[str, float]) -> None:
    method = Segment(**SMALL["segment"], **options)
    pictures, logits = batch(method), torch.randn(2, CLASSES, 32, 32, requires_grad=True)
    void = torch.rand(2, 1, 32, 32) < 0.5
    target = torch.where(void, -1.0, pictures["target"])
    method.net = torch.nn.Identity()
    losses = terms(method, logits, target)
    sum(losses.values()).backward()
    assert (logits.grad * void).abs().max() == 0
    assert (logits.grad * ~void).abs().max() > 0
    changed = terms(method, torch.where(void, torch.randn(1), logits), target)
    torch.testing.assert_close(losses, changed)


def test_the_mean_is_over_known_pixels_alone_and_pictures_weigh_the_same() -> None:
    logits, classes = torch.randn(2, CLASSES, 8, 8), ranks()
    classes[0, 1:] = -1
    each = [F.cross_entropy(x[None], y[None], ignore_index=-1) for x, y in zip(logits, classes, strict=True)]
    torch.testing.assert_close(cross_entropy(logits, shares(classes)), torch.stack(each).mean())


def test_a_picture_of_which_nothing_is_known_teaches_nothing() -> None:
    torch.manual_seed(0)
    method = Segment(**SMALL["segment"], balance=1.0, dice=1.0)
    losses = terms(method, scenes(2), torch.full((2, CLASSES, 16, 16), -1.0))
    assert [loss.item() for loss in losses.values()] == [0, 0]
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in method.parameters())
