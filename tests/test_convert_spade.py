"""Checkpoints of SPADE become translators and go back bit for bit, or are refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import assert_comes_back, assert_same_bits, assert_shares_no_memory, randomised, saved
from torch import Tensor, nn

from diptych.convert import convert, export
from diptych.convert import spade as layout
from diptych.errors import ModelError
from diptych.methods.spade import SPADE
from diptych.model.folder import load_method
from diptych.model.translator import Translator

SHAPE = {"source_channels": 4, "target_channels": 3, "width": 1, "upsampling": "normal", "norm": "batch"}
SHAPE |= {"hidden": 8, "kernel": 3, "spectral": True, "encoder": False}
JUDGE = {"scales": 3, "discriminator_layers": 2, "discriminator_width": 2, "discriminator_spectral": True}
CODE = {"encoder": True, "style_channels": 5, "start_height": 2, "start_width": 4}
G, D, E = (f"latest_net_{name}.pth" for name in "GDE")


def checkpoints(**options: Any) -> dict[str, dict[str, Tensor]]:
    """The files of a model, with every tensor random."""
    return randomised(layout.state_dicts(SPADE(**SHAPE | JUDGE | options)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"norm": "instance", "spectral": False},
        {"upsampling": "most", "width": 2, "kernel": 1},
        {"upsampling": "more", "source_channels": 36},
        {"discriminator_spectral": False},
        CODE,
        CODE | {"start_width": 2, "spectral": False},
    ],
)
def test_files_come_back_bit_for_bit_in_the_same_order(tmp_path: Path, options: dict[str, Any]) -> None:
    theirs = checkpoints(**options)
    assert list(theirs) == [G, D, E][: len(theirs)]
    model = convert(saved(tmp_path, theirs), tmp_path / "model")
    assert Translator.load(model, device="cpu").card.options == SHAPE | JUDGE | options
    assert_comes_back(model, "spade", theirs)


def test_an_imported_model_paints(tmp_path: Path) -> None:
    model, *_ = saved(tmp_path, checkpoints())
    translator = Translator.load(convert([model], tmp_path / "model"), device="cpu")
    assert translator.batch(torch.ones(1, 4, 32, 96)).shape == (1, 3, 32, 96)
    assert not translator.answers


def test_an_imported_model_with_an_encoder_has_many_answers(tmp_path: Path) -> None:
    g, _, e = saved(tmp_path, checkpoints(**CODE))
    translator = Translator.load(convert([e, g], tmp_path / "model"), device="cpu")
    assert translator.answers
    assert translator.batch(torch.ones(1, 4, 32, 96), seed=1).shape == (1, 3, 32, 96)


def test_what_translates_becomes_one_file_where_it_is_one(tmp_path: Path) -> None:
    theirs = checkpoints()
    model = convert(saved(tmp_path, theirs), tmp_path / "model")
    (file,) = export(model, "spade", tmp_path / "alone.pth")
    assert_same_bits(torch.load(file, weights_only=True), theirs[G])


def test_what_is_saved_holds_the_discriminator_too(tmp_path: Path) -> None:
    theirs = checkpoints()
    method = load_method(convert(saved(tmp_path, theirs), tmp_path / "model"))
    assert_same_bits(layout.state_dict(method.d), theirs[D])


def test_one_convolution_of_ours_makes_what_two_of_theirs_do() -> None:
    theirs = checkpoints()[G]
    norm = layout.network(theirs).blocks[0].norm1
    gamma, beta = (theirs[f"head_0.norm_0.mlp_{name}.weight"] for name in ("gamma", "beta"))
    assert torch.equal(norm.modulation.weight, torch.cat([gamma, beta]))


def test_an_imported_network_shares_no_memory_with_its_checkpoint() -> None:
    assert_shares_no_memory(layout, checkpoints()[G])


# What is refused


@pytest.mark.parametrize("keys", [["layer1.0.bias"], [], ["head_0.conv_0.weight"]])
def test_an_unknown_network_is_refused_with_its_keys_and_the_known_families(keys: list[str]) -> None:
    with pytest.raises(ModelError, match=r"SPADEGenerator.*MultiscaleDiscriminator.*ConvEncoder") as fault:
        layout.network({key: torch.zeros(4, 3) for key in keys})
    assert ", ".join(keys) in str(fault.value)


@pytest.mark.parametrize("key", ["fc.weight", "conv_img.weight", "head_0.conv_0.weight_orig"])
def test_a_generator_without_what_shows_its_shape_is_refused(key: str) -> None:
    theirs = checkpoints()[G]
    del theirs[key]
    with pytest.raises(ModelError, match=key.rpartition(".")[0]):
        layout.network(theirs)


@pytest.mark.parametrize("file", [G, D, E])
def test_a_tensor_missing_or_too_many_is_refused(file: str) -> None:
    theirs = checkpoints(**CODE)[file]
    with pytest.raises(ModelError, match=r"odd\.weight is one too many"):
        layout.network(theirs | {"odd.weight": torch.ones(4)})
    missing = [key for key in theirs if key.endswith("weight_u")][-1]
    with pytest.raises(ModelError, match=f"{missing} is missing"):
        layout.network({key: x for key, x in theirs.items() if key != missing})


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ((lambda: checkpoints()[D],), "translation needs G: give latest_net_G.pth beside D"),
        ((lambda: checkpoints(**CODE)[G],), "with an encoder: give latest_net_E.pth"),
        ((lambda: checkpoints()[G], lambda: checkpoints(**CODE)[E]), "not one training's: E|not one training's: G"),
        ((lambda: checkpoints()[G], lambda: checkpoints(width=2)[G]), "two of the files are G"),
        ((lambda: checkpoints()[G], lambda: checkpoints(source_channels=5)[D]), "D sees other channels than the 7"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(tmp_path: Path, files: Any, fault: str) -> None:
    contents = {f"{number}.pth": content() for number, content in enumerate(files)}
    with pytest.raises(ModelError, match=fault):
        convert(saved(tmp_path, contents), tmp_path / "model")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"upsampling": "fewer"}, "G doubles sizes 4 times"),
        ({"upsampling": "more"}, "G doubles sizes 6 times"),
        ({"source_channels": 36}, "G doubles sizes 5 times"),
        (CODE | {"start_width": 3}, "3x2 pixels"),
    ],
)
def test_what_their_files_do_not_show_is_not_written(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ModelError, match=fault):
        layout.state_dicts(SPADE(**SHAPE | JUDGE | options))


def test_a_network_of_another_method_has_no_counterpart() -> None:
    with pytest.raises(ModelError, match="a Sequential has no counterpart"):
        layout.places(nn.Sequential())
