"""What steadies a training does what its papers say, to any method, and stands aside when it is off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pictures import side_by_side
from runs import outcome, recipe, train
from safetensors.torch import load_file
from small import SMALL
from test_resume import train_and_die
from test_steadiness import NoWaiting
from torch import Tensor, nn
from torch.nn.utils import parametrize

from diptych.errors import ConfigError
from diptych.methods import find, names
from diptych.methods.method import Adam, Method, Step
from diptych.model.folder import load_method
from diptych.nn.diffaugment import colour, cutout, diffaugment, translation
from diptych.nn.gan import slope_penalty
from diptych.nn.spectral import SpectralNorm
from diptych.options.recipes import assignments, dump, read_recipe, warn_of
from diptych.runtime.speed import PLAIN, Speed
from diptych.testing import EveryDrawAlike, assert_equal, batch, begin, resuming_equals_going_on, take_gradients
from diptych.training import stabilizers as module
from diptych.training.recipe import resolve
from diptych.training.stabilizers import Stabilizers, plain_state
from diptych.training.trainer import Trainer

JUDGED = [name for name in names() if find(name).discriminators]
EVERYTHING = Stabilizers(diffaugment=["colour", "translation", "cutout"], spectral_norm=True, r1=1.0, r1_every=2)


class Critic(Method):
    """One linear discriminator of whole pictures: its slope is its weight w everywhere, and it has no other loss."""

    keep = ("g",)
    discriminators = ("d",)

    def __init__(self) -> None:
        super().__init__()
        self.g, self.d = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 1, 4)

    def groups(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.g], "D": [self.d]}

    def optimisers(self) -> dict[str, Adam]:
        return {"G": Adam(lr=0.1), "D": Adam(lr=0.1)}

    def steps(self, a: Tensor) -> Iterator[Step]:
        yield Step("D", real_inputs={self.d: a}, none=0 * self.d(a).mean())
        yield Step("G", mean=self.g(a).mean())


def pictures(count: int = 2) -> dict[str, Tensor]:
    return {"a": torch.rand(count, 2, 4, 4)}


def critic(**stabilizers: Any) -> Trainer:
    torch.manual_seed(0)
    return Trainer(Critic(), images=100, schedule="constant", speed=PLAIN, stabilizers=Stabilizers(**stabilizers))


# --- R1 ----------------------------------------------------------------------------------------------------------


def test_the_slope_of_a_linear_discriminator_is_its_weight() -> None:
    whole, pixels = nn.Conv2d(3, 1, 8), nn.Conv2d(3, 1, 1)
    for judge in (whole, pixels):
        for real in torch.randn(2, 3, 8, 8), torch.randn(5, 3, 8, 8):
            assert slope_penalty(judge, real).item() == pytest.approx(judge.weight.square().sum().item(), rel=1e-5)


def test_several_maps_of_logits_are_penalised_each_by_itself() -> None:
    one, other = nn.Conv2d(3, 1, 8), nn.Conv2d(3, 1, 1)
    both = slope_penalty(lambda x: [one(x), other(x)], torch.randn(2, 3, 8, 8))
    assert both.item() == pytest.approx(sum(d.weight.square().sum().item() for d in (one, other)), rel=1e-5)


def test_r1_adds_half_gamma_times_the_squared_slope_and_its_gradient() -> None:
    trainer = critic(r1=6.0)
    weight = trainer.method.d.weight
    step = next(trainer.method.steps(**pictures()))
    terms = trainer.stabilized.terms(step)
    assert terms["stabilizers.r1"].item() == pytest.approx(3 * weight.square().sum().item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(terms["stabilizers.r1"], weight)
    assert torch.allclose(gradient, 6 * weight, rtol=1e-5)
    trainer.step(pictures())
    assert trainer.losses().keys() == {"D.none", "D.stabilizers.r1", "G.mean"}


def test_r1_now_and_then_is_as_much_stronger_as_it_is_rarer() -> None:
    trainer = critic(r1=2.0, r1_every=3, rates={"D": 1e-9})
    seen = []
    for _ in range(7):
        trainer.step(pictures())
        seen.append(trainer.losses().get("D.stabilizers.r1"))
    squared = pytest.approx(3 * trainer.method.d.weight.square().sum().item(), rel=1e-4)
    assert seen == [squared, None, None, squared, None, None, squared]


# --- Spectral norm ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 3, 4, 4), (1, 64, 4, 4), (64, 5)])
def test_the_largest_singular_value_becomes_one(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape)
    norm = SpectralNorm(weight)
    norm.power_iteration(weight, steps=200)
    assert torch.linalg.matrix_norm(norm(weight).flatten(1), 2).item() == pytest.approx(1, abs=1e-4)
    assert torch.allclose(norm(weight), norm(5 * weight), atol=1e-6)


def test_the_gradient_has_no_part_along_the_weight() -> None:
    weight = torch.randn(8, 3, 4, 4, requires_grad=True)
    norm = SpectralNorm(weight)
    (gradient,) = torch.autograd.grad((norm(weight) * torch.randn(8, 3, 4, 4)).sum(), weight)
    assert (gradient * weight).sum().item() == pytest.approx(0, abs=1e-4)


def test_discriminators_alone_are_normalised_and_stay_so_while_they_move() -> None:
    trainer = begin(find("pix2pix"), SMALL["pix2pix"], stabilizers=Stabilizers(spectral_norm=True), lr_scale=20.0)
    for number in range(10):
        trainer.step(batch(trainer.method, number))
    normed = {place for place, _ in trainer.method.named_modules() if place.endswith("parametrizations.weight.0")}
    convolutions = {place for place, layer in trainer.method.d.named_modules() if isinstance(layer, nn.Conv2d)}
    assert {place.removesuffix(".parametrizations.weight.0") for place in normed} == {f"d.{c}" for c in convolutions}
    for layer in trainer.method.d.modules():
        if isinstance(layer, nn.Conv2d):
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)


def test_the_plain_state_has_the_published_names_and_the_weights_as_they_act() -> None:
    plain = find("pix2pix")(**SMALL["pix2pix"])
    trainer = begin(find("pix2pix"), SMALL["pix2pix"], stabilizers=EVERYTHING)
    trainer.step(batch(trainer.method))
    plain.load_state_dict(plain_state(trainer.method))
    pair = torch.rand(2, 6, 32, 32)
    assert torch.equal(plain.d(pair), trainer.method.d.forward(pair))
    assert_equal(plain_state(plain), plain.state_dict())


# --- DiffAugment -----------------------------------------------------------------------------------------------------


def test_colours_do_not_change_on_average() -> None:
    torch.manual_seed(0)
    one = torch.rand(1, 3, 2, 2) * 2 - 1
    many = colour(one.expand(50_000, 3, 2, 2))
    deviation = (many.mean(0) - one[0]) / (many.std(0) / 50_000**0.5)
    assert deviation.abs().max() < 4
    assert many.std(0).min() > 0.1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["colour", "translation", "cutout"])
def test_gradients_pass_once_and_twice(kind: Any, channels: int) -> None:
    def repeated(x: Tensor) -> Tensor:
        torch.manual_seed(3)
        return diffaugment(x, [kind], [1] * channels)

    x = torch.randn(2, channels, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(repeated, x, atol=1e-4)
    assert torch.autograd.gradgradcheck(lambda y: repeated(y).square(), x, atol=1e-4)


def test_all_channels_move_and_are_cut_together_and_each_picture_has_colours_of_its_own() -> None:
    torch.manual_seed(0)
    pair = torch.rand(4, 1, 32, 32).expand(4, 6, 32, 32)
    moved = diffaugment(pair, ["translation", "cutout"], [3, 3])
    assert torch.equal(moved, moved[:, :1].expand_as(moved))
    assert not torch.equal(moved, pair)
    coloured = diffaugment(pair, ["colour"], [3, 3])
    assert not torch.allclose(coloured[:, :3], coloured[:, 3:], atol=1e-2)
    assert torch.allclose(coloured[:, 0], coloured[:, 2], atol=1e-6)


def test_a_picture_moves_by_up_to_an_eighth_and_nothing_comes_round() -> None:
    torch.manual_seed(0)
    one = torch.rand(1, 1, 16, 24) + 0.1
    padded = nn.functional.pad(one, (3, 3, 2, 2))
    places = {(y, x): padded[0, 0, 2 - y : 18 - y, 3 - x : 27 - x] for y in range(-2, 3) for x in range(-3, 4)}
    seen = set()
    for moved in translation(one.expand(400, 1, 16, 24)):
        seen |= {place for place, expected in places.items() if torch.equal(moved[0], expected)}
    assert seen == set(places)


def test_what_is_cut_out_is_half_as_high_and_wide_with_its_middle_in_the_picture() -> None:
    torch.manual_seed(0)
    holes = cutout(torch.ones(2000, 1, 8, 12))[:, 0] == 0
    heights, widths = holes.any(2).sum(1), holes.any(1).sum(1)
    assert torch.equal(holes.sum((1, 2)), heights * widths), "a rectangle"
    assert set(heights.tolist()) == {2, 3, 4}
    assert set(widths.tolist()) == {3, 4, 5, 6}
    assert holes.any(0).all()


def test_each_picture_of_a_batch_has_its_own_draw() -> None:
    for kind in (colour, translation, cutout):
        changed = kind(torch.rand(1, 3, 64, 64).expand(8, 3, 64, 64))
        assert not any(torch.equal(changed[0], other) for other in changed[1:])


@pytest.mark.parametrize("name", JUDGED)
def test_all_that_any_discriminator_sees_is_changed_first(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And every discriminator is shown real pictures, for its penalty."""
    blank, seen, shown = torch.zeros(()), [], set()
    monkeypatch.setattr(module, "diffaugment", lambda x, *_: x * 0 + blank)
    trainer = begin(find(name), SMALL.get(name, {}), stabilizers=EVERYTHING)
    monkeypatch.setattr(module, "slope_penalty", lambda d, real: shown.add(d) or slope_penalty(d, real))
    judges = [getattr(trainer.method, judge) for judge in trainer.method.discriminators]
    for judge in judges:
        judge.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    trainer.step(batch(trainer.method))
    assert len(seen) >= 3 * len(judges), "real, fake and fake again"
    assert not any(x.any() for x in seen)
    assert shown == set(judges)


