"""BicycleGAN agrees with the published implementation, vector by vector: networks, losses, a step, keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from conformance import Case, files, imported, published, train, verify
from torch import nn

from diptych.convert import bicyclegan as layout
from diptych.methods.bicyclegan import BicycleGAN
from diptych.methods.method import Adam
from diptych.nn.code_encoder import CodeEncoder
from diptych.nn.coded_unet import CodedUNet
from diptych.nn.multiscale import MultiScalePatchGAN

ACTIVATIONS = {"relu": "relu", "lrelu": "leaky_relu"}
DEPTHS = {"unet_128": 7, "unet_256": 8}
BLOCKS = {"resnet_128": 3, "resnet_256": 4}
LAYERS = {"basic_128_multi": 2, "basic_256_multi": 3}


def expected(name: str, given: dict[str, Any]) -> tuple[type[nn.Module], dict[str, Any]]:
    """Our network and its options, as the reference's builder of this name was told."""
    if name == "define_D":
        options = {"channels": given["input_nc"], "scales": given["num_Ds"], "layers": LAYERS[given["netD"]]}
        return MultiScalePatchGAN, options | {"width": given["ndf"], "norm": given["norm"]}
    if name == "define_E":
        assert (given["nl"], given["vaeLike"]) == ("lrelu", True)
        options = {"channels": given["input_nc"], "code_channels": given["output_nc"], "norm": given["norm"]}
        return CodeEncoder, options | {"blocks": BLOCKS[given["netE"]], "width": given["ndf"]}
    options = {"source_channels": given["input_nc"], "target_channels": given["output_nc"], "norm": given["norm"]}
    options |= {"code_channels": given["nz"], "width": given["ngf"], "depth": DEPTHS[given["netG"]]}
    return CodedUNet, options | {"where": given["where_add"], "upsampling": given["upsample"]}


def recognised(case: Case) -> nn.Module:
    """The network of a case, recognised by its keys, and then told what they do not show."""
    ((name, given),) = case.facts["construct"].items()
    kind, options = expected(name.removeprefix("networks."), given)
    weights = case.part(f"weights.{name[-1]}")
    seen = dict(options)
    if seen.get("where") == "input":  # how many of the inputs are the code is nowhere in the file
        seen |= {"source_channels": seen["source_channels"] + seen["code_channels"] - 1, "code_channels": 1}
    assert layout.recognise(weights) == (kind, seen)
    unseen = {"activation": ACTIVATIONS[given["nl"]]} if kind is CodedUNet else {}
    network = imported(kind(**options, **unseen), weights, layout)
    return network.train(case.facts["mode"].startswith("train"))


@torch.no_grad()
def check_generator(case: Case) -> None:
    given = case.part("input")
    case.compare("output.y", recognised(case)(given["x"], given["z"]))


@torch.no_grad()
def check_encoder(case: Case) -> None:
    mean, log_variance = recognised(case)(case.part("input")["x"])
    case.compare("output.mu", mean)
    case.compare("output.logvar", log_variance)


@torch.no_grad()
def check_discriminator(case: Case) -> None:
    for scale, logits in enumerate(recognised(case)(case.part("input")["x"])):
        case.compare(f"output.{scale}", logits)


def check_step(case: Case) -> None:
    """One batch, through the trainer, of a model imported from its weights."""
    given, facts = case.part("input"), case.facts
    construct, hyper = facts["construct"]["BiCycleGANModel"], facts["hyper_parameters"]
    parts = {"G": "g", "E": "e", "D": "d", "D2": "d2"}
    states = {name: case.part(f"weights.{name}") for name in parts}
    found, options, absent = layout.assemble({f"latest_net_{name}": layout.networks(s) for name, s in states.items()})
    assert (options, absent) == (
        {
            "source_channels": construct["input_nc"],
            "target_channels": construct["output_nc"],
            "generator": construct["netG"],
            "code": construct["nz"],
            "where": construct["where_add"],
            "width": construct["ngf"],
            "upsampling": construct["upsample"],
            "encoder_blocks": BLOCKS[construct["netE"]],
            "encoder_width": construct["nef"],
            "scales": construct["num_Ds"],
            "discriminator_layers": LAYERS[construct["netD"]],
            "discriminator_width": construct["ndf"],
            "norm": construct["norm"],
            "conditional_d": construct["conditional_D"],
        },
        (),
    )
    names = {"lambda_GAN": "adversarial", "lambda_GAN2": "adversarial2", "lambda_L1": "l1", "lambda_kl": "kl"}
    names |= {"lambda_z": "latent", "gan_mode": "gan"}
    method = BicycleGAN(**options, **{ours: hyper[name] for name, ours in names.items()}, dropout=False)
    assert method.optimisers() == dict.fromkeys(parts, Adam(lr=2e-4, betas=(0.5, 0.999)))
    method.load_state_dict(found.state_dict())
    method.draw = lambda x: (given["eps"], given["z_random"])

    with torch.no_grad():
        mean, log_variance = method.e(given["real_B"][:1])
        codes = mean + given["eps"] * (0.5 * log_variance).exp(), given["z_random"]
        for name, answer in zip(("encoded", "random"), method.answers(given["real_A"][:1], *codes), strict=True):
            case.compare(f"output.fake_B_{name}", answer)
    case.compare("output.mu", mean)
    case.compare("output.logvar", log_variance)
    networks = {name: method.get_submodule(part) for name, part in parts.items()}
    terms = train(case, method, networks, layout, source=given["real_A"], target=given["real_B"])
    theirs = {"G_GAN": "gan", "G_GAN2": "gan2", "G_L1": "l1", "kl": "kl", "z_L1": "latent"}
    for name, ours in theirs.items():
        case.compare(f"loss.{name}", terms[f"G+E.{ours}"])
    case.compare("loss.G", sum(terms[f"G+E.{ours}"] for ours in theirs.values() if ours != "latent"))
    for name in ("D", "D2"):
        case.compare(f"loss.{name}", terms[f"{name}.fake"] + terms[f"{name}.real"])


CHECKS = {
    "networks.define_G": check_generator,
    "networks.define_E": check_encoder,
    "networks.define_D": check_discriminator,
    "BiCycleGANModel": check_step,
}


@pytest.mark.parametrize("path", files("bicycle_*.json"))
def test_what_the_reference_computed_is_what_we_compute(path: Path) -> None:
    facts = json.loads(path.read_text(encoding="utf-8"))
    verify(path, next(CHECKS[name] for name in facts["construct"]))


@pytest.mark.parametrize("path", files("manifest_bicycle.json"))
def test_networks_of_published_size_are_recognised_from_their_shapes(path: Path) -> None:
    with torch.device("meta"):
        method = BicycleGAN(source_channels=1)
    parts = {"G": "g", "D": "d", "E": "e"}
    for entry, state in published(path):
        network = layout.network(state)
        part = method.get_submodule(parts[entry["network"][0]])
        shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
        assert shapes == {name: tensor.shape for name, tensor in part.state_dict().items()}
        assert list(layout.names(network).values()) == list(state)
        assert sum(parameter.numel() for parameter in network.parameters()) == entry["parameters"]
