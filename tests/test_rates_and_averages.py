"""Learning rates in absolute terms, averages that count images, and options by the names that others give them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from pictures import side_by_side
from runs import outcome, recipe, train

from diptych.errors import ConfigError
from diptych.methods import find
from diptych.options.schema import check, unknown
from diptych.testing import batch, begin
from diptych.training import checkpoint
from diptych.training.recipe import resolve, sections
from diptych.training.stabilizers import Stabilizers
from diptych.training.trainer import Trainer

SMALL_OURS = {
    "levels": 2,
    "width": 4,
    "detail": 4,
    "discriminator_width": 4,
    "discriminator_levels": 2,
    "network": "none",
}
SMALL = {"generator": "unet_32", "width": 4, "discriminator_width": 4, "discriminator_layers": 2}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return side_by_side(tmp_path_factory.mktemp("pairs"), 6, 64)


def test_a_rate_and_moments_replace_the_published_ones(pairs: Path, tmp_path: Path) -> None:
    train(recipe(pairs, lr=1e-3, betas="0.9,0.99", schedule="constant"), tmp_path / "run")
    state = checkpoint.read(tmp_path / "run" / "checkpoint")
    assert state is not None
    for group in state["optimisers"].values():
        assert (group["param_groups"][0]["lr"], tuple(group["param_groups"][0]["betas"])) == (1e-3, (0.9, 0.99))
    written = yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text())["train"]
    assert (written["lr"], written["betas"]) == (1e-3, [0.9, 0.99])
    assert "complete" in train({}, tmp_path / "run", resume=True)


def test_two_rates_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match=r"train\.lr and train\.lr_scale both say"):
        resolve({"method": "pix2pix", "train": {"lr": 1e-4, "lr_scale": 2}})
    for wrong in ("0.5", "0.5,1.5", "high,low", [0.5, 0.9, 0.99], 7):
        with pytest.raises(ConfigError, match=r"train\.betas = "):
            resolve({"method": "pix2pix", "train": {"betas": wrong}})


@pytest.mark.parametrize("size", [1, 2, 4])
def test_an_average_lasts_as_many_images_in_batches_of_any_size(size: int) -> None:
    method = find("pix2pix")(**SMALL)
    trainer = Trainer(method, images=10_000, ema=0.9)
    assert trainer.average is not None
    trainer.average.steps = 1000  # beyond the warm-up
    start = {name: value.clone() for name, value in trainer.average.averages.items()}
    with torch.no_grad():
        for weight in method.parameters():
            weight += 1
    for _ in range(8 // size):
        trainer.average.update(size)
    name = next(name for name, weight in method.g.named_parameters(prefix="g"))
    kept = 1 - (trainer.average.averages[name] - start[name]).mean().item()
    assert kept == pytest.approx(0.9**8, rel=1e-4)


def test_a_trainer_counts_images_or_as_before_steps() -> None:
    counts = []
    for options in ({}, {"ema_counts": "steps"}):
        trainer = begin(find("pix2pix"), SMALL, ema=0.9, **options)
        trainer.step(batch(trainer.method, size=2))
        assert trainer.average is not None
        counts.append(trainer.average.steps)
    assert counts == [2, 1]


def test_a_run_from_before_goes_on_counting_steps_and_says_so(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = recipe(pairs, ema_counts="steps")
    train(old, tmp_path / "undisturbed")
    step = Trainer.step

    def deadly(trainer: Trainer, given: dict[str, torch.Tensor]) -> None:
        if trainer.images_seen == 8:
            raise KeyboardInterrupt
        step(trainer, given)

    monkeypatch.setattr(Trainer, "step", deadly)
    with pytest.raises(KeyboardInterrupt):
        train(old, tmp_path / "run")
    monkeypatch.undo()
    path = tmp_path / "run" / "recipe.yaml"
    written = yaml.safe_load(path.read_text())
    for name in ("ema_counts", "lr", "betas"):  # as it was written before there were these
        del written["train"][name]
    path.write_text(yaml.safe_dump(written))
    assert "half-life of 7 steps" in train(written, tmp_path / "anew", dry_run=True)
    said = train(recipe(pairs), tmp_path / "run")
    assert "going on at 6" in said
    assert "half-life of 7 steps (train.ema=0.9), as in recipes from before" in said
    assert outcome(tmp_path / "run") == outcome(tmp_path / "undisturbed")
    assert "half-life of 7 images" in train(recipe(pairs), tmp_path / "new", dry_run=True)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("train.batch_size", "train.batch"), ("train.learning_rate", "train.lr"), ("lr", "train.lr"),
        ("train.gpu_ids", "train.device"), ("gpu", "train.device"), ("train.n_epochs", "train.epochs"),
        ("epochs", "train.epochs"), ("data.load_size", "data.load"), ("data.crop_size", "data.size"),
        ("train.workers", "data.workers"), ("train.num_workers", "data.workers"), ("data.batch", "train.batch"),
        ("batch_size", "train.batch"), ("method.ngf", "method.width"), ("train.bacth", "train.batch"),
    ],
)  # fmt: skip
def test_an_option_by_its_usual_name_is_told_what_it_is_called_here(given: str, meant: str) -> None:
    section, _, name = given.rpartition(".")
    with pytest.raises(ConfigError, match=f"{given} is not an option; did you mean {meant}\\?"):
        check(sections("pix2pix"), {section: {name: 1}} if section else {name: 1})


def test_a_name_like_nothing_else_lists_what_there_is() -> None:
    assert unknown("xyz", ["alpha", "beta"]) == "xyz is not an option; there are: alpha, beta"


@pytest.mark.parametrize(
    "stabilizers", [Stabilizers(), Stabilizers(spectral_norm=True)], ids=["plain", "spectral norm"]
)
def test_rates_by_inputs_change_wide_layers_less(stabilizers: Stabilizers) -> None:
    method = find("paired")(**SMALL_OURS)
    trainer = Trainer(method, images=100, schedule="constant", stabilizers=stabilizers)
    trainer.step(batch(method))
    rates = {}
    for optimiser in trainer.optimisers.values():
        for group in optimiser.param_groups:
            rates |= {id(parameter): group["lr"] for parameter in group["params"]}
    for network in (method.g, method.d):
        for layer in (module for module in network.modules() if isinstance(module, torch.nn.Conv2d)):
            expected = 1e-2 * layer.weight[0].numel() ** -0.5
            assert [rates[id(p)] for p in layer.parameters()] == pytest.approx([expected, expected])