def test_the_pictures_of_a_pair_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(module, "diffaugment", lambda x, kinds, pictures: seen.append(list(pictures)) or x)
    trainer = begin(find("pix2pix"), {**SMALL["pix2pix"], "source_channels": 1}, stabilizers=EVERYTHING)
    trainer.step({"source": torch.rand(2, 1, 32, 32), "target": torch.rand(2, 3, 32, 32)})
    assert seen == [[1, 3]] * 4  # fake, real, real for its slope, fake


# --- Rates -----------------------------------------------------------------------------------------------------------


def test_rates_change_the_steps_of_their_groups() -> None:
    moves = []
    for rates in (None, {"G": 3.0}):
        trainer = critic(rates=rates, r1=1.0)
        before = {name: x.clone() for name, x in trainer.method.state_dict().items()}
        trainer.step(pictures())
        moves.append({name: (x - before[name]).abs().max().item() for name, x in trainer.method.state_dict().items()})
    assert moves[0]["g.weight"] == pytest.approx(0.1, rel=1e-4)  # Adam's first step
    assert moves[1]["g.weight"] == pytest.approx(0.3, rel=1e-4)
    assert moves[1]["d.weight"] == moves[0]["d.weight"] == pytest.approx(0.1, rel=1e-4)


# --- What all of it must leave as it is -------------------------------------------------------------------------------


