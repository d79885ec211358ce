"""Networks of NVIDIA/pix2pixHD, recognised by the keys and shapes of a state dict alone.

A global generator there is CycleGAN's ResNet with more halvings and with a bias before every norm; with two halvings
and instance norm nothing tells them apart. The networks of a discriminator are counted from the smallest size, as ours
are. Statistics of features are no part of a checkpoint: a model that is read has none, and one written loses them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from diptych.convert import states
from diptych.convert.states import State
from diptych.errors import ModelError
from diptych.methods.method import Method
from diptych.methods.pix2pixhd import Pix2PixHD
from diptych.nn.coarse_to_fine import CoarseToFine, GlobalGenerator
from diptych.nn.multiscale import MultiScaleFeatures

METHODS: tuple[str, ...] = ("pix2pixhd",)
FILES = {"g": "latest_net_G.pth", "d": "latest_net_D.pth", "e": "latest_net_E.pth"}
"""Their names for our parts."""
FAMILIES = (
    "of NVIDIA/pix2pixHD: global generators, alone or with local enhancers, discriminators of several scales, with or "
    "without features, and feature encoders, of any width and depth, with instance or batch norm"
)


def networks(content: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The one network of a file. Raises ModelError when it is none of `FAMILIES`."""
    return {"": network(content)}


def assemble(files: Mapping[str, dict[str, nn.Module]]) -> tuple[Method, dict[str, Any], tuple[str, ...]]:
    """pix2pixHD from a generator and perhaps its discriminator and encoder, whatever their files are called.

    The method holds only what the files brought. Raises ModelError when they do not belong together.
    """
    kinds = {CoarseToFine: "g", MultiScaleFeatures: "d", GlobalGenerator: "e"}
    parts: dict[str, nn.Module] = {}
    for found in (found[""] for found in files.values()):
        part = kinds[type(found)]
        if part in parts:
            raise ModelError(f"two files are taken for {FILES[part]}: give those of one model")
        parts[part] = found
    if "g" not in parts:
        raise ModelError("there is no generator among the files: give latest_net_G.pth too")
    options = joint_options(parts)
    method = Pix2PixHD(**options)
    states.keep(method, parts)
    states.load(method, {"e.network" if part == "e" else part: found for part, found in parts.items()})
    return method, options, ()


def joint_options(parts: Mapping[str, nn.Module]) -> dict[str, Any]:
    """The options of the pix2pixHD with these parts. Raises ModelError when they do not belong together."""
    seen = {part: recognise(state_dict(network))[1] for part, network in parts.items()}
    options, norms = seen["g"], {one["norm"] for one in seen.values()}
    if len(norms) > 1:
        raise ModelError("not one training's: some networks have batch norm, the others instance norm")
    if "e" in seen:
        e = seen["e"]
        options["source_channels"] -= e["target_channels"]
        options |= {"encoder": True, "encoder_channels": e["target_channels"]}
        options |= {f"encoder_{name}": e[name] for name in ("width", "downs")}
        if e["source_channels"] != options["target_channels"] or options["source_channels"] < 1:
            raise ModelError("not one training's: the encoder's channels are not those of the generator")
    if "d" in seen:
        d = seen["d"]
        shown = d["channels"] - options["target_channels"]
        if 0 < shown < options["source_channels"]:
            raise ModelError(
                f"the generator sees {options['source_channels'] - shown} channels that the discriminator does not: "
                f"features, for which the encoder's file is missing; give latest_net_E.pth too"
            )
        if shown != options["source_channels"]:
            raise ModelError(
                f"not one training's: the discriminator takes {d['channels']} channels, the generator has "
                f"{options['source_channels']} + {options['target_channels']}"
            )
        options |= {"scales": d["scales"], "discriminator_layers": d["layers"] - 1, "discriminator_width": d["width"]}
        options |= {} if d["features"] else {"features": 0.0}
    return options


