"""Ours agrees with the published implementations, vector by vector: networks, losses, schedules, steps, keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conformance import Case, files, gradients, published, train, verify
from torch import Tensor, nn

from diptych.convert import junyanz
from diptych.methods.cyclegan import CycleGAN
from diptych.methods.method import Adam
from diptych.methods.pix2pix import Pix2Pix
from diptych.nn.blocks import Dropout
from diptych.nn.discriminators import PatchGAN, PixelGAN
from diptych.nn.gan import gan_loss, gradient_penalty
from diptych.nn.generators import ResNet, UNet
from diptych.nn.pool import ImagePool
from diptych.training import schedule

GAN = {"vanilla": "vanilla", "lsgan": "lsgan", "wgangp": "wgan-gp"}


def generator(construct: dict[str, Any]) -> tuple[type[nn.Module], dict[str, Any]]:
    """Our network and options for the reference's `define_G`."""
    options = {
        "source_channels": construct["input_nc"],
        "target_channels": construct["output_nc"],
        "width": construct["ngf"],
        "norm": construct["norm"],
    }
    family, _, size = construct["netG"].partition("_")
    if family == "unet":
        return UNet, options | {"depth": int(size).bit_length() - 1}
    return ResNet, options | {"blocks": int(size.removesuffix("blocks")), "dropout": construct["use_dropout"]}


def discriminator(construct: dict[str, Any]) -> tuple[type[nn.Module], dict[str, Any]]:
    """Our network and options for the reference's `define_D`."""
    options = {"channels": construct["input_nc"], "width": construct["ndf"], "norm": construct["norm"]}
    if construct["netD"] == "pixel":
        return PixelGAN, options
    return PatchGAN, options | {"layers": construct["n_layers_D"] if construct["netD"] == "n_layers" else 3}


def expected(construct: dict[str, Any]) -> tuple[type[nn.Module], dict[str, Any]]:
    build = {"networks.define_G": generator, "networks.define_D": discriminator}
    (name,) = build.keys() & construct.keys()
    return build[name](construct[name])


def recognised(state: dict[str, Tensor]) -> tuple[type[nn.Module], dict[str, Any]]:
    """What the importer makes of `state`, less the dropout of a U-Net, which keys do not show."""
    kind, options = junyanz.recognise(state)
    return kind, {name: value for name, value in options.items() if not (kind is UNet and name == "dropout")}


def without_dropout(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, Dropout):
            module.p = 0.0
    return network


def check_network(case: Case) -> None:
    (name,) = case.facts["tensors"]["nets"]
    weights = case.part(f"weights.{name}")
    assert recognised(weights) == expected(case.facts["construct"])

    network = without_dropout(junyanz.network(weights)).train(case.facts["mode"].startswith("train()"))
    case.compare("output.y", network(case.part("input")["x"]))
    state = junyanz.state_dict(network)
    for key in case.part("output.buffer_after"):
        case.compare(f"output.buffer_after.{key}", state[key])


def check_gan_losses(case: Case) -> None:
    given, hyper = case.part("input"), case.facts["hyper_parameters"]
    for name in [name for name in case.part("loss") if "." in name]:
        mode, _, side = name.partition(".")
        logits = given["pred"].requires_grad_()
        loss = gan_loss(logits, side == "real", GAN[mode])
        case.compare(f"loss.{name}", loss)
        case.compare(f"output.grad_pred.{name}", *torch.autograd.grad(loss, logits))

    assert (hyper["constant"], hyper["type"]) == (1.0, "mixed"), "other penalties are not ours to compute"
    network, mixtures = junyanz.network(case.part("weights.D")), []

    def judge(x: Tensor) -> Tensor:
        mixtures.append(x)
        return network(x)

    penalty = hyper["lambda_gp"] * gradient_penalty(
        judge, given["real"], given["fake"], given["alpha"][..., None, None]
    )
    case.compare("loss.gradient_penalty", penalty)
    (slope,) = torch.autograd.grad(network(mixtures[0]).sum(), mixtures[0])
    case.compare("output.gp_gradients", slope.flatten(1) + 1e-16)
    penalty.backward()
    case.compare_gradients("D", gradients(network, junyanz.names(network)))


