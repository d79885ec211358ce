"""SPADE agrees with the published implementation, vector by vector: networks, losses, steps, keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from conformance import Case, files, imported, published, verify
from torch import Tensor, nn

from diptych.convert import spade as layout
from diptych.images.legend import borders
from diptych.methods.method import Adam
from diptych.methods.spade import SPADE
from diptych.nn.gan import gan_loss, generator_loss
from diptych.nn.gaussian import Gaussian
from diptych.nn.image_encoder import ImageEncoder
from diptych.nn.multiscale import MultiScaleFeatures
from diptych.nn.spade import DOUBLED, SpatialGenerator
from diptych.nn.spectral import power_iteration
from diptych.runtime.speed import PLAIN
from diptych.training.trainer import Trainer

PARTS = {"SPADEGenerator": "G", "MultiscaleDiscriminator": "D", "ConvEncoder": "E"}
GANS = {"hinge": "hinge", "ls": "lsgan", "original": "vanilla", "w": "wgan-gp"}
SHIFT = 5 * 0.1 * 2e-4
"""How far apart means of the second pass may be. A bias before a norm has no gradient but rounding, by which Adam
moves it up or down by the learning rate, 1e-4; a tenth of that reaches the running mean, and of up to five the sum."""


def one_hot(given: Mapping[str, Tensor], planes: int) -> Tensor:
    """Label maps as the reference's network gets them: a plane for each class, and the borders of instances last."""
    label = given["label"].long()
    classes = planes - ("edge" in given)
    planes = torch.zeros(len(label), classes, *label.shape[-2:]).scatter_(1, label, 1.0)
    return torch.cat([planes, given["edge"].float()], dim=1) if "edge" in given else planes


def generator(given: dict[str, Any]) -> dict[str, Any]:
    """Our options for the reference's generator."""
    form = given["norm_G"].removeprefix("spectral")
    options = {
        "classes": given["semantic_nc"],
        "channels": 3,
        "width": given["ngf"],
        "upsampling": given["num_upsampling_layers"],
        "norm": "instance" if "instance" in form else "batch",
        "spectral": form != given["norm_G"],
        "hidden": 128,
        "kernel": int(form[-1]),
    }
    if given["use_vae"]:
        width = given["crop_size"] // 2 ** sum(DOUBLED[options["upsampling"]])
        options |= {"code": given["z_dim"], "start": (round(width / given["aspect_ratio"]), width)}
    return options


def discriminator(given: dict[str, Any]) -> dict[str, Any]:
    """Our options for the reference's discriminator."""
    assert given["norm_D"] == "spectralinstance"
    planes = given["label_nc"] + given["contain_dontcare_label"] + (not given["no_instance"])
    names = {"num_D": "scales", "n_layers_D": "layers", "ndf": "width"}
    options = {ours: given[theirs] for theirs, ours in names.items()}
    return options | {"channels": planes + given["output_nc"], "spectral": True, "bias": False}


def encoder(given: dict[str, Any]) -> dict[str, Any]:
    """Our options for the reference's encoder."""
    assert given["norm_E"] == "spectralinstance"
    return {"channels": 3, "code": 256, "width": given["ngf"], "spectral": True}


EXPECTED = {"G": (SpatialGenerator, generator), "D": (MultiScaleFeatures, discriminator), "E": (ImageEncoder, encoder)}


def recognised(case: Case, given: dict[str, Any], part: str) -> nn.Module:
    """The network of a case, recognised by its keys, and then told what they do not show."""
    weights = case.part(f"weights.{part}")
    kind, options = EXPECTED[part][0], EXPECTED[part][1](given)
    shown = options | ({"upsampling": "normal"} if options.get("upsampling") == "more" else {})
    assert layout.recognise(weights) == (kind, shown)
    return imported(kind(**options), weights, layout)


@torch.no_grad()
def check_network(case: Case) -> None:
    """One pass; in training the singular vectors go before it."""
    ((name, given),) = case.facts["construct"].items()
    network, inputs = recognised(case, given, PARTS[name]), case.part("input")
    if case.facts["mode"] == "train()":
        power_iteration([network.train()])
    else:
        network.eval()
    for key, output in outputs(network, inputs, given).items():
        case.compare(f"output.{key}", output)
    counts = name == "SPADEGenerator" and "syncbatch" not in given["norm_G"]  # nothing reads it
    for key, tensor in layout.state_dict(network).items():
        if f"output.buffer_after.{key}" in case.tensors:
            counted = key.endswith("num_batches_tracked") and counts
            case.compare(f"output.buffer_after.{key}", tensor + int(counted))


def outputs(network: nn.Module, inputs: dict[str, Tensor], given: dict[str, Any]) -> dict[str, Tensor]:
    match network:
        case SpatialGenerator():
            return {"y": network(one_hot(inputs, given["semantic_nc"]), inputs.get("z"))}
        case MultiScaleFeatures():
            seen = network(inputs["x"], features=True)
            assert all(torch.equal(one, maps[-1]) for one, maps in zip(network(inputs["x"]), seen, strict=True))
            return {f"{scale}.{i}": one for scale, maps in enumerate(seen) for i, one in enumerate(maps)}
    return dict(zip(("mu", "logvar"), network(inputs["x"]), strict=True))