def state_dicts(method: Method) -> dict[str, Mapping[str, Any]]:
    """The files that hold `method`, by their names, less those of parts that it has not."""
    parts = {name: part.get_submodule("network") if name == "e" else part for name, part in method.named_children()}
    return {FILES[part]: state_dict(parts[part]) for part in FILES if part in parts}


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
    """Which network has these keys, and the options that build it; a GlobalGenerator without blocks is an encoder."""
    state = states.normalised(state)
    convs = {key.removesuffix(".weight"): x.shape for key, x in state.items() if key.endswith(".weight") and x.ndim > 1}
    norm = states.norm_of(state)
    for first, stages, scales in (
        ("scale0_layer0.0", r"scale0_layer\d+\.0", r"scale\d+_layer0\.0"),
        ("layer0.0", r"layer0\.\d+", r"layer\d+\.0"),
    ):
        if len(convs.get(first, ())) == 4:
            width, channels = convs[first][:2]
            options: dict[str, Any] = {
                "channels": channels,
                "scales": states.count(convs, scales),
                "layers": states.count(convs, stages) - 1,
                "smallest_first": True,
            }
            return MultiScaleFeatures, options | {"width": width, "norm": norm, "features": first != "layer0.0"}
    head, options = generator(convs)
    if {"model.1", head} <= convs.keys():
        width, source = convs["model.1"][:2]
        options |= {"source_channels": source, "target_channels": convs[head][0], "width": width, "norm": norm}
        return CoarseToFine if options["blocks"] else GlobalGenerator, options
    raise states.unknown(state, FAMILIES)


def generator(convs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Where the last convolution of a generator with these has to be, and what their number says."""
    blocks, enhancers = states.count(convs, r"model\.\d+\.conv_block\.1"), states.count(convs, r"model\d+_1\.1")
    downs = (states.count(convs, r"model\.\d+") - (1 if enhancers else 2)) // 2
    options = {"downs": downs, "blocks": blocks}
    if not enhancers:
        return f"model.{6 * downs + blocks + 5}", options | ({"enhancers": 0} if blocks else {})
    inner = states.count(convs, r"model1_2\.\d+\.conv_block\.1")
    return f"model{enhancers}_2.{inner + 4}", options | {"enhancers": enhancers, "enhancer_blocks": inner}


def names(network: nn.Module) -> dict[str, str]:
    """Our key and theirs of every tensor of `network`, in their order. Raises ModelError when theirs has no like."""
    return states.tensor_names(network, layers(network))


def layers(network: nn.Module) -> Iterator[tuple[str, str]]:
    """Our layers and theirs, in their order."""
    match network:
        case CoarseToFine():
            yield from resnet(network.base, "base.", "model", "model")
            for i, enhancer in enumerate(network.enhancers):
                assert isinstance(enhancer, GlobalGenerator)
                yield from resnet(enhancer, f"enhancers.{i}.", f"model{i + 1}_1", f"model{i + 1}_2")
        case GlobalGenerator():
            yield from resnet(network, "", "model", "model")
        case MultiScaleFeatures():
            for scale, stages in enumerate(network.networks):
                place = 0  # theirs of the stage, in a flat sequence
                for level, stage in enumerate(stages.children()):
                    for i, layer in enumerate(stage.children()):
                        flat, staged = f"layer{scale}.{place + i}", f"scale{scale}_layer{level}.{i}"
                        if layer.state_dict():
                            yield f"networks.{scale}.{level}.{i}", staged if network.features else flat
                    place += len(list(stage.children()))
        case _:
            raise states.without_like(network, FAMILIES)


def resnet(network: GlobalGenerator, ours: str, first: str, second: str) -> Iterator[tuple[str, str]]:
    """A generator's layers and theirs, of which an enhancer's lie in two sequences: paddings, activations count too."""

    def layer(name: str, place: str, index: int) -> list[tuple[str, str]]:
        return [(f"{ours}{name}.{i}", f"{place}.{index + i}") for i in (0, 1)]

    index = 1
    for name in ("stem", *(f"downs.{i}" for i in range(len(network.downs)))):
        yield from layer(name, first, index)
        index += 3
    index = index if second == first else 0
    for i in range(len(network.blocks)):
        block = {"conv1": 1, "norm1": 2, "conv2": 5, "norm2": 6}
        yield from ((f"{ours}blocks.{i}.{part}", f"{second}.{index}.conv_block.{j}") for part, j in block.items())
        index += 1
    for i in range(len(network.ups)):
        yield from layer(f"ups.{i}", second, index)
        index += 3
    if network.head is not None:
        yield f"{ours}head", f"{second}.{index + 1}"