def check_schedules(case: Case) -> None:
    given = case.facts["construct"]["networks.get_scheduler"]
    hold, started = given["n_epochs"], given["epoch_count"] - 1
    ours: dict[str, Callable[[int], float]] = {
        "linear": lambda epoch: schedule.linear(epoch + started, hold, given["n_epochs_decay"]),
        "step": lambda epoch: schedule.step(epoch, given["lr_decay_iters"]),
        "cosine": lambda epoch: schedule.cosine(epoch, hold),
    }
    for name, theirs in case.part("output").items():
        rates = (
            given["lr"] * torch.tensor([ours[name.removeprefix("lr_")](epoch) for epoch in range(len(theirs))]).double()
        )
        case.compare(f"output.{name}", rates)
        torch.testing.assert_close(rates, theirs, rtol=1e-6, atol=1e-9 * given["lr"])


def check_pix2pix_step(case: Case) -> None:
    construct, hyper = case.facts["construct"]["Pix2PixModel"], case.facts["hyper_parameters"]
    weights = {name: case.part(f"weights.{name}") for name in ("G", "D")}
    channels = construct["input_nc"] + construct["output_nc"]
    assert recognised(weights["G"]) == generator(construct | {"use_dropout": not construct["no_dropout"]})
    assert recognised(weights["D"]) == discriminator(construct | {"input_nc": channels})

    networks = [junyanz.network(state) for state in weights.values()]
    options = {"dropout": not construct["no_dropout"], "gan": GAN[hyper["gan_mode"]], "l1": hyper["lambda_L1"]}
    method, _ = junyanz.pix2pix(*networks, **options)
    given, outputs = case.part("input"), []
    method.g.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    networks = {"G": method.g, "D": method.d}
    terms = train(case, method, networks, junyanz, source=given["real_A"], target=given["real_B"])

    case.compare("output.fake_B", *outputs)
    theirs = {
        "G_GAN": terms["G.gan"],
        "G_L1": terms["G.l1"],
        "D_real": 2 * terms["D.real"],
        "D_fake": 2 * terms["D.fake"],
    }
    theirs |= {"G": theirs["G_GAN"] + theirs["G_L1"], "D": (theirs["D_real"] + theirs["D_fake"]) / 2}
    for name, value in theirs.items():
        case.compare(f"loss.{name}", value)


MADE = {
    "instance": {"ab": ("fake_B", "idt_A", "rec_B"), "ba": ("fake_A", "idt_B", "rec_A")},
    "batch": {"ab": ("fake_B", "rec_B", "idt_A"), "ba": ("rec_A", "fake_A", "idt_B")},
}
"""What our generators make in a step, in order and by the reference's names."""


def check_cyclegan_step(case: Case) -> None:
    construct, hyper = case.facts["construct"]["CycleGANModel"], case.facts["hyper_parameters"]
    ours = {name: junyanz.FILES[CycleGAN][name] for name in case.facts["tensors"]["nets"]}
    parts = {part: junyanz.network(case.part(f"weights.{name}")) for name, part in ours.items()}
    options = {"gan": GAN[hyper["gan_mode"]], "identity": hyper["lambda_identity"], "history": hyper["pool_size"]}
    method, seen = junyanz.cyclegan(parts, cycle_a=hyper["lambda_A"], cycle_b=hyper["lambda_B"], **options)
    theirs = generator(construct | {"use_dropout": not construct["no_dropout"]})[1]
    theirs |= {"a_channels": theirs.pop("source_channels"), "b_channels": theirs.pop("target_channels")}
    layers, width = construct["n_layers_D"], construct["ndf"]
    theirs |= {"discriminator_layers": layers, "discriminator_width": width}
    assert theirs.items() <= seen.items()

    outputs: dict[str, list[Tensor]] = {"ab": [], "ba": []}
    for part, made in outputs.items():
        network = method.get_submodule(part)
        network.register_forward_hook(lambda module, inputs, output, made=made: made.extend(output.split(1)))
    given, networks = case.part("input"), {name: method.get_submodule(part) for name, part in ours.items()}
    terms = train(case, method, networks, junyanz, a=given["real_A"], b=given["real_B"])

    for part, names in MADE[construct["norm"]].items():
        for name, output in zip(names, torch.cat(outputs[part]).chunk(3), strict=True):
            case.compare(f"output.{name}", output)
    losses = {"G_A": "gan_b", "G_B": "gan_a", "cycle_A": "cycle_a", "cycle_B": "cycle_b"}
    losses |= {"idt_A": "identity_b", "idt_B": "identity_a"}  # theirs are called by the generator, ours by the domain
    for name, term in losses.items():
        case.compare(f"loss.{name}", terms[f"G.{term}"])
    case.compare("loss.G", sum(terms[f"G.{term}"] for term in losses.values()))
    for name, side in (("A", "b"), ("B", "a")):
        case.compare(f"loss.D_{name}", terms[f"D.real_{side}"] + terms[f"D.fake_{side}"])


