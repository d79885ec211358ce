"""UNIT and MUNIT agree with the published implementations, vector by vector: networks, losses, steps, keys."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conformance import Case, files, gradients, imported, published, train, verify
from torch import Tensor, nn

from diptych.convert import munit as layout
from diptych.methods.method import Adam, Method
from diptych.methods.munit import MUNIT
from diptych.methods.munit import AutoEncoder as ForMUNIT
from diptych.methods.unit import UNIT
from diptych.methods.unit import AutoEncoder as ForUNIT
from diptych.nn.gan import gan_loss, generator_loss
from diptych.nn.multiscale import MultiScale

ACTIVATIONS = {"relu": "relu", "lrelu": "leaky_relu"}
PADS = {"reflect": "reflect", "zero": "zeros"}
NORMS = {"none": "none", "in": "instance", "sn": "spectral"}


def unseen(params: dict[str, Any]) -> dict[str, Any]:
    """What the reference is told of a generator and no weight shows."""
    return {"activation": ACTIVATIONS[params["activ"]], "pad": PADS[params["pad_type"]]}


def generator(params: dict[str, Any]) -> dict[str, Any]:
    """Our options for the reference's `gen`."""
    names = {
        "dim": "width",
        "n_downsample": "downs",
        "n_res": "blocks",
        "style_dim": "style_channels",
        "mlp_dim": "hidden",
    }
    return {ours: params[theirs] for theirs, ours in names.items() if theirs in params}


def discriminator(params: dict[str, Any]) -> dict[str, Any]:
    """Our options for the reference's `dis`."""
    assert (params["activ"], params["gan_type"], params["pad_type"]) == ("lrelu", "lsgan", "reflect")
    names = {"num_scales": "scales", "n_layer": "layers", "dim": "width"}
    return {ours: params[theirs] for theirs, ours in names.items()} | {"norm": NORMS[params["norm"]]}


def expected(construct: dict[str, Any]) -> tuple[type[nn.Module], dict[str, Any]]:
    """Our network and its options, of which keys show all but `unseen`."""
    ((name, given),) = construct.items()
    channels = {"channels": given["input_dim"]}
    if name == "MsImageDis":
        return MultiScale, channels | discriminator(given["params"])
    return {"VAEGen": ForUNIT, "AdaINGen": ForMUNIT}[name], channels | generator(given["params"])


def recognised(case: Case, name: str) -> nn.Module:
    """The network of a case, recognised by its keys, and then told what they do not show."""
    weights = case.part(f"weights.{name}")
    kind, options = expected(case.facts["construct"])
    seen = options | {"norm": "none"} if options.get("norm") == "instance" else options
    assert layout.recognise(weights) == (kind, seen)
    params = next(iter(case.facts["construct"].values()))["params"]
    return imported(kind(**options, **({} if kind is MultiScale else unseen(params))), weights, layout)


@torch.no_grad()
def check_unit(case: Case) -> None:
    given, network = case.part("input"), recognised(case, "gen")
    hidden = network.encoder(given["x"])
    case.compare("output.hidden", hidden)
    case.compare("output.decoded_noisy", network.decoder(hidden + given["noise"]))
    case.compare("output.decoded_clean", network.decoder(hidden))


@torch.no_grad()
def check_munit(case: Case) -> None:
    given, network = case.part("input"), recognised(case, "gen")
    content, style = network.content(given["x"]), network.style(given["x"])
    drawn = given["style"].flatten(1)
    case.compare("output.content", content)
    case.compare("output.style", style[..., None, None])
    case.compare("output.adain_params", network.decoder.style(drawn).flatten(1))
    case.compare("output.reconstruction", network.decoder(content, style))
    case.compare("output.translated", network.decoder(content, drawn))


def check_discriminator(case: Case) -> None:
    given, network = case.part("input"), recognised(case, "dis")
    for scale, logits in enumerate(network(given["x"])):
        case.compare(f"output.{scale}", logits)
    loss = gan_loss(network(given["x"]), False, "lsgan") + gan_loss(network(given["real"]), True, "lsgan")
    case.compare("loss.dis", loss)
    loss.backward()
    case.compare_gradients("dis", gradients(network, layout.names(network)))
    case.compare("loss.gen", generator_loss(network(given["x"]), "lsgan"))


def assembled(case: Case, **weights: float) -> tuple[Method, dict[str, nn.Module]]:
    """The method of a step, imported from its weights, with these weights of terms; and its parts by their names."""
    construct = case.facts["construct"]
    states = {name: case.part(f"weights.{name}") for name in ("gen_a", "gen_b", "dis_a", "dis_b")}
    contents = {kind: {side: states[f"{kind}_{side}"] for side in "ab"} for kind in ("gen", "dis")}
    found, options, absent = layout.assemble({kind: layout.networks(content) for kind, content in contents.items()})
    told = {f"{side}_channels": construct[f"input_dim_{side}"] for side in "ab"} | generator(construct["gen"])
    for name, value in discriminator(construct["dis"]).items():
        told[name if name == "scales" else f"discriminator_{name}"] = value
    assert (options, absent) == (told, ())
    method = type(found)(**options, **unseen(construct["gen"]), **weights)
    method.load_state_dict(found.state_dict())
    return method, {"gen_a": method.a, "gen_b": method.b, "dis_a": method.d_a, "dis_b": method.d_b}


