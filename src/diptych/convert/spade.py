"""Networks of NVlabs/SPADE, recognised by the keys and shapes of a state dict alone.

A file is the bare state dict of G, D or E. It does not show how often G doubles height and width, nor whether its first
features, where they come from a code, are as wide as high: they are taken to be as published. That is once more for 36
classes, which Cityscapes has (`--num_upsampling_layers more`), and a square or twice as wide as high.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn

from diptych.convert import states
from diptych.convert.states import State
from diptych.errors import ModelError
from diptych.methods.method import Method
from diptych.methods.spade import SPADE
from diptych.nn.image_encoder import ImageEncoder
from diptych.nn.multiscale import MultiScaleFeatures
from diptych.nn.spade import DOUBLED, STARTING, BatchNorm, SpatialGenerator, SpatialNorm
from diptych.nn.spectral import SpectralNormConv2d

METHODS: tuple[str, ...] = ("spade",)
FAMILIES = (
    "of NVlabs/SPADE: latest_net_G.pth (SPADEGenerator, with or without spectral norm, by batch or instance norm), "
    "latest_net_D.pth (MultiscaleDiscriminator, instance norm) and latest_net_E.pth (ConvEncoder), of any width"
)
BLOCKS = ("head_0", "G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3", "up_4")
CITYSCAPES = 36
"""Planes of the one published model that doubles once more."""

Place = tuple[str, int | None]
"""Our key for one of their tensors, and which half of ours it is where it is but one."""


def networks(content: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The network in a file. Raises ModelError when it is none of `FAMILIES`."""
    if not all(isinstance(value, Tensor) for value in content.values()):
        raise ModelError(f"a file of SPADE is one state dict, this one holds {', '.join(map(str, content))}")
    return {"": network(content)}


def assemble(files: Mapping[str, dict[str, nn.Module]]) -> tuple[Method, dict[str, Any], tuple[str, ...]]:
    """SPADE from a file of G, perhaps one of E and perhaps one of D, whatever they are called.

    Raises ModelError when they do not belong together.
    """
    kinds: dict[type[nn.Module], str] = {SpatialGenerator: "G", MultiScaleFeatures: "D", ImageEncoder: "E"}
    parts: dict[str, nn.Module] = {}
    for found in (found for each in files.values() for found in each.values()):
        if (name := kinds[type(found)]) in parts:
            raise ModelError(f"two of the files are {name}: give one model's")
        parts[name] = found
    if "G" not in parts:
        raise ModelError(f"translation needs G: give latest_net_G.pth beside {', '.join(parts)}")
    options = states.joint((name, part_options(found)) for name, found in sorted(parts.items(), reverse=True))
    pair = options["source_channels"] + options["target_channels"]
    if options.pop("pair", pair) != pair:
        raise ModelError(f"not one training's: D sees other channels than the {pair} of G's labels and photos")
    if options["encoder"] and "E" not in parts:
        raise ModelError("this G was trained with an encoder: give latest_net_E.pth as well")
    method = SPADE(**options)
    if "D" not in parts:
        del method.d
    for name, part in held(method).items():
        part.load_state_dict(parts[name].state_dict())
    return method, options, ()


def held(method: Method) -> dict[str, nn.Module]:
    """The networks of a SPADE by their names for them, less those that it has not."""
    modules = {"G": "g.generator", "D": "d", "E": "g.encoder"}
    known = dict(method.named_modules())
    return {name: known[ours] for name, ours in modules.items() if ours in known}


def state_dicts(method: Method) -> dict[str, Mapping[str, Any]]:
    """The files that hold `method`, less those of parts that it has not.

    Raises ModelError for what their files do not show, where it is not as published.
    """
    parts = held(method)
    if isinstance(generator := parts.get("G"), SpatialGenerator):
        _, seen = recognise(state_dict(generator))
        if DOUBLED[seen["upsampling"]] != generator.doubled:
            raise ModelError(f"G doubles sizes {sum(generator.doubled)} times, which files of SPADE do not show")
        if seen.get("start", generator.first[1:]) != generator.first[1:]:
            height, width = generator.first[1:]
            raise ModelError(f"G's first features are {width}x{height} pixels, which files of SPADE do not show")
    return {f"latest_net_{name}.pth": state_dict(part) for name, part in parts.items()}


