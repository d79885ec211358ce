"""Ours agrees with the published implementations, vector by vector: networks, losses, schedules, steps, keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conformance import Case, files
from torch import Tensor, nn

from diptych.convert import junyanz
from diptych.methods.method import Adam
from diptych.methods.pix2pix import Pix2Pix
from diptych.nn.blocks import Dropout
from diptych.nn.discriminators import PatchGAN, PixelGAN
from diptych.nn.gan import gan_loss, gradient_penalty
from diptych.nn.generators import ResNet, UNet
from diptych.speed import PLAIN
from diptych.training import schedule
from diptych.training.trainer import Trainer

GAN = {"vanilla": "vanilla", "lsgan": "lsgan", "wgangp": "wgan-gp"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in the order of the recorded runs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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
    case.compare_gradients("D", gradients(network))


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
    adam = Adam(lr=hyper["lr"], betas=(hyper["beta1"], hyper["beta2"]))
    method.optimisers = lambda: {"G": adam, "D": adam}
    trainer = Trainer(method, images=1, schedule="constant", speed=PLAIN)

    given, outputs = case.part("input"), []
    method.g.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    for name, optimiser in trainer.optimisers.items():
        assert optimiser.defaults["betas"] == adam.betas  # a first step of Adam does not depend on them
        assert optimiser.defaults["eps"] == hyper["adam_eps"]
        (network,) = method.groups()[name]
        optimiser.register_step_pre_hook(lambda *_, n=name, net=network: case.compare_gradients(n, gradients(net)))
    trainer.step({"source": given["real_A"], "target": given["real_B"]})

    case.compare("output.fake_B", *outputs)
    terms = trainer.losses()
    theirs = {
        "G_GAN": terms["G.gan"],
        "G_L1": terms["G.l1"],
        "D_real": 2 * terms["D.real"],
        "D_fake": 2 * terms["D.fake"],
    }
    theirs |= {"G": theirs["G_GAN"] + theirs["G_L1"], "D": (theirs["D_real"] + theirs["D_fake"]) / 2}
    for name, value in theirs.items():
        case.compare(f"loss.{name}", value)
    case.compare_after("G", junyanz.state_dict(method.g))
    case.compare_after("D", junyanz.state_dict(method.d))


def gradients(network: nn.Module) -> dict[str, Tensor]:
    """The gradients of `network` under the reference's keys, of those parameters that have one."""
    keys = junyanz.names(network)
    return {keys[name]: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}


CHECKS: dict[str, Callable[[Case], None]] = {
    "networks.GANLoss": check_gan_losses,
    "networks.get_scheduler": check_schedules,
    "Pix2PixModel": check_pix2pix_step,
    "networks.define_G": check_network,
    "networks.define_D": check_network,
}
LATER = {"CycleGANModel": "CycleGAN comes later", "ImagePool": "the image pool comes with CycleGAN"}


@pytest.mark.parametrize("path", files("junyanz_*.json"))
def test_what_the_reference_computed_is_what_we_compute(path: Path) -> None:
    case = Case(path)
    construct = case.facts["construct"]
    for name, reason in LATER.items():
        if name in construct:
            pytest.skip(reason)
    CHECKS[next(name for name in CHECKS if name in construct)](case)
    case.finish()


@pytest.mark.parametrize("path", files("manifest_junyanz.json"))
def test_networks_of_published_size_are_recognised_from_their_shapes(path: Path) -> None:
    for entry in json.loads(path.read_text(encoding="utf-8"))["networks"]:
        state = {
            key: torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
            for key, (shape, dtype) in entry["state_dict"].items()
        }
        construct = {f"networks.{name}": options for name, options in entry["build"].items()}
        network = junyanz.network(state)
        assert recognised(state) == expected(construct), entry["name"]
        assert sum(parameter.numel() for parameter in network.parameters()) == entry["parameters"]
        assert list(junyanz.names(network).values()) == list(state)


def test_pix2pix_trains_with_the_published_optimiser() -> None:
    adam = Adam(lr=2e-4, betas=(0.5, 0.999), weight_decay=0.0)
    assert Pix2Pix(generator="unet_64", width=1).optimisers() == {"G": adam, "D": adam}