def check_losses(case: Case) -> None:
    given = case.part("input")
    for theirs, kind in GANS.items():
        for name, loss in {
            "D_real": lambda logits, kind=kind: gan_loss(logits, True, kind),
            "D_fake": lambda logits, kind=kind: gan_loss(logits, False, kind),
            "G": lambda logits, kind=kind: generator_loss(logits, kind),
        }.items():
            logits = [given[f"pred{scale}"].clone().requires_grad_() for scale in range(2)]
            value = loss(logits) / len(logits)
            case.compare(f"loss.{theirs}.{name}", value)
            value.backward()
            for scale, one in enumerate(logits):
                case.compare(f"output.grad.{theirs}.{name}.{scale}", one.grad)
    case.compare("loss.KLD", Gaussian(given["mu"], given["logvar"]).divergence().sum())


def check_step(case: Case) -> None:
    """One batch, G's step and D's, through the trainer."""
    construct, hyper, inputs = case.facts["construct"], case.facts["hyper_parameters"], case.part("input")
    parts = {PARTS[name]: recognised(case, given, PARTS[name]) for name, given in construct.items()}
    found, options, absent = layout.assemble({name: {"": part} for name, part in parts.items()})
    assert absent == ()
    method = SPADE(**options, gan=hyper["gan_mode"], features=hyper["lambda_feat"], kl=hyper["lambda_kld"])
    method.load_state_dict(found.state_dict())
    betas, lr = (hyper["beta1"], hyper["beta2"]), hyper["lr"]
    assert method.optimisers() == {"G": Adam(lr / 2, betas), "D": Adam(lr * 2, betas)}

    if not construct["MultiscaleDiscriminator"]["no_instance"]:
        inputs["edge"] = borders(inputs["instance"].movedim(1, -1)).movedim(-1, 1)
        case.compare("output.edge", inputs["edge"].to(torch.uint8))
    labels = one_hot(inputs, construct["SPADEGenerator"]["semantic_nc"])
    draws = iter([inputs[name] for name in sorted(inputs) if name.startswith("eps.")])
    method.noise = lambda mean: next(draws)
    terms = train(case, method, source=labels * 2 - 1, target=inputs["image"])
    theirs = {"GAN": "G.gan", "GAN_Feat": "G.features", "KLD": "G.kl", "D_Fake": "D.fake", "D_real": "D.real"}
    for name, ours in theirs.items():
        if f"loss.{name}" in case.tensors:
            case.compare(f"loss.{name}", terms[ours])


def train(case: Case, method: SPADE, **batch: Tensor) -> dict[str, float]:
    """Train on one batch; compare G's first picture, gradients and the weights that are left; the terms of losses."""
    trainer, networks = Trainer(method, images=1, speed=PLAIN), layout.held(method)
    pictures: list[Tensor] = []
    method.g.generator.register_forward_hook(lambda network, inputs, output: pictures.append(output))

    def compare_gradients(*_: Any) -> None:
        for name, network in networks.items():
            gradients = {key: weight.grad for key, weight in network.named_parameters() if weight.grad is not None}
            case.compare_gradients(name, layout.parted(network, gradients))

    for optimiser in trainer.optimisers.values():
        assert optimiser.defaults["eps"] == 1e-8
        optimiser.register_step_pre_hook(compare_gradients)
    trainer.step(batch)
    case.compare("output.generated", pictures[0])
    for name, network in networks.items():
        state = layout.state_dict(network)
        for key, theirs in case.part(f"after.{name}").items():
            if key.endswith(("weight_u", "weight_v")):
                case.compare(f"after.{name}.{key}", state[key], rules="output")
            if key.endswith("running_mean"):
                case.within(f"after.{name}.{key}", (state[key] - theirs).abs().max().item(), SHIFT)
                state[key] = theirs
        case.compare_after(name, state)
    return trainer.losses()


CHECKS = {"spade_losses": check_losses, "spade_step_syncbatch": check_step, "spade_step_vae": check_step}


@pytest.mark.parametrize("path", files("spade_*.json"))
def test_what_the_reference_computed_is_what_we_compute(path: Path) -> None:
    verify(path, CHECKS.get(path.stem, check_network))


@pytest.mark.parametrize("path", files("manifest_spade.json"))
def test_networks_of_published_size_are_recognised_from_their_shapes(path: Path) -> None:
    for entry, state in published(path):
        network = layout.network(state)
        assert list(layout.parted(network, network.state_dict())) == list(state)
        assert sum(parameter.numel() for parameter in network.parameters()) == entry["parameters"]
        build, seen = entry["build"], layout.recognise(state)[1]
        assert seen["width"] == build.get("ngf", build.get("ndf", 64))
        if entry["network"] == "G":
            asked = {"norm_G": "spectralspadesyncbatch3x3", "ngf": 64, "crop_size": 256, "aspect_ratio": 1.0}
            asked |= {"num_upsampling_layers": "normal", "z_dim": 256}
            assert seen == generator(asked | build)


@pytest.mark.parametrize("path", files("manifest_spade.json"))
def test_the_defaults_are_what_is_published(path: Path) -> None:
    entries = {entry["name"]: state for entry, state in published(path)}
    for name, part, options in (
        ("COCO-Stuff G", "G", {}),
        ("COCO-Stuff D", "D", {}),
        ("COCO-Stuff G with VAE", "G", {"encoder": True}),
        ("E", "E", {"encoder": True}),
        ("Cityscapes G", "G", {"source_channels": 36, "upsampling": "more"}),
    ):
        with torch.device("meta"):
            method = SPADE(**{"source_channels": 184} | options)
        ours = layout.parted(layout.held(method)[part], layout.held(method)[part].state_dict())
        assert {key: x.shape for key, x in ours.items()} == {key: x.shape for key, x in entries[name].items()}