def test_what_a_method_does_not_have_is_said() -> None:
    class NoJudge(Critic):
        discriminators = ()

    with pytest.raises(ConfigError, match=r"stabilizers\.rates: Critic has no group E, F; there are: G, D"):
        critic(rates={"E": 1.0, "D": 4.0, "F": 2.0})
    with pytest.raises(
        ConfigError, match=r"stabilizers\.spectral_norm, stabilizers\.r1: NoJudge has no discriminators"
    ):
        Trainer(NoJudge(), images=1, stabilizers=Stabilizers(spectral_norm=True, r1=1.0))
    Trainer(NoJudge(), images=1, stabilizers=Stabilizers(rates={"D": 4.0}))
    off = find("paired")(**SMALL["paired"], gan=0.0)
    with pytest.raises(ConfigError, match=r"stabilizers\.diffaugment: Paired has no discriminators"):
        Trainer(off, images=1, stabilizers=Stabilizers(diffaugment=["colour"]))


@pytest.mark.parametrize("name", ["paired", "unpaired", "multimodal"])
def test_what_comes_pretrained_is_not_normalised(name: str) -> None:
    method = find(name)(**{**SMALL[name], "network": "efficientnet_lite0"})
    before = {key: buffer.clone() for key, buffer in method.efficientnet.named_buffers()}
    Stabilizers(spectral_norm=True).apply(method)
    after = dict(method.efficientnet.named_buffers())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert sum(parametrize.is_parametrized(layer) for layer in method.d.modules()) == 9


