"""Checkpoints of BicycleGAN become translators and go back bit for bit, and are not taken for pix2pix's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import assert_comes_back, assert_same_bits, assert_shares_no_memory, randomised, saved
from torch import Tensor, nn

from diptych.convert import bicyclegan as layout
from diptych.convert import convert, export, junyanz
from diptych.errors import ModelError
from diptych.methods.bicyclegan import BicycleGAN
from diptych.methods.pix2pix import Pix2Pix
from diptych.model.folder import load_method
from diptych.model.translator import Translator
from diptych.nn.coded_unet import CodedUNet

SMALL: dict[str, Any] = {
    "source_channels": 1,
    "target_channels": 3,
    "generator": "unet_32",
    "code": 5,
    "where": "all",
    "width": 2,
    "upsampling": "basic",
    "encoder_blocks": 2,
    "encoder_width": 3,
    "scales": 2,
    "discriminator_layers": 2,
    "discriminator_width": 4,
    "norm": "instance",
    "conditional_d": False,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "as published": {},
    "code at the input": {"where": "input"},
    "bilinear": {"upsampling": "bilinear", "generator": "unet_64"},
    "bilinear, code at the input": {"upsampling": "bilinear", "where": "input", "code": 8, "source_channels": 3},
    "batch norm": {"norm": "batch", "conditional_d": True},
    "batch norm, code at the input": {"norm": "batch", "where": "input", "scales": 1},
    "one scale": {"scales": 1},
    "one scale, code at the input": {"scales": 1, "where": "input"},
    "three scales": {"scales": 3, "discriminator_layers": 1},
}
G, E, D, D2 = layout.FILES.values()


def checkpoints(**options: Any) -> dict[str, dict[str, Tensor]]:
    """The files of a model, with every tensor random."""
    return randomised(layout.state_dicts(BicycleGAN(**SMALL | options)))


def of_pix2pix(**options: Any) -> dict[str, dict[str, Tensor]]:
    given = {"generator": "unet_32", "width": 2, "norm": "instance", "discriminator_width": 2}
    return randomised(junyanz.state_dicts(Pix2Pix(**given | options)))


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_files_come_back_bit_for_bit_in_the_same_order(tmp_path: Path, options: dict[str, Any]) -> None:
    theirs = checkpoints(**options)
    assert list(theirs) == ["latest_net_G.pth", "latest_net_E.pth", "latest_net_D.pth", "latest_net_D2.pth"]
    model = convert(reversed(saved(tmp_path, theirs)), tmp_path / "model")
    card = Translator.load(model, device="cpu").card
    assert (card.method, card.options) == ("bicyclegan", SMALL | options)
    assert_comes_back(model, "bicyclegan", theirs)


@pytest.mark.parametrize("where", ["all", "input"])
def test_a_generator_and_its_encoder_translate(tmp_path: Path, where: str) -> None:
    theirs = checkpoints(where=where)
    files = saved(tmp_path, {name: theirs[name] for name in (G, E)})
    translator = Translator.load(convert(files, tmp_path / "model"), device="cpu")
    picture = torch.rand(1, 1, 20, 40) * 2 - 1
    assert translator.batch(picture, style=torch.rand(1, 3, 32, 32), style_strength=0.5).shape == (1, 3, 20, 40)
    assert [file.name for file in export(tmp_path / "model", "bicyclegan", tmp_path / "back")] == [G, E]


def test_both_discriminators_are_kept_apart_by_their_names(tmp_path: Path) -> None:
    theirs = checkpoints()
    method = load_method(convert(saved(tmp_path, theirs), tmp_path / "model"))
    assert_same_bits(layout.state_dict(method.d), theirs[D])
    assert_same_bits(layout.state_dict(method.d2), theirs[D2])
    named = {"shoes_net_G.pth": theirs[G], "shoes_net_E.pth": theirs[E], "shoes_net_D2.pth": theirs[D2]}
    method = load_method(convert(saved(tmp_path / "other", named), tmp_path / "model2"))
    assert_same_bits(layout.state_dict(method.d2), theirs[D2])


def test_an_encoder_without_norms_is_recognised(tmp_path: Path) -> None:
    theirs = layout.state_dict(BicycleGAN(**SMALL | {"norm": "none"}).e)
    assert "conv.1.conv.3.0.weight" in theirs
    assert layout.recognise(theirs)[1]["norm"] == "none"
    assert_same_bits(layout.state_dict(layout.network(theirs)), theirs)


def test_files_of_several_devices_and_of_early_releases_are_read() -> None:
    theirs = checkpoints()[G]
    old = {f"module.{key}": tensor for key, tensor in theirs.items()}
    old |= {f"module.model.submodule.down.2.running_{name}": torch.rand(4) for name in ("mean", "var")}
    assert_same_bits(layout.state_dict(layout.network(old)), theirs)


def test_an_imported_network_shares_no_memory_with_its_checkpoint() -> None:
    assert_shares_no_memory(layout, checkpoints()[E])


# BicycleGAN's and pix2pix's files


def test_a_code_at_the_input_has_the_keys_of_pix2pix_and_other_skips() -> None:
    """One set of weights, two networks: why no file may be taken for the other's."""
    theirs = {key: tensor - 0.5 for key, tensor in checkpoints(where="input")[G].items()}
    ours, pix2pix = layout.network(theirs), junyanz.network(theirs)
    assert_same_bits(junyanz.state_dict(pix2pix), theirs)
    picture, code = torch.rand(1, 5, 32, 32), torch.rand(1, 1)
    assert isinstance(ours, CodedUNet)
    inputs = torch.cat([picture, code[..., None, None].expand(-1, -1, 32, 32)], dim=1)
    assert (ours(picture, code) - pix2pix(inputs)).abs().max() > 1e-3


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("channels", [1, 3, 11])
def test_a_pix2pix_model_is_not_taken_for_a_bicyclegan(tmp_path: Path, norm: str, channels: int) -> None:
    files = saved(tmp_path, of_pix2pix(norm=norm, source_channels=channels))
    assert Translator.load(convert(files, tmp_path / "model"), device="cpu").card.method == "pix2pix"


