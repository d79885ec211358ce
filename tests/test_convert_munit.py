"""Checkpoints of UNIT and MUNIT become translators and go back bit for bit, or are refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import assert_comes_back, assert_same_bits, assert_shares_no_memory, randomised, saved
from torch import Tensor, nn

from diptych.convert import convert, export
from diptych.convert import munit as layout
from diptych.errors import ModelError
from diptych.methods.method import Method
from diptych.methods.munit import MUNIT
from diptych.methods.unit import UNIT
from diptych.model.folder import load_method
from diptych.model.translator import Translator

SHAPE = {"a_channels": 1, "b_channels": 3, "width": 2, "downs": 3, "blocks": 2}
JUDGES = {"scales": 2, "discriminator_layers": 3, "discriminator_width": 2, "discriminator_norm": "none"}
METHODS = {UNIT: SHAPE | JUDGES, MUNIT: SHAPE | JUDGES | {"style_channels": 5, "hidden": 6}}
both = pytest.mark.parametrize("kind", METHODS)


def checkpoints(kind: type[Method], **options: Any) -> dict[str, dict[str, dict[str, Tensor]]]:
    """The files of a model, with every tensor random."""
    return randomised(layout.state_dicts(kind(**METHODS[kind] | options)))


@both
@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_files_come_back_bit_for_bit_in_the_same_order(tmp_path: Path, kind: type[Method], norm: str) -> None:
    theirs = checkpoints(kind, discriminator_norm=norm)
    model = convert(saved(tmp_path, theirs), tmp_path / "model")
    assert Translator.load(model, device="cpu").card.options == METHODS[kind] | {"discriminator_norm": norm}
    assert_comes_back(model, "munit", theirs)


@both
def test_an_imported_model_works_both_ways(tmp_path: Path, kind: type[Method]) -> None:
    gen, _ = saved(tmp_path, checkpoints(kind))
    translator = Translator.load(convert([gen], tmp_path / "model"), device="cpu")
    assert translator.card.targets == ["b", "a"]
    assert translator.batch(torch.zeros(1, 1, 16, 24), to="b").shape == (1, 3, 16, 24)
    assert translator.batch(torch.zeros(1, 3, 16, 24), to="a").shape == (1, 1, 16, 24)


@both
def test_generators_alone_become_one_file(tmp_path: Path, kind: type[Method]) -> None:
    theirs = checkpoints(kind)
    model = convert(saved(tmp_path, theirs), tmp_path / "model")
    (file,) = export(model, "munit", tmp_path / "gen.pt")
    back = torch.load(file, weights_only=True)
    assert_same_bits(back["a"], theirs["gen_00000000.pt"]["a"])


def test_what_is_saved_holds_the_discriminators_too(tmp_path: Path) -> None:
    theirs = checkpoints(UNIT)
    method = load_method(convert(saved(tmp_path, theirs), tmp_path / "model"))
    assert_same_bits(layout.state_dict(method.d_b), theirs["dis_00000000.pt"]["b"])


@both
def test_statistics_that_early_releases_kept_are_dropped(kind: type[Method]) -> None:
    theirs = checkpoints(kind)["gen_00000000.pt"]["b"]
    encoder = "enc" if kind is UNIT else "enc_content"
    old = {f"{encoder}.model.{i}.norm.running_{name}": torch.rand(2) for i in (0, 1) for name in ("mean", "var")}
    if kind is UNIT:
        old |= {f"dec.model.0.model.0.model.0.norm.running_{name}": torch.rand(16) for name in ("mean", "var")}
    assert layout.recognise(theirs | old) == layout.recognise(theirs)
    assert_same_bits(layout.state_dict(layout.network(theirs | old)), theirs)


def test_an_imported_network_shares_no_memory_with_its_checkpoint() -> None:
    assert_shares_no_memory(layout, checkpoints(MUNIT)["gen_00000000.pt"]["a"])


# What is refused


@pytest.mark.parametrize("keys", [["enc.model.0.fc.weight"], [], ["cnns.0.0.conv.bias"], ["mlp.model.0.fc.weight"]])
def test_an_unknown_network_is_refused_with_its_keys_and_the_known_families(keys: list[str]) -> None:
    with pytest.raises(ModelError, match=r"VAEGen, AdaINGen.*MsImageDis") as fault:
        layout.network({key: torch.zeros(4, 3) for key in keys})
    assert ", ".join(keys) in str(fault.value)


@pytest.mark.parametrize("statistic", ["missing", "of another size"])
def test_statistics_of_adaptive_norms_are_verified(statistic: str) -> None:
    theirs = checkpoints(MUNIT)["gen_00000000.pt"]["a"]
    key = "dec.model.0.model.0.model.1.norm.running_var"
    theirs[key] = torch.ones(3)
    if statistic == "missing":
        del theirs[key]
    with pytest.raises(ModelError, match=rf"resembles a AutoEncoder, but {key}.*VAEGen"):
        layout.network(theirs)


def test_a_tensor_too_many_is_refused() -> None:
    theirs = checkpoints(UNIT)["dis_00000000.pt"]["a"]
    with pytest.raises(ModelError, match=r"cnns\.0\.1\.norm\.gamma is one too many"):
        layout.network(theirs | {"cnns.0.1.norm.gamma": torch.ones(4)})


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (lambda unit, munit: {"gen": unit["gen_00000000.pt"]["a"]}, r"both ways need .* gen_\*\.pt"),
        (lambda unit, munit: {"dis": unit["dis_00000000.pt"]}, r"both ways need .* gen_\*\.pt"),
        (lambda unit, munit: {"gen": unit["gen_00000000.pt"], "other": munit["gen_00000000.pt"]}, "are more"),
        (
            lambda unit, munit: {"x": {"a": unit["gen_00000000.pt"]["a"], "b": munit["gen_00000000.pt"]["b"]}},
            "one generator is UNIT's, the other MUNIT's",
        ),
        (lambda unit, munit: {"x": unit["gen_00000000.pt"] | {"c": unit["gen_00000000.pt"]["a"]}}, "these are more"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(tmp_path: Path, content: Any, fault: str) -> None:
    files = {f"{name}.pt": value for name, value in content(checkpoints(UNIT), checkpoints(MUNIT)).items()}
    with pytest.raises(ModelError, match=fault):
        convert(saved(tmp_path, files), tmp_path / "model")


def test_networks_of_two_trainings_are_refused() -> None:
    narrow, wide = checkpoints(UNIT), checkpoints(UNIT, width=3)
    mixed = {"a": narrow["gen_00000000.pt"]["a"], "b": wide["gen_00000000.pt"]["b"]}
    with pytest.raises(ModelError, match="not one training's: b says that width is 3, another that it is 2"):
        layout.assemble({"gen": layout.networks(mixed)})


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"pad": "zeros"}, "a has zeros for padding"),
        ({"activation": "leaky_relu"}, "a has leaky ReLUs"),
        ({"discriminator_norm": "instance"}, "d_a has instance norm"),
    ],
)
def test_what_their_files_do_not_show_is_not_written(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ModelError, match=fault):
        layout.state_dicts(UNIT(**METHODS[UNIT] | options))


def test_a_network_of_another_method_has_no_counterpart() -> None:
    with pytest.raises(ModelError, match="a Sequential has no counterpart"):
        layout.names(nn.Sequential())