def test_off_a_step_is_that_of_the_equations_alone() -> None:
    trainer = begin(find("pix2pix"), SMALL["pix2pix"])
    torch.manual_seed(0)
    method = find("pix2pix")(**SMALL["pix2pix"]).train()
    for number in range(2):
        trainer.step(batch(method, number))
    method.load_state_dict(begin(find("pix2pix"), SMALL["pix2pix"]).method.state_dict())
    optimisers = {
        name: torch.optim.Adam(nets[0].parameters(), 2e-4, (0.5, 0.999)) for name, nets in method.groups().items()
    }
    for number in range(2):
        for step in method.steps(**batch(method, number)):
            moving = [p for net in method.groups()[step.groups[0]] for p in net.parameters()]
            step.loss.backward(inputs=moving)
            optimisers[step.groups[0]].step()
            optimisers[step.groups[0]].zero_grad()
    assert_equal(trainer.method.state_dict(), method.state_dict())


@pytest.mark.parametrize("name", JUDGED)
def test_resuming_equals_going_on_with_everything_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "diptych.testing.begin", lambda *args, **options: begin(*args, **options, stabilizers=EVERYTHING)
    )
    resuming_equals_going_on(find(name), SMALL.get(name, {}))


@pytest.mark.parametrize("name", JUDGED)
def test_recomputing_changes_nothing_with_everything_on(name: str) -> None:
    weights = []
    for speed in (PLAIN, replace(PLAIN, recompute=True)):
        trainer = begin(find(name), SMALL.get(name, {}), speed=speed, stabilizers=EVERYTHING)
        for number in range(3):
            trainer.step(batch(trainer.method, number))
        weights.append(trainer.method.state_dict())
    assert_equal(*weights)


@pytest.mark.parametrize("name", JUDGED)
def test_micro_batches_equal_the_whole_batch_where_draws_are_alike(name: str) -> None:
    stabilizers = replace(EVERYTHING, diffaugment=["colour"])
    options = SMALL.get(name, {}) | ({"norm": "instance", "dropout": False} if name == "pix2pix" else {})
    gradients = []
    for micro_batch in (0, 2):
        trainer = begin(find(name), options, micro_batch=micro_batch, lr_scale=0.0, stabilizers=stabilizers)
        seen: dict[str, Tensor] = {}
        trainer.optimise = lambda groups, t=trainer, seen=seen: seen.update(take_gradients(t))  # type: ignore
        with EveryDrawAlike():
            trainer.step(batch(trainer.method, size=4))
        gradients.append(seen)
    judged = {key: whole for key, whole in gradients[0].items() if key.partition(".")[0] in find(name).discriminators}
    assert judged
    for key, whole in judged.items():
        near = max(float(x.abs().max()) for other, x in judged.items() if other.split(".")[0] == key.split(".")[0])
        tolerance = 1e-4 * float(whole.abs().max()) + 1e-6 * max(1.0, near)  # a bias before a norm is but rounding
        assert torch.allclose(whole, gradients[1][key], rtol=0, atol=tolerance), key


@pytest.mark.parametrize("name", JUDGED)
def test_in_bfloat16_the_losses_stay_close(name: str) -> None:
    losses = []
    for speed in (PLAIN, Speed()):
        trainer = begin(find(name), SMALL.get(name, {}), speed=speed, stabilizers=EVERYTHING)
        trainer.step(batch(trainer.method))
        losses.append(trainer.losses())
    assert losses[1] == pytest.approx(losses[0], rel=0.1, abs=0.05)


