"""pix2pixHD agrees with the published implementation, vector by vector: networks, losses, a step, keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import assert_same_bits
from conformance import Case, files, published, train, verify
from torch import Tensor, nn

from diptych.convert import pix2pixhd as layout
from diptych.images.legend import Legend, to_one_hot
from diptych.methods.method import Adam
from diptych.methods.pix2pixhd import Pix2PixHD
from diptych.nn.coarse_to_fine import CoarseToFine, GlobalGenerator
from diptych.nn.instances import instance_means
from diptych.nn.multiscale import MultiScaleFeatures


def expected(given: Mapping[str, Any]) -> tuple[type[nn.Module], dict[str, Any]]:
    """Our network and its options for the reference's `define_G` and `define_D`."""
    if "num_D" in given:
        assert given["use_sigmoid"] is False
        options = {"channels": given["input_nc"], "scales": given["num_D"], "layers": given["n_layers_D"] + 1}
        options |= {"width": given["ndf"], "features": given["getIntermFeat"], "smallest_first": True}
        return MultiScaleFeatures, options | {"norm": given["norm"]}
    enhancers = given["n_local_enhancers"] if given["netG"] == "local" else 0
    options = {"source_channels": given["input_nc"], "target_channels": given["output_nc"]}
    options |= {"width": given["ngf"] * 2**enhancers, "downs": given["n_downsample_global"]}
    options |= {"norm": given.get("norm", "instance"), "blocks": given.get("n_blocks_global", 0)}
    if given["netG"] == "encoder":
        return GlobalGenerator, options
    local = {"enhancer_blocks": given["n_blocks_local"]} if enhancers else {}
    return CoarseToFine, options | {"enhancers": enhancers} | local


def imported(case: Case, name: str) -> nn.Module:
    """The network of a case, recognised by its keys and written back."""
    weights = case.part(f"weights.{name}")
    (given,) = case.facts["construct"].values()
    assert layout.recognise(weights) == expected(given)
    network = layout.network(weights)
    written = layout.state_dict(network)
    assert_same_bits({key: written[key] for key in weights}, weights)
    assert written.keys() == weights.keys()
    return network.train()


@torch.no_grad()
def check_network(case: Case) -> None:
    given, (name,) = case.part("input"), {key.split(".")[1] for key in case.tensors if key.startswith("weights.")}
    network = imported(case, name)
    if isinstance(network, MultiScaleFeatures):
        for scale, maps in enumerate(network(given["x"], features=True)):
            for layer, features in enumerate(maps if network.features else maps[-1:]):
                case.compare(f"output.{scale}.{layer}", features)
    else:
        answer = network(given["x"])
        case.compare("output.y", instance_means(answer, given["inst"].long()) if name == "E" else answer)


def check_step(case: Case) -> None:
    """One batch, its planes made of labels and instances as everywhere."""
    given, (told,) = case.part("input"), case.facts["construct"].values()
    assert case.facts["hyper_parameters"]["no_lsgan"] is False
    files = {name: layout.networks(case.part(f"weights.{name}")) for name in "GD"}
    found, options, absent = layout.assemble(files)
    planes = told["label_nc"] + 1
    assert absent == ()
    generator = {name: value for name, value in told.items() if name != "num_D"} | {"input_nc": planes}
    judges = {"scales": told["num_D"], "discriminator_layers": told["n_layers_D"], "discriminator_width": told["ndf"]}
    assert options == expected(generator)[1] | judges
    assert isinstance(found, Pix2PixHD)
    assert found.features == case.facts["hyper_parameters"]["lambda_feat"]
    assert found.optimisers() == dict.fromkeys("GD", Adam(lr=2e-4, betas=(0.5, 0.999)))
    label, instance = (given[name].movedim(1, -1) for name in ("label", "instance"))
    legend = Legend.numbered(range(told["label_nc"])).model_copy(update={"edges": True})
    source = to_one_hot(label, legend, instance)
    assert source.shape[1] == planes
    with torch.no_grad():
        case.compare("output.fake", found.g((source + 1) / 2))
    case.facts["hyper_parameters"]["beta2"] = 0.999
    terms = train(case, found, {"G": found.g, "D": found.d}, layout, source=source, target=given["image"])
    case.compare("loss.G_GAN", terms["G.gan"])
    case.compare("loss.G_GAN_Feat", terms["G.features"])
    case.compare("loss.G", terms["G.gan"] + terms["G.features"])
    case.compare("loss.D_fake", 2 * terms["D.fake"])
    case.compare("loss.D_real", 2 * terms["D.real"])
    case.compare("loss.D", terms["D.fake"] + terms["D.real"])


def check(case: Case) -> None:
    (check_step if "Pix2PixHDModel" in case.facts["construct"] else check_network)(case)


@pytest.mark.parametrize("path", files("pix2pixHD_*.json"))
def test_what_the_reference_computed_is_what_we_compute(path: Path) -> None:
    verify(path, check)


def shapes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    return {name: tensor.shape for name, tensor in state.items()}


@pytest.mark.parametrize("path", files("manifest_pix2pixHD.json"))
def test_networks_of_published_size_are_recognised_from_their_shapes(path: Path) -> None:
    with torch.device("meta"):
        methods = {"alone": Pix2PixHD(), "enhanced": Pix2PixHD(enhancers=1)}
        methods["encoding"] = Pix2PixHD(enhancers=1, encoder=True)
    parts = (
        methods["alone"].g,
        methods["enhanced"].g,
        methods["encoding"].g,
        methods["alone"].d,
        methods["encoding"].e.network,  # type: ignore[union-attr]
    )
    for (entry, state), part in zip(published(path), parts, strict=True):
        network = layout.network(state)
        assert layout.recognise(state) == expected(entry["build"])
        assert shapes(network.state_dict()) == shapes(part.state_dict())
        assert list(layout.names(network).values()) == list(state)
        assert sum(parameter.numel() for parameter in network.parameters()) == entry["parameters"]
