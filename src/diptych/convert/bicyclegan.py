"""Networks of junyanz/BicycleGAN, recognised by the keys and shapes of a state dict alone.

A U-Net with the code at its input has the keys of pix2pix's, whose skips are joined the other way round: its weights
fit, and make nothing of sense there. The encoder beside it tells them apart, and how many inputs are the code. The
activation of a generator leaves no trace, nor does its dropout; with an activation other than the published one a
generator is not written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from torch import Tensor, nn

from diptych.convert import states
from diptych.convert.junyanz import unet
from diptych.convert.states import State
from diptych.errors import ModelError
from diptych.methods.bicyclegan import BicycleGAN, Generator
from diptych.methods.method import Method
from diptych.nn.code_encoder import CodeEncoder
from diptych.nn.coded_unet import CodedUNet
from diptych.nn.multiscale import MultiScalePatchGAN

METHODS: tuple[str, ...] = ("bicyclegan",)
FILES = {"g": "latest_net_G.pth", "e": "latest_net_E.pth", "d": "latest_net_D.pth", "d2": "latest_net_D2.pth"}
"""Their files of our parts."""

FAMILIES = (
    "of junyanz/BicycleGAN: U-Net generators (unet_32 to unet_512) with the code at all levels or at the input, with "
    "basic or bilinear upsampling, ResNet encoders (resnet_128, resnet_256) and PatchGANs at several scales "
    "(basic_128_multi, basic_256_multi), each of any width, with batch or instance norm"
)


def networks(content: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The one network of a file. Raises ModelError when it is none of `FAMILIES`."""
    return {"": network(content)}


def assemble(files: Mapping[str, dict[str, nn.Module]]) -> tuple[Method, dict[str, Any], tuple[str, ...]]:
    """BicycleGAN from a generator, its encoder and perhaps its discriminators, told apart by names that end in D2.

    It holds only what the files brought. Raises ModelError when they do not belong together.
    """
    parts: dict[str, nn.Module] = {}
    for stem, found in files.items():
        second = "d2" if stem.endswith("D2") else "d"
        part = {CodedUNet: "g", CodeEncoder: "e", MultiScalePatchGAN: second}[type(found[""])]
        if part in parts:
            raise ModelError(f"two files are taken for {FILES[part]}: give those of one model, discriminators in "
                             f"files whose names end in D and D2")  # fmt: skip
        parts[part] = found[""]
    if missing := [FILES[part] for part in BicycleGAN.keep if part not in parts]:
        raise ModelError(f"BicycleGAN translates with a generator and an encoder: give {' and '.join(missing)} too")
    options = shared_options(parts)
    method = BicycleGAN(**options)
    states.keep(method, parts)
    states.load(method, parts)
    return method, options, ()


def shared_options(parts: Mapping[str, nn.Module]) -> dict[str, Any]:
    """The options of the BicycleGAN that has these parts, by our names. Raises ModelError where they contradict."""
    options = states.joint((FILES[part], part_options(part, found)) for part, found in parts.items())
    options["source_channels"] = source = options.pop("inputs") - options["code"]
    if source < 1:
        raise ModelError(f"not one training's: the encoder's codes are {options['code']} numbers, and the generator "
                         f"has no more inputs than {source + options['code']}")  # fmt: skip
    if (seen := options.pop("seen", None)) is not None:
        target = options["target_channels"]
        if seen not in (target, source + target):
            raise ModelError(f"the discriminators judge {seen} channels; BicycleGAN's judge the target's, {target}, or "
                             f"those of the source and the target, {source} + {target}")  # fmt: skip
        options["conditional_d"] = seen != target
    return options


def part_options(part: str, network: nn.Module) -> dict[str, Any]:
    """What a network says of the options of the BicycleGAN that it is this part of."""
    _, seen = recognise(state_dict(network))
    if part == "g":
        generator = f"unet_{2 ** seen.pop('depth')}"
        if generator not in get_args(Generator):
            raise ModelError(f"the generator is a {generator}; BicycleGAN has {', '.join(get_args(Generator))}")
        code = seen.pop("code_channels")
        inputs, known = seen.pop("source_channels") + code, {} if seen["where"] == "input" else {"code": code}
        return seen | known | {"generator": generator, "inputs": inputs}
    renamed = {"channels": "seen", "layers": "discriminator_layers", "width": "discriminator_width"}
    if part == "e":
        renamed = {"channels": "target_channels", "code_channels": "code", "blocks": "encoder_blocks"}
        renamed["width"] = "encoder_width"
    return {renamed.get(name, name): value for name, value in seen.items()}


def state_dicts(method: Method) -> dict[str, Mapping[str, Any]]:
    """The files that hold `method`, by their names, less those of parts that it has not."""
    parts = dict(method.named_children())
    return {file: state_dict(parts[part]) for part, file in FILES.items() if part in parts}


def network(state: State) -> nn.Module:
    """The network that `state` belongs to, with its weights in their own precision.

    Raises ModelError when it is none of `FAMILIES`, or when a tensor is missing, left over or of another shape.
    """
    state = states.normalised(state)
    return states.filled(states.blank(*recognise(state)), state, names, FAMILIES)


def state_dict(network: nn.Module) -> dict[str, Tensor]:
    """The weights of `network` under their keys and in their order: what `network` reads, bit for bit."""
    return states.renamed(network, names(network))