def network(state: State) -> nn.Module:
    """The network that `state` belongs to, with its weights in their own precision.

    Raises ModelError when it is none of `FAMILIES`, or when a tensor is missing, left over or of another shape.
    """
    state = normalised(state)
    kind, options = recognise(state)
    built = states.blank(kind, options)
    states.check(state, parted(built, built.state_dict()), kind.__name__, FAMILIES)
    loaded: dict[str, list[Tensor]] = {}
    for theirs, (ours, _) in places(built).items():
        loaded.setdefault(ours, []).append(state[theirs])
    whole = {ours: halves[0].clone() if len(halves) == 1 else torch.cat(halves) for ours, halves in loaded.items()}
    built.load_state_dict(whole, assign=True)
    return built


def normalised(state: State) -> dict[str, Tensor]:
    """`state` without wrappers, and with the counters of batch norms, which synchronised ones lack."""
    clean = states.bare(state)
    for key in [key for key in clean if key.endswith(".running_mean")]:
        clean.setdefault(f"{key.removesuffix('running_mean')}num_batches_tracked", torch.tensor(0))
    return clean


def recognise(state: State) -> tuple[type[nn.Module], dict[str, Any]]:
    """Which network has these keys, and the options that build it."""
    shapes = {re.sub(r"\.weight(_orig)?$", "", key): tensor.shape for key, tensor in state.items()}
    spectral = {"spectral": any(key.endswith("_orig") for key in state)}
    known = {"discriminator_0.model0.0": discriminator, "layer1.0": encoder, "head_0.norm_0.mlp_shared.0": generator}
    for key, options in known.items():
        if len(shapes.get(key, ())) == 4:
            try:
                kind, seen = options(shapes)
            except (KeyError, ValueError) as error:
                raise states.Unlike(f"this resembles a network of SPADE, but {error} is missing or odd", 1) from None
            return kind, seen | spectral
    raise states.unknown(state, FAMILIES)


Shapes = Mapping[str, torch.Size]


def discriminator(shapes: Shapes) -> tuple[type[nn.Module], dict[str, Any]]:
    width, channels = shapes["discriminator_0.model0.0"][:2]
    scales = states.count(shapes, r"discriminator_\d+\.model0\.0")
    layers = states.count(shapes, r"discriminator_0\.model\d+(\.0)+") - 1
    return MultiScaleFeatures, {"channels": channels, "scales": scales, "layers": layers, "width": width, "bias": False}


def encoder(shapes: Shapes) -> tuple[type[nn.Module], dict[str, Any]]:
    width, channels = shapes["layer1.0"][:2]
    return ImageEncoder, {"channels": channels, "code": shapes["fc_mu"][0], "width": width}