@pytest.mark.parametrize("channels", [1, 3])
def test_a_unet_of_a_picture_alone_is_pix2pix_s(tmp_path: Path, channels: int) -> None:
    generator, _ = saved(tmp_path, of_pix2pix(source_channels=channels))
    assert Translator.load(convert([generator], tmp_path / "model"), device="cpu").card.method == "pix2pix"


@pytest.mark.parametrize("files", [checkpoints(where="input"), of_pix2pix(source_channels=6)])
def test_a_unet_that_may_be_either_s_is_not_guessed_at(tmp_path: Path, files: dict[str, dict[str, Tensor]]) -> None:
    generator, *_ = saved(tmp_path, files)
    with pytest.raises(ModelError, match=r"has 6 inputs: it may be pix2pix's, or BicycleGAN's .* latest_net_E\.pth"):
        convert([generator], tmp_path / "model")


def test_a_unet_with_batch_norm_and_biases_is_not_pix2pix_s(tmp_path: Path) -> None:
    generator, *_ = saved(tmp_path, checkpoints(where="input", norm="batch"))
    with pytest.raises(ModelError, match=r"give latest_net_E\.pth too"):
        convert([generator], tmp_path / "model")


# What is refused


@pytest.mark.parametrize("names", [[G], [G, D, D2], [E], [D, D2], [E, D]])
def test_what_cannot_translate_is_refused(tmp_path: Path, names: list[str]) -> None:
    theirs = checkpoints()
    with pytest.raises(ModelError, match=r"give latest_net_[GE]\.pth") as fault:
        convert(saved(tmp_path, {name: theirs[name] for name in names}), tmp_path / "model")
    assert ("latest_net_G" in str(fault.value), "latest_net_E" in str(fault.value)) == (G not in names, E not in names)


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        ({"code": 4}, r"net_E\.pth says that code is 4, another that it is 5"),
        ({"target_channels": 1}, "target_channels is 1, another that it is 3"),
        ({"norm": "batch"}, "norm is batch, another that it is instance"),
    ],
)
def test_networks_of_two_trainings_are_refused(tmp_path: Path, other: dict[str, Any], fault: str) -> None:
    files = {G: checkpoints()[G], E: checkpoints(**other)[E]}
    with pytest.raises(ModelError, match=f"not one training's: .*{fault}"):
        convert(saved(tmp_path, files), tmp_path / "model")


def test_a_generator_with_no_room_for_a_picture_is_refused(tmp_path: Path) -> None:
    files = {G: checkpoints(where="input", code=1)[G], E: checkpoints()[E]}
    with pytest.raises(ModelError, match=r"codes are 5 numbers, and the generator has no more inputs than 2"):
        convert(saved(tmp_path, files), tmp_path / "model")


def test_discriminators_of_something_else_are_refused(tmp_path: Path) -> None:
    files = checkpoints() | {D: checkpoints(target_channels=2)[D], D2: checkpoints(target_channels=2)[D2]}
    with pytest.raises(ModelError, match=r"judge 2 channels; BicycleGAN's judge the target's, 3, or .* 1 \+ 3"):
        convert(saved(tmp_path, files), tmp_path / "model")


def test_two_files_of_one_part_are_refused(tmp_path: Path) -> None:
    files = checkpoints()
    files["copy_D.pth"] = files[D]
    with pytest.raises(ModelError, match=r"two files are taken for latest_net_D\.pth"):
        convert(saved(tmp_path, files), tmp_path / "model")


@pytest.mark.parametrize(
    "keys",
    [
        ["model.down.0.weight"],
        ["model.model.0.weight"],
        ["conv.0.weight"],
        ["model.down.0.weight", "model.submodule.down.1.weight"],
        [],
    ],
)
def test_an_unknown_network_is_refused_with_the_known_families(keys: list[str]) -> None:
    with pytest.raises(ModelError, match=r"U-Net generators .* ResNet encoders .* PatchGANs"):
        layout.network({key: torch.zeros(4, 6, 4, 4) for key in keys})


@pytest.mark.parametrize("file", [G, E, D])
def test_a_tensor_missing_or_too_many_is_refused(file: str) -> None:
    theirs = checkpoints()[file]
    with pytest.raises(ModelError, match=r"but .*extra\.bias is one too many"):
        layout.network(theirs | {"extra.bias": torch.ones(4)})
    name = list(theirs)[-1]
    del theirs[name]
    with pytest.raises(ModelError, match=f"but {name} is missing"):
        layout.network(theirs)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"activation": "leaky_relu"}, "leaky ReLUs on its way up"),
        ({"norm": "none"}, "a CodedUNet with no norms"),
    ],
)
def test_what_their_files_do_not_show_is_not_written(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ModelError, match=fault):
        layout.state_dicts(BicycleGAN(**SMALL | options))


def test_a_network_of_another_method_has_no_counterpart() -> None:
    with pytest.raises(ModelError, match="a Sequential has no counterpart"):
        layout.names(nn.Sequential())