def recorded(case: Case) -> Callable[..., tuple[Tensor, ...]]:
    """Gives the recorded draws one after another: as many as are asked for, or two."""
    draws = case.part("input")
    waiting = deque(draws[f"noise.{i}"] for i in range(sum(name.startswith("noise.") for name in draws)))
    return lambda like, count=2: tuple(waiting.popleft() for _ in range(count))


def take_at_most(size: int, network: nn.Module) -> None:
    """Let `network` see no more pictures at once than in the recorded run, which a larger batch rounds otherwise.

    The input of a ReLU may lie so close to zero that this decides.
    """
    whole = network.forward

    def in_parts(*inputs: Tensor) -> Any:
        parts = [whole(*part) for part in zip(*(x.split(size) for x in inputs), strict=True)]
        return torch.cat(parts) if isinstance(parts[0], Tensor) else list(map(torch.cat, zip(*parts, strict=True)))

    network.forward = in_parts


def check_step(case: Case, method: Method, parts: dict[str, nn.Module], theirs: dict[str, tuple[str, float]]) -> None:
    """One batch; theirs: their losses by our terms and the weights that those contain and these do not."""
    given = case.part("input")
    assert method.optimisers() == dict.fromkeys("GD", Adam(lr=1e-4, betas=(0.5, 0.999), weight_decay=1e-4))
    case.limits.setdefault("output", case.limits["loss"])  # for buffers, which nothing changes
    for network in (method.a.decoder, method.b.decoder, method.d_a, method.d_b):
        take_at_most(len(given["x_a"]), network)
    terms = train(case, method, parts, layout, a=given["x_a"], b=given["x_b"])
    for side in "ab":
        case.compare(f"loss.dis_{side}", terms[f"D.real_{side}"] + terms[f"D.fake_{side}"])
    for total, group in (("dis_total", "D."), ("gen_total", "G.")):
        case.compare(f"loss.{total}", sum(value for name, value in terms.items() if name.startswith(group)))
    for name, (ours, weight) in theirs.items():
        case.compare(f"loss.{name}", terms[f"G.{ours}"] / weight if weight else 0.0)


def check_unit_step(case: Case) -> None:
    hyper = case.facts["hyper_parameters"]
    names = {"gan_w": "adversarial", "recon_x_w": "recon_x", "recon_kl_w": "kl", "recon_x_cyc_w": "cycle"}
    names |= {"recon_kl_cyc_w": "cycle_kl", "vgg_w": "perceptual"}
    weights = {ours: hyper[name] for name, ours in names.items()}
    method, parts = assembled(case, **weights)
    method.noise = recorded(case)
    theirs = {"gen_recon_kl_cyc_aba": ("cycle_kl_a", weights["cycle_kl"])}
    theirs["gen_recon_kl_cyc_bab"] = ("cycle_kl_b", weights["cycle_kl"])
    kinds = {"adv": ("gan", "adversarial"), "recon_x": ("recon_x", "recon_x"), "recon_kl": ("kl", "kl")}
    kinds |= {"cyc_x": ("cycle", "cycle"), "vgg": ("perceptual", "perceptual")}
    for kind, (term, weight) in kinds.items():
        theirs |= {f"gen_{kind}_{side}": (f"{term}_{side}", weights[weight]) for side in "ab"}
    check_step(case, method, parts, theirs)


def check_munit_step(case: Case) -> None:
    hyper = case.facts["hyper_parameters"]
    names = {"gan_w": "adversarial", "recon_x_w": "recon_x", "recon_s_w": "recon_s", "recon_c_w": "recon_c"}
    names |= {"recon_x_cyc_w": "cycle", "vgg_w": "perceptual"}
    weights = {ours: hyper[name] for name, ours in names.items()}
    method, parts = assembled(case, **weights)
    draw = recorded(case)
    method.styles = lambda x: tuple(style.flatten(1) for style in draw(x))
    kinds = {"adv": ("gan", "adversarial"), "cycrecon_x": ("cycle", "cycle"), "vgg": ("perceptual", "perceptual")}
    kinds |= {name: (name, name) for name in ("recon_x", "recon_s", "recon_c")}
    theirs = {
        f"gen_{kind}_{side}": (f"{term}_{side}", weights[weight])
        for kind, (term, weight) in kinds.items()
        for side in "ab"
    }
    check_step(case, method, parts, theirs)


CHECKS = {"VAEGen": check_unit, "AdaINGen": check_munit, "MsImageDis": check_discriminator}
STEPS = {"unit": check_unit_step, "munit": check_munit_step}


@pytest.mark.parametrize("path", [*files("unit_*.json"), *files("munit_*.json")])
def test_what_the_reference_computed_is_what_we_compute(path: Path) -> None:
    facts = json.loads(path.read_text(encoding="utf-8"))
    check = next((CHECKS[name] for name in CHECKS if name in facts["construct"]), STEPS[facts["method"]])
    verify(path, check)


@pytest.mark.parametrize("path", [*files("manifest_unit.json"), *files("manifest_munit.json")])
def test_networks_of_published_size_are_recognised_from_their_shapes(path: Path) -> None:
    defaults = {"unit": UNIT, "munit": MUNIT}[path.stem.partition("_")[2]]
    with torch.device("meta"):
        method = defaults()
    for (entry, state), part in zip(published(path), ("a", "d_a"), strict=True):
        network = layout.network(state)
        shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
        assert shapes == {name: tensor.shape for name, tensor in method.get_submodule(part).state_dict().items()}
        assert list(layout.tensors(network)) == list(state)
        assert sum(parameter.numel() for parameter in network.parameters()) == entry["parameters"]