def generator(shapes: Shapes) -> tuple[type[nn.Module], dict[str, Any]]:
    hidden, classes, kernel, _ = shapes["head_0.norm_0.mlp_shared.0"]
    options: dict[str, Any] = {"classes": classes, "hidden": hidden, "kernel": kernel}
    options["channels"] = shapes["conv_img"][0]
    options["width"] = shapes["head_0.conv_0"][0] // STARTING
    options["upsampling"] = "most" if "up_4.conv_0" in shapes else "more" if classes == CITYSCAPES else "normal"
    options["norm"] = "batch" if "head_0.norm_0.param_free_norm.running_mean" in shapes else "instance"
    if len(shapes["fc"]) == 2:
        pixels = shapes["fc"][0] // shapes["head_0.conv_0"][0]
        height = isqrt(pixels) if isqrt(pixels) ** 2 == pixels else isqrt(pixels // 2)
        options |= {"code": shapes["fc"][1], "start": (height, pixels // max(1, height))}
    return SpatialGenerator, options


def part_options(network: nn.Module) -> dict[str, Any]:
    """What a network says of the options of the SPADE that it is part of; `pair`: channels of what D sees."""
    _, seen = recognise(state_dict(network))
    match network:
        case SpatialGenerator():
            height, width = seen.pop("start", (0, 0))
            options = {"source_channels": seen.pop("classes"), "target_channels": seen.pop("channels")}
            if code := seen.pop("code", 0):
                options |= {"style_channels": code, "start_height": height, "start_width": width}
            return options | {"encoder": bool(code)} | seen
        case ImageEncoder():
            options = {"target_channels": seen.pop("channels"), "style_channels": seen.pop("code")}
            return options | {"encoder": True} | seen
    options = {"pair": seen["channels"], "scales": seen["scales"]}
    return options | {f"discriminator_{name}": seen[name] for name in ("layers", "width", "spectral")}


def state_dict(network: nn.Module) -> dict[str, Tensor]:
    """The weights of `network` under their keys and in their order: what `network` reads, bit for bit."""
    return {key: tensor.cpu().contiguous() for key, tensor in parted(network, network.state_dict()).items()}


def parted(network: nn.Module, ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by our keys, such as weights or gradients of `network`, as views under theirs and in their order."""
    found = {key: (ours[name], half) for key, (name, half) in places(network).items() if name in ours}
    return {key: tensor if half is None else tensor.chunk(2)[half] for key, (tensor, half) in found.items()}


def places(network: nn.Module) -> dict[str, Place]:
    """Where each of their tensors is in `network`, in their order."""
    found: dict[str, Place] = {}
    known = dict(network.named_modules())
    for ours, theirs in layers(network):
        match known[ours]:
            case SpatialNorm() as norm:
                found |= spatial_norm(norm, ours, theirs)
            case layer:
                found |= leaves(layer, ours, theirs)
    return found


def leaves(layer: nn.Module, ours: str, theirs: str) -> dict[str, Place]:
    """The tensors of a convolution or a linear layer."""
    bounded = isinstance(layer, SpectralNormConv2d)
    names = {"bias": "bias", "weight": "weight_orig", "u": "weight_u", "v": "weight_v"} if bounded else {}
    names = names or {"weight": "weight", "bias": "bias"}
    return {f"{theirs}.{name}": (f"{ours}.{leaf}", None) for leaf, name in names.items() if leaf in layer.state_dict()}


def spatial_norm(norm: SpatialNorm, ours: str, theirs: str) -> dict[str, Place]:
    """One convolution of ours makes what two of theirs do."""
    statistics = list(norm.norm.state_dict()) if isinstance(norm.norm, BatchNorm) else []
    found: dict[str, Place] = {f"{theirs}.param_free_norm.{name}": (f"{ours}.norm.{name}", None) for name in statistics}
    found |= leaves(norm.shared, f"{ours}.shared", f"{theirs}.mlp_shared.0")
    for half, name in enumerate(("mlp_gamma", "mlp_beta")):
        found |= {f"{theirs}.{name}.{leaf}": (f"{ours}.modulation.{leaf}", half) for leaf in ("weight", "bias")}
    return found


def layers(network: nn.Module) -> Iterator[tuple[str, str]]:
    """Our layers and theirs, in their order."""
    match network:
        case SpatialGenerator():
            yield "start", "fc"
            for i in range(len(network.blocks)):
                learned = network.get_submodule(f"blocks.{i}").conv_shortcut is not None
                yield from residual(f"blocks.{i}", BLOCKS[i], learned=learned)
            yield "head", "conv_img"
        case MultiScaleFeatures():
            for scale, stages in enumerate(network.networks):
                logits = len(list(stages.children())) - 1
                for i in range(logits + 1):
                    inner = ".0" if 0 < i < logits else ""
                    yield f"networks.{scale}.{i}.0", f"discriminator_{scale}.model{i}.0{inner}"
        case ImageEncoder():
            yield from ((f"downs.{i}.0", f"layer{i + 1}.0") for i in range(len(network.downs)))
            yield from (("mean", "fc_mu"), ("log_variance", "fc_var"))
        case _:
            raise states.without_like(network, FAMILIES)


def residual(ours: str, theirs: str, *, learned: bool) -> Iterator[tuple[str, str]]:
    names = {"1": "0", "2": "1"} | ({"_shortcut": "s"} if learned else {})
    return ((f"{ours}.{kind}{name}", f"{theirs}.{kind}_{names[name]}") for kind in ("conv", "norm") for name in names)
