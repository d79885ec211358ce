"""The CVAE has several answers where the pairs had several, and the one of a style picture or a label where asked."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from fitting import fit, scenes
from pictures import side_by_side
from runs import recipe, train
from small import SMALL
from torch import Tensor

from diptych import testing
from diptych.errors import ConfigError
from diptych.methods.cvae import CVAE
from diptych.model.translator import Translator
from diptych.nn.gaussian import Gaussian
from diptych.testing import CHECKS, batch, begin, tiles_are_the_whole

SIZES: dict[str, Any] = {"code": 4, "width": 16, "downs": 2, "hidden": 16}
COLOURS = torch.tensor([[0.8, -0.8, -0.8], [-0.8, -0.8, 0.8]])[..., None, None]


def ambiguous() -> dict[str, Tensor]:
    """One picture that is once made red and once blue where it is bright."""
    source = scenes(1).mean(1, keepdim=True).expand(2, 3, 16, 16)
    return {"source": source, "target": torch.where(source > -0.7, COLOURS, -torch.ones(1))}


def errors(made: Tensor, pairs: dict[str, Tensor]) -> Tensor:
    """How far each picture made is from each of the two answers."""
    return (made[:, None] - pairs["target"]).abs().mean((2, 3, 4))


@pytest.fixture
def fresh() -> CVAE:
    torch.manual_seed(0)
    return CVAE(**SMALL["cvae"]).eval().requires_grad_(False)


@pytest.mark.parametrize("options", [{}, {"prior": "standard", "kl": 1e-2}], ids=["learned", "standard"])
def test_samples_show_every_answer_and_a_style_picture_its_own(options: dict[str, Any]) -> None:
    pairs = ambiguous()
    repeated = {name: x.repeat(2, 1, 1, 1) for name, x in pairs.items()}
    torch.manual_seed(0)
    method = fit(CVAE(**SIZES, **options), repeated, 250, lr_scale=4.0)
    x = pairs["source"][:1]
    made = torch.cat([method.translate(x, seed=seed) for seed in range(32)])
    apart = errors(made, pairs)
    whole = (pairs["target"][0] - pairs["target"][1]).abs().mean()
    for answer in (0, 1):
        assert (apart.argmin(1) == answer).sum() >= 3
        assert apart[:, answer].min() < 0.3 * whole
        styled = method.translate(x, seed=3, style=pairs["target"][answer][None])
        assert errors(styled, pairs)[0, answer] < 0.3 * whole


def test_a_label_decides() -> None:
    pairs = ambiguous()
    torch.manual_seed(0)
    method = CVAE(**SIZES, classes=2, kl=1.0, free_bits=0.0, warmup=0.0)  # the code may say nothing
    method = fit(method, {**pairs, "label": torch.tensor([0, 1])}, 200, lr_scale=4.0)
    made = torch.cat([method.translate(pairs["source"][:1], label=label) for label in (0, 1)])
    assert errors(made, pairs).argmin(1).tolist() == [0, 1]
    assert errors(made, pairs).min(1).values.max() < 0.5 * errors(made, pairs).max(1).values.min()


def test_seeds_give_different_answers_and_one_seed_the_same(fresh: CVAE) -> None:
    x = scenes(2)
    assert torch.equal(fresh.translate(x, seed=5), fresh.translate(x, seed=5))
    answers = [fresh.translate(x, seed=seed) for seed in range(4)]
    for first, second in pairwise(answers):
        assert (first - second).abs().mean() > 1e-4


def test_strength_goes_from_the_seed_s_look_to_the_picture_s(fresh: CVAE) -> None:
    x, example = scenes(2), scenes(3)[2:]
    none, half, whole = (fresh.translate(x, seed=3, style=example, style_strength=s) for s in (0.0, 0.5, 1.0))
    torch.testing.assert_close(none, fresh.translate(x, seed=3))
    assert torch.equal(whole, fresh.translate(x, seed=4, style=example))
    assert 0 < (half - none).abs().mean() < (whole - none).abs().mean()


def test_without_a_picture_strength_goes_from_the_likeliest_look_to_the_seed_s(fresh: CVAE) -> None:
    x = scenes(2)
    assert torch.equal(fresh.translate(x, seed=1, style_strength=0.0), fresh.translate(x, seed=2, style_strength=0.0))
    features = fresh.encoder(x)
    likeliest = Gaussian.of(fresh.prior(features[-1])).mean
    torch.testing.assert_close(fresh.translate(x, style_strength=0.0), fresh.decoder(features, likeliest))


def test_a_style_picture_may_have_any_size(fresh: CVAE) -> None:
    for size in ((16, 16), (40, 24), (33, 17)):
        assert fresh.translate(scenes(2), style=torch.zeros(1, 3, *size)).shape == (2, 3, 16, 16)


OF_WHOLES = [check for check in CHECKS if check is not tiles_are_the_whole]
"""What is patched below reaches whole pictures alone."""


@pytest.mark.parametrize("check", OF_WHOLES, ids=lambda check: check.__name__)
def test_with_labels_it_passes_the_battery(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def labelled(method: CVAE, number: int = 0, size: int = 2) -> dict[str, Tensor]:
        return {**batch(method, number, size), "label": torch.arange(size) % 2}

    def of_label(translator: Translator, pictures: Tensor, **controls: Any) -> Tensor:
        return plain(translator, pictures, **{**controls, "label": 1})

    plain = Translator.batch
    monkeypatch.setattr(testing, "batch", labelled)
    monkeypatch.setattr(Translator, "batch", of_label)
    check(CVAE, {**SMALL["cvae"], "classes": 2})


def test_each_picture_of_a_batch_may_have_its_own_label(fresh: CVAE) -> None:
    torch.manual_seed(0)
    decoder = CVAE(**SMALL["cvae"], classes=3).decoder
    features, code = fresh.encoder(scenes(3)), torch.zeros(3, 4)
    together = decoder(features, code, torch.tensor([2, 0, 1]))
    for number, label in enumerate((2, 0, 1)):
        alone = decoder([x[number : number + 1] for x in features], code[:1], torch.tensor([label]))
        torch.testing.assert_close(together[number : number + 1], alone, rtol=1e-4, atol=1e-5)


def test_a_label_that_there_is_not_is_refused_in_words(fresh: CVAE) -> None:
    with pytest.raises(ConfigError, match="trained with classes: 0; leave label out"):
        fresh.translate(scenes(1), label=0)
    with pytest.raises(ConfigError, match="no label 2: it knows 0 to 1"):
        CVAE(**SMALL["cvae"], classes=2).translate(scenes(1), label=2)


def test_labels_that_no_class_asked_for_change_nothing(fresh: CVAE) -> None:
    pictures, losses = batch(fresh), []
    for label in ({}, {"label": torch.tensor([0, 1])}):
        torch.manual_seed(0)
        (step,) = fresh.steps(**pictures, **label)
        losses.append(step.loss)
    assert torch.equal(*losses)


def test_the_weight_of_the_divergence_warms_up_and_some_of_it_is_free() -> None:
    method = CVAE(**{**SMALL["cvae"], "free_bits": 100.0, "kl": 2.0, "warmup": 0.5, "code": 3})
    weighted = []
    for method.progress in (0.0, 0.25, 0.5, 1.0):
        (step,) = method.steps(**batch(method))
        weighted.append(step.terms["kl"].item())
    assert weighted == pytest.approx([0, 300, 600, 600])


def test_the_perceptual_network_is_neither_trained_nor_saved() -> None:
    trainer = begin(CVAE, {**SMALL["cvae"], "perceptual": 1.0})
    assert trainer.method.state_dict().keys() == CVAE(**SMALL["cvae"]).state_dict().keys()
    trainer.step(batch(trainer.method))
    assert trainer.losses()["G.perceptual"] > 0
    with pytest.raises(ConfigError, match="the target has 5 channels: set it to 0"):
        CVAE(target_channels=5, perceptual=1.0)


def test_classes_without_labels_are_refused_before_a_training_starts(tmp_path: Path) -> None:
    given = recipe(side_by_side(tmp_path / "pairs", 4, 64), images=2)
    given |= {"method": {"name": "cvae", **SMALL["cvae"], "classes": 3}}
    with pytest.raises(ConfigError, match=r"method\.classes = 3: diptych train has no labels to give to cvae"):
        train(given, tmp_path / "run", dry_run=True)