@pytest.mark.parametrize("name", JUDGED)
def test_a_step_with_everything_on_never_waits_for_the_device(name: str) -> None:
    trainer = begin(find(name), SMALL.get(name, {}), speed=Speed(), stabilizers=replace(EVERYTHING, r1_every=1))
    data = batch(trainer.method)
    trainer.step(data)
    with NoWaiting():
        trainer.step(data)


@pytest.mark.slow
def test_compiled_networks_give_the_losses_of_the_others() -> None:
    """But for DiffAugment, whose draws are others in compiled code."""
    losses = []
    for speed in (Speed(), Speed(compile=True)):
        options = {**SMALL["pix2pix"], "dropout": False}
        trainer = begin(find("pix2pix"), options, speed=speed, stabilizers=replace(EVERYTHING, diffaugment=None))
        trainer.step(batch(trainer.method))
        losses.append(trainer.losses())
    assert "D.stabilizers.r1" in losses[0]
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)


# --- In a run --------------------------------------------------------------------------------------------------------

SECTION = {"diffaugment": "colour,cutout", "spectral_norm": True, "r1": 1.0, "r1_every": 2, "rates": {"D": 0.5}}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return side_by_side(tmp_path_factory.mktemp("pairs"), 10, 64)


def test_a_run_with_everything_on_resumes_to_the_same_bits_and_leaves_a_plain_model(
    pairs: Path, tmp_path: Path
) -> None:
    given = {**recipe(pairs), "stabilizers": SECTION}
    said = train(given, tmp_path / "run", dry_run=True)
    assert (
        "stabilizers: diffaugment=['colour', 'cutout'], spectral_norm=True, r1=1.0, r1_every=2, rates={'D': 0.5}"
        in said
    )
    train(given, tmp_path / "undisturbed")
    train_and_die(given, tmp_path / "run", Trainer, "step", lambda trainer: trainer.images_seen == 8)
    assert "going on at 6 of 12" in train(given, tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "undisturbed")
    saved = load_file(tmp_path / "run" / "last" / "training.safetensors").keys()
    assert saved == {name for name in load_method(tmp_path / "run").state_dict() if name.startswith("d.")}
    assert not any("parametrizations" in name for name in saved)


def test_a_run_from_before_there_was_the_section_goes_on(pairs: Path, tmp_path: Path) -> None:
    train_and_die(recipe(pairs), tmp_path, Trainer, "step", lambda trainer: trainer.images_seen == 8)
    older = read_recipe(tmp_path / "recipe.yaml")
    del older["stabilizers"]
    (tmp_path / "recipe.yaml").write_text(dump(older))
    with pytest.raises(ConfigError, match=r"stabilizers\.r1: 0\.0 there, 1\.0 here"):
        train({**recipe(pairs), "stabilizers": {"r1": 1.0}}, tmp_path)
    assert "going on at 6 of 12" in train(recipe(pairs), tmp_path)


def test_what_does_not_go_with_the_method_is_said_before_anything_starts(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^stabilizers\.rates: Pix2Pix has no group X"):
        train({**recipe(pairs), "stabilizers": {"rates": {"X": 2}}}, tmp_path / "run", dry_run=True)
    with pytest.raises(ConfigError, match=r"stabilizers\.diffaugment = 'color'.*'colour'"):
        train({**recipe(pairs), "stabilizers": {"diffaugment": "color"}}, tmp_path / "run")


@pytest.mark.parametrize("way", ["file", "command line", "python"])
def test_the_former_name_of_the_section_is_understood_and_said(way: str, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(dump({**recipe(pairs), "steady": {"r1": 2.0}}))
    given = {
        "file": lambda: read_recipe(tmp_path / "old.yaml"),
        "command line": lambda: {**recipe(pairs), **assignments(["steady.r1=2.0"])},
        "python": lambda: {**recipe(pairs), "steady": {"r1": 2.0}},
    }[way]
    warn_of.cache_clear()
    with pytest.warns(FutureWarning, match="steady is now called stabilizers"):
        resolved = resolve(given())
    assert resolved.stabilizers.r1 == 2.0


def test_both_names_of_the_section_are_refused(pairs: Path) -> None:
    with pytest.raises(ConfigError, match="steady is the former name of stabilizers, and both are given"):
        resolve({**recipe(pairs), "steady": {"r1": 2.0}, "stabilizers": {"r1": 1.0}})
