"""Checkpoints of pix2pixHD become translators and go back bit for bit, or are refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import assert_comes_back, assert_same_bits, assert_shares_no_memory, randomised, saved
from torch import Tensor, nn

from diptych.convert import LAYOUTS, assemble, convert, export, junyanz
from diptych.convert import pix2pixhd as layout
from diptych.errors import ModelError
from diptych.methods.cyclegan import CycleGAN
from diptych.methods.pix2pix import Pix2Pix
from diptych.methods.pix2pixhd import Pix2PixHD
from diptych.model.folder import load_method
from diptych.model.translator import Translator
from diptych.nn.coarse_to_fine import CoarseToFine, GlobalGenerator
from diptych.nn.generators import ResNet

SHAPE = {"source_channels": 5, "target_channels": 3, "width": 4, "downs": 3, "blocks": 2, "enhancers": 0}
JUDGES = {"scales": 3, "discriminator_layers": 2, "discriminator_width": 3}
ENHANCED = {"enhancers": 2, "enhancer_blocks": 1}
ENCODER = {"encoder": True, "encoder_channels": 2, "encoder_width": 2, "encoder_downs": 2}
VARIANTS: dict[str, dict[str, Any]] = {
    "global": {},
    "enhanced": ENHANCED,
    "encoder": ENCODER,
    "all": ENHANCED | ENCODER,
    "batch norm": ENHANCED | ENCODER | {"norm": "batch"},
    "no features": {"features": 0.0},
}
variants = pytest.mark.parametrize("variant", VARIANTS)


def options(variant: str) -> dict[str, Any]:
    return {"norm": "instance"} | SHAPE | JUDGES | VARIANTS[variant]


def checkpoints(variant: str = "global", **others: Any) -> dict[str, dict[str, Tensor]]:
    """The files of a model, with every tensor random."""
    return randomised(layout.state_dicts(Pix2PixHD(**options(variant) | others)))


@variants
def test_files_come_back_bit_for_bit_in_the_same_order(tmp_path: Path, variant: str) -> None:
    theirs = checkpoints(variant)
    assert list(theirs) == [f"latest_net_{name}.pth" for name in ("GDE" if "encoder" in options(variant) else "GD")]
    model = convert(saved(tmp_path, theirs), tmp_path / "model")
    assert Translator.load(model, device="cpu").card.method == "pix2pixhd"
    assert Translator.load(model, device="cpu").card.options == options(variant)
    assert_comes_back(model, "pix2pixhd", theirs)


@variants
def test_an_imported_generator_translates_alone(tmp_path: Path, variant: str) -> None:
    files = {name: x for name, x in checkpoints(variant).items() if name != "latest_net_D.pth"}
    model = convert(saved(tmp_path, files), tmp_path / "model")
    translator = Translator.load(model, device="cpu")
    assert not {"scales", "discriminator_width"} & translator.card.options.keys()
    assert translator.batch(torch.zeros(1, 5, 40, 50)).shape == (1, 3, 40, 50)
    back = {file.name: torch.load(file, weights_only=True) for file in export(model, "pix2pixhd", tmp_path / "back")}
    assert list(back) == list(files)


def test_what_is_saved_holds_the_discriminator_too(tmp_path: Path) -> None:
    theirs = checkpoints()
    method = load_method(convert(saved(tmp_path, theirs), tmp_path / "model"))
    assert isinstance(method, Pix2PixHD)
    assert_same_bits(layout.state_dict(method.d), theirs["latest_net_D.pth"])


def test_the_network_of_the_full_size_is_theirs_with_the_last_number() -> None:
    d = layout.network(checkpoints()["latest_net_D.pth"])
    x = torch.rand(1, 8, 32, 32)
    theirs = nn.Sequential(*d.get_submodule("networks.2").children())
    assert torch.equal(d(x)[0], theirs(x))
    names = layout.names(d)
    assert names["networks.2.0.0.weight"] == "scale2_layer0.0.weight"
    assert names["networks.0.3.0.bias"] == "scale0_layer3.0.bias"


def test_files_of_several_graphics_cards_and_of_early_releases_are_read() -> None:
    theirs = checkpoints()["latest_net_G.pth"]
    old = {"model.2.running_mean": torch.rand(4), "model.2.running_var": torch.rand(4)}
    found = layout.network({f"module.{key}": tensor for key, tensor in (theirs | old).items()})
    assert_same_bits(layout.state_dict(found), theirs)


def test_an_imported_network_shares_no_memory_with_its_checkpoint() -> None:
    assert_shares_no_memory(layout, checkpoints("enhanced")["latest_net_G.pth"])


# Told apart from CycleGAN's, whose keys are nearly the same


def resnet(**others: Any) -> dict[str, Tensor]:
    return junyanz.state_dict(ResNet(5, 3, **{"blocks": 6, "width": 4, **others}))


@pytest.mark.parametrize("downs", [1, 3, 4])
@pytest.mark.parametrize("blocks", [1, 2, 6, 9])
def test_generators_with_other_halvings_than_two_are_pix2pixhd_s_alone(downs: int, blocks: int) -> None:
    theirs = layout.state_dict(CoarseToFine(5, 3, width=2, downs=downs, blocks=blocks))
    method, found, _ = assemble({Path("latest_net_G.pth"): theirs})
    assert isinstance(method, Pix2PixHD)
    assert (found["downs"], found["blocks"]) == (downs, blocks)
    for name, other in LAYOUTS.items():
        if name != "pix2pixhd":
            with pytest.raises(ModelError):
                other.networks(theirs)


@variants
def test_no_other_layout_knows_a_network_of_pix2pixhd(variant: str) -> None:
    for theirs in checkpoints(variant).values():
        for name, other in LAYOUTS.items():
            if name != "pix2pixhd":
                with pytest.raises(ModelError):
                    other.networks(theirs)


@pytest.mark.parametrize("downs", [2, 3])
def test_enhancers_and_batch_norm_tell_generators_apart_with_any_halvings(downs: int) -> None:
    for more in ({"enhancers": 1}, {"norm": "batch"}):
        theirs = layout.state_dict(CoarseToFine(5, 3, width=4, downs=downs, blocks=2, **more))
        with pytest.raises(ModelError):
            junyanz.networks(theirs)
        assert isinstance(assemble({Path("latest_net_G.pth"): theirs})[0], Pix2PixHD)


@pytest.mark.parametrize("others", [{"norm": "batch"}, {"dropout": True}, {"norm": "batch", "dropout": True}])
def test_a_generator_of_cyclegan_is_not_pix2pixhd_s(others: dict[str, Any]) -> None:
    theirs = resnet(**others)
    with pytest.raises(ModelError, match="resembles a CoarseToFine"):
        layout.networks(theirs)
    assert isinstance(assemble({Path("latest_net_G.pth"): theirs})[0], Pix2Pix | CycleGAN)


def test_one_of_two_halvings_that_is_cyclegan_s_as_well_goes_with_its_discriminator() -> None:
    """The two are one network: what comes with it decides, and CycleGAN is by far the likelier."""
    theirs = checkpoints(downs=2)
    x = torch.rand(1, 5, 16, 16)
    one, other = layout.network(theirs["latest_net_G.pth"]), junyanz.network(theirs["latest_net_G.pth"])
    assert torch.equal(one(x), other(x))
    alone = {Path("latest_net_G_A.pth"): theirs["latest_net_G.pth"]}
    assert isinstance(assemble(alone)[0], CycleGAN)
    assert isinstance(assemble({Path(name): state for name, state in theirs.items()})[0], Pix2PixHD)
    for name in ("E", "D"):
        both = checkpoints("encoder", downs=2)
        files = {Path(n): both[n] for n in ("latest_net_G.pth", f"latest_net_{name}.pth")}
        if name == "E":
            assert isinstance(assemble(files)[0], Pix2PixHD)
        else:
            with pytest.raises(ModelError, match=r"give latest_net_E\.pth too"):
                assemble(files)


def test_a_generator_without_blocks_is_an_encoder() -> None:
    theirs = checkpoints("encoder")["latest_net_E.pth"]
    assert layout.recognise(theirs)[0] is GlobalGenerator
    with pytest.raises(ModelError):
        junyanz.networks(theirs)


# What is refused


@pytest.mark.parametrize("keys", [["model.1.weight"], [], ["scale0_layer0.0.bias"], ["model1_1.1.weight"]])
def test_an_unknown_network_is_refused_with_its_keys_and_the_known_families(keys: list[str]) -> None:
    with pytest.raises(ModelError, match=r"NVIDIA/pix2pixHD: global generators.*local enhancers") as fault:
        layout.network({key: torch.zeros(4, 3, 3, 3) for key in keys})
    assert ", ".join(keys) in str(fault.value)


@pytest.mark.parametrize(
    ("file", "key", "shape"),
    [
        ("latest_net_G.pth", "model1_1.4.weight", (3, 2, 3, 3)),
        ("latest_net_D.pth", "scale1_layer2.0.weight", (13, 6, 4, 4)),
        ("latest_net_E.pth", "model.4.weight", (4, 3, 3, 3)),
    ],
)
def test_a_tensor_of_another_shape_is_refused(file: str, key: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=f"resembles a .*{key} is torch.float32"):
        layout.network(checkpoints("all")[file] | {key: torch.zeros(shape)})


@pytest.mark.parametrize(
    ("names", "others", "fault"),
    [
        ("GD", {"target_channels": 4}, "the discriminator takes 9 channels, the generator has 5 [+] 3"),
        ("GD", {"norm": "batch"}, "some networks have batch norm"),
        ("D", {}, r"no generator among the files: give latest_net_G\.pth"),
        ("E", {}, r"no generator among the files: give latest_net_G\.pth"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(names: str, others: dict[str, Any], fault: str) -> None:
    first, second = checkpoints("encoder" if "E" in names else "global"), checkpoints(**others)
    files = {f"latest_net_{name}": (second if name == "D" else first)[f"latest_net_{name}.pth"] for name in names}
    with pytest.raises(ModelError, match=fault):
        layout.assemble({name: layout.networks(state) for name, state in files.items()})


def test_two_generators_are_refused() -> None:
    network = layout.networks(checkpoints()["latest_net_G.pth"])
    with pytest.raises(ModelError, match=r"two files are taken for latest_net_G\.pth"):
        layout.assemble({"one": network, "two": network})


def test_a_generator_with_features_without_its_encoder_is_refused() -> None:
    theirs = {n: x for n, x in checkpoints("encoder").items() if n != "latest_net_E.pth"}
    with pytest.raises(ModelError, match=r"sees 2 channels that the discriminator does not.*give latest_net_E\.pth"):
        layout.assemble({name: layout.networks(state) for name, state in theirs.items()})


def test_an_encoder_of_another_model_is_refused() -> None:
    g, e = checkpoints("encoder")["latest_net_G.pth"], checkpoints("encoder", target_channels=4)["latest_net_E.pth"]
    with pytest.raises(ModelError, match="the encoder's channels are not those of the generator"):
        layout.assemble({"g": layout.networks(g), "e": layout.networks(e)})


def test_a_network_of_another_method_has_no_counterpart() -> None:
    with pytest.raises(ModelError, match="a Sequential has no counterpart"):
        layout.names(nn.Sequential())