def recognise(state: State) -> tuple[type[nn.Module], dict[str, Any]]:
    """Which network has these keys, and the options that build it.

    How many inputs of a U-Net with the code at its input are the code cannot be seen: one is taken to be.
    """
    state = states.normalised(state)
    shapes = {key.removesuffix(".weight"): x.shape for key, x in state.items() if key.endswith(".weight")}
    convs = {name: shape for name, shape in shapes.items() if len(shape) == 4}
    norm = states.norm_of(state)

    if {"model.down.0", "model.submodule.down.1"} <= convs.keys():
        width, inputs = convs["model.down.0"][:2]
        code = convs["model.submodule.down.1"][1] - width
        sizes = {"source_channels": inputs - code, "code_channels": code, "where": "all", "width": width}
        depth = states.count(convs, r"model\.(submodule\.)*down\.[01]")
        return CodedUNet, sizes | {"depth": depth, "norm": norm} | last(convs, "model.up.{}", 1)
    if "model.model.0" in convs:
        width, inputs = convs["model.model.0"][:2]
        sizes = {"source_channels": inputs - 1, "code_channels": 1, "where": "input", "width": width}
        return CodedUNet, sizes | {"depth": len(convs) // 2, "norm": norm} | last(convs, "model.model.{}", 3)
    if "conv.0" in convs and "fc.0" in shapes:
        (width, channels), code = convs["conv.0"][:2], shapes["fc.0"][0]
        blocks = states.count(convs, r"conv\.\d+\.shortcut\.1")
        sizes = {"channels": channels, "code_channels": code, "blocks": blocks, "width": width}
        return CodeEncoder, sizes | {"norm": "none" if "conv.1.conv.1" in convs else norm}
    first = "model_0" if "model_0.0" in convs else "model"
    if f"{first}.0" in convs:
        width, channels = convs[f"{first}.0"][:2]
        scales = states.count(convs, r"model(_\d+)?\.0")
        layers = sum(name.startswith(f"{first}.") for name in convs) - 2
        return MultiScalePatchGAN, {
            "channels": channels, "scales": scales, "layers": layers, "width": width, "norm": norm
        }  # fmt: skip
    raise states.unknown(state, FAMILIES)


def last(convs: Mapping[str, Any], place: str, index: int) -> dict[str, Any]:
    """What the last convolution of a U-Net says, which interpolating and padding push two places on."""
    if (basic := place.format(index)) in convs:
        return {"target_channels": convs[basic][1], "upsampling": "basic"}
    if (bilinear := place.format(index + 2)) in convs:
        return {"target_channels": convs[bilinear][0], "upsampling": "bilinear"}
    raise ModelError(f"this resembles a U-Net, but {basic}.weight is missing. Known networks are those {FAMILIES}")


def names(network: nn.Module) -> dict[str, str]:
    """Our key and theirs of every tensor of `network`, in their order. Raises ModelError when theirs has no like."""
    return states.tensor_names(network, layers(network))


def layers(network: nn.Module) -> Iterator[tuple[str, str]]:
    """Our layers and theirs, in their order."""
    match network:
        case CodedUNet():
            refuse_unseen(network)
            return at_all_levels(network) if network.where == "all" else unet(len(network.downs), after(network))
        case MultiScalePatchGAN():
            refuse_unseen(network)
            scales = len(network.networks)
            return ((f"networks.{i}.model", f"model_{i}" if scales > 1 else "model") for i in range(scales))
        case CodeEncoder():
            return encoder(network)
    raise states.without_like(network, FAMILIES)


def refuse_unseen(network: nn.Module) -> None:
    """Raise ModelError where `network` would be read as another one, of which their files hold the same."""
    states.refuse_normless(network)
    if isinstance(network, CodedUNet) and any(isinstance(module, nn.LeakyReLU) for module in network.modules()):
        raise ModelError("a generator with leaky ReLUs on its way up would be read as one with ReLUs")


def after(network: CodedUNet) -> int:
    """How many places the convolution of a way up is behind its activation."""
    return 3 if isinstance(network.ups[0].conv, nn.Conv2d) else 1


def at_all_levels(network: CodedUNet) -> Iterator[tuple[str, str]]:
    depth, up = len(network.downs), after(network)
    level = ["model" + ".submodule" * i for i in range(depth)]
    for i in range(depth):
        yield f"downs.{i}.conv", f"{level[i]}.down.{min(i, 1)}"
        yield f"downs.{i}.norm", f"{level[i]}.down.2"
    for i in reversed(range(depth)):
        yield f"ups.{depth - 1 - i}.conv", f"{level[i]}.up.{up}"
        yield f"ups.{depth - 1 - i}.norm", f"{level[i]}.up.{up + 1}"


def encoder(network: CodeEncoder) -> Iterator[tuple[str, str]]:
    """One list in each block of theirs, in which activations count, and norms where there are any."""
    yield from (("mean", "fc.0"), ("log_variance", "fcVar.0"), ("stem", "conv.0"))
    bare = isinstance(network.blocks[0].norm1, nn.Identity)
    inner = {"conv1": "1", "conv2": "3.0"} if bare else {"norm1": "0", "conv1": "2", "norm2": "3", "conv2": "5.0"}
    for i in range(len(network.blocks)):
        yield from ((f"blocks.{i}.{ours}", f"conv.{i + 1}.conv.{theirs}") for ours, theirs in inner.items())
        yield f"blocks.{i}.shortcut", f"conv.{i + 1}.shortcut.1"