def check_image_pool(case: Case) -> None:
    given = case.part("input")
    pool = ImagePool(case.facts["construct"]["ImagePool"]["pool_size"])
    returned = [
        pool(pictures[:, None, None, None], (p > 0.5, slot.clamp(min=0)))  # no draw: p is NaN, the slot -1
        for pictures, p, slot in zip(given["images"], given["p"], given["index"], strict=True)
    ]
    case.compare("output.returned", torch.stack(returned).flatten(1))
    case.compare("output.pool", pool.stored.flatten())


CHECKS: dict[str, Callable[[Case], None]] = {
    "networks.GANLoss": check_gan_losses,
    "networks.get_scheduler": check_schedules,
    "Pix2PixModel": check_pix2pix_step,
    "CycleGANModel": check_cyclegan_step,
    "ImagePool": check_image_pool,
    "networks.define_G": check_network,
    "networks.define_D": check_network,
}


@pytest.mark.parametrize("path", files("junyanz_*.json"))
def test_what_the_reference_computed_is_what_we_compute(path: Path) -> None:
    construct = json.loads(path.read_text(encoding="utf-8"))["construct"]
    verify(path, CHECKS[next(name for name in CHECKS if name in construct)])


@pytest.mark.parametrize("path", files("manifest_junyanz.json"))
def test_networks_of_published_size_are_recognised_from_their_shapes(path: Path) -> None:
    for entry, state in published(path):
        construct = {f"networks.{name}": options for name, options in entry["build"].items()}
        network = junyanz.network(state)
        assert recognised(state) == expected(construct), entry["name"]
        assert sum(parameter.numel() for parameter in network.parameters()) == entry["parameters"]
        assert list(junyanz.names(network).values()) == list(state)


@pytest.mark.parametrize("path", files("manifest_junyanz.json"))
def test_cyclegans_of_published_size_come_back_bit_for_bit(path: Path) -> None:
    entries = json.loads(path.read_text(encoding="utf-8"))["networks"]
    generators = [entry for entry in entries if "resnet" in str(entry["build"])]
    (discriminator,) = [entry for entry in entries if entry["name"].startswith("cyclegan D")]
    assert generators
    for entry in generators:
        names = {"G_A": entry, "G_B": entry}
        if "'norm': 'instance'" in str(entry["build"]):
            names |= {"D_A": discriminator, "D_B": discriminator}
        theirs = {f"latest_net_{name}": at_random(shapes["state_dict"]) for name, shapes in names.items()}
        method, _, absent = junyanz.assemble({stem: junyanz.networks(state) for stem, state in theirs.items()})
        back = junyanz.state_dicts(method)
        assert absent == ()
        assert list(back) == [f"{stem}.pth" for stem in theirs]
        for stem, state in theirs.items():
            assert list(back[f"{stem}.pth"]) == list(state)
            assert all(torch.equal(back[f"{stem}.pth"][key], tensor) for key, tensor in state.items())


def at_random(shapes: dict[str, tuple[list[int], str]]) -> dict[str, Tensor]:
    """Tensors of these shapes and types; counters are 7."""
    return {
        key: torch.rand(shape) if dtype == "float32" else torch.full(shape, 7, dtype=getattr(torch, dtype))
        for key, (shape, dtype) in shapes.items()
    }


def test_pix2pix_and_cyclegan_train_with_the_published_optimiser() -> None:
    adam = Adam(lr=2e-4, betas=(0.5, 0.999), weight_decay=0.0)
    for method in (Pix2Pix(generator="unet_64", width=1), CycleGAN(blocks=1, width=1)):
        assert method.optimisers() == {"G": adam, "D": adam}
