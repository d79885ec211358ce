"""Networks of mingyuliutw/UNIT and NVlabs/MUNIT, recognised by the keys and shapes of a state dict alone.

Both projects have one layout: a file gen_*.pt of two generators and a file dis_*.pt of two discriminators, each a dict
of the state dicts `a` and `b`. Padding, activation, and an instance norm of the discriminators leave no trace in it,
being said in the project's configuration; they are taken to be the published ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from diptych.convert import states
from diptych.convert.states import State
from diptych.errors import ModelError
from diptych.methods import munit, unit
from diptych.methods.method import Method
from diptych.methods.munit import MUNIT
from diptych.methods.unit import UNIT
from diptych.nn.decoders import Decoder
from diptych.nn.encoders import ContentEncoder, StyleEncoder
from diptych.nn.multiscale import MultiScale
from diptych.nn.norms import InstanceNorm, LayerNorm, SpectralConv2d

METHODS: tuple[str, ...] = ("unit", "munit")
FAMILIES = (
    "of mingyuliutw/UNIT and NVlabs/MUNIT: files gen_*.pt and dis_*.pt of auto-encoders (VAEGen, AdaINGen) and "
    "discriminators of several scales (MsImageDis, without norm or with sn), of any width and depth"
)
PARTS = {"gen_00000000.pt": {"a": "a", "b": "b"}, "dis_00000000.pt": {"a": "d_a", "b": "d_b"}}
"""Their files of a training that has not begun, and our names for the parts in them."""

LEAVES: dict[type[nn.Module], dict[str, str]] = {
    LayerNorm: {"weight": "gamma", "bias": "beta"},
    SpectralConv2d: {
        "bias": "module.bias",
        "u": "module.weight_u",
        "v": "module.weight_v",
        "weight": "module.weight_bar",
    },
}
"""Our names and theirs for the tensors of a layer, where they differ."""

UNREAD = re.compile(r"\.norm\.(running_mean|running_var|num_batches_tracked)$")
"""What instance norms had in the early releases, and adaptive ones have in all; nothing reads it."""
STATISTICS = "decoder.style.statistics"
"""Our key for what the adaptive ones have."""


def networks(content: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The networks `a` and `b` of a file, or `""` when it is but one of their state dicts.

    Raises ModelError when one is none of `FAMILIES`.
    """
    if all(isinstance(value, Tensor) for value in content.values()):
        return {"": network(content)}
    if set(content) != {"a", "b"}:
        raise ModelError(f"a file of UNIT or MUNIT holds a and b, this one {', '.join(content)}")
    return {domain: network(state) for domain, state in content.items()}


def assemble(files: Mapping[str, dict[str, nn.Module]]) -> tuple[Method, dict[str, Any], tuple[str, ...]]:
    """UNIT or MUNIT from a file of generators and perhaps one of discriminators, whatever they are called.

    Raises ModelError when they do not belong together.
    """
    parts: dict[str, nn.Module] = {}
    for domain, found in ((domain, found) for each in files.values() for domain, found in each.items()):
        part = f"d_{domain}" if isinstance(found, MultiScale) else domain
        if part in parts:
            raise ModelError("give one file of generators, and perhaps one of discriminators: these are more")
        parts[part] = found
    if not {"a", "b"} <= parts.keys():
        raise ModelError("both ways need the generators of both domains: give the file gen_*.pt, which has a and b")
    options = states.joint((part, part_options(part, found)) for part, found in parts.items())
    if type(parts["a"]) is not type(parts["b"]):
        raise ModelError("not one training's: one generator is UNIT's, the other MUNIT's")
    method = UNIT(**options) if isinstance(parts["a"], unit.AutoEncoder) else MUNIT(**options)
    states.keep(method, parts)
    states.load(method, parts)
    return method, options, ()


def state_dicts(method: Method) -> dict[str, Mapping[str, Any]]:
    """The files that hold `method`, less those of parts that it has not.

    Raises ModelError for what their files do not show, where it is not as published.
    """
    parts = dict(method.named_children())
    files = {file: ours for file, ours in PARTS.items() if set(ours.values()) <= parts.keys()}
    for part in (part for ours in files.values() for part in ours.values()):
        refuse_unpublished(part, parts[part])
    return {file: {name: state_dict(parts[part]) for name, part in ours.items()} for file, ours in files.items()}


def refuse_unpublished(part: str, network: nn.Module) -> None:
    """Raise ModelError where `network` would be read as another one, of which their files hold the same."""
    modules = list(network.modules())
    pads = {module.padding_mode for module in modules if isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1}
    wrong = [f"{pad} for padding" for pad in pads - {"reflect"}]
    if isinstance(network, MultiScale):
        wrong += ["instance norm" for module in modules if isinstance(module, InstanceNorm)]
    else:
        wrong += ["leaky ReLUs" for module in modules if isinstance(module, nn.LeakyReLU)]
    if wrong:
        raise ModelError(f"{part} has {wrong[0]}, which files of UNIT and MUNIT do not tell from what is published")


def network(state: State) -> nn.Module:
    """The network that `state` belongs to, with its weights in their own precision.

    Raises ModelError when it is none of `FAMILIES`, or when a tensor is missing, left over or of another shape.
    """
    state = states.bare(state)
    kind, options = recognise(state)
    built = states.blank(kind, options)
    wanted = tensors(built)
    used = {key: tensor for key, tensor in state.items() if key in wanted or not UNREAD.search(key)}
    states.check(used, wanted, kind.__name__, FAMILIES)
    loaded = {ours: used[theirs].clone() for ours, theirs in names(built).items()}
    if isinstance(built, munit.AutoEncoder):
        stacked = torch.stack([used[key] for key in statistics(built)])
        loaded[STATISTICS] = stacked.view_as(built.state_dict()[STATISTICS])
    built.load_state_dict(loaded, assign=True)
    return built


def recognise(state: State) -> tuple[type[nn.Module], dict[str, Any]]:
    """Which network has these keys, and the options that build it."""
    shapes = {key.removesuffix(".weight"): tensor.shape for key, tensor in state.items()}
    known = {"cnns.0.0.conv": MultiScale, "enc.model.0.conv": unit.AutoEncoder, "mlp.model.0.fc": munit.AutoEncoder}
    kind = next((kind for key, kind in known.items() if len(shapes.get(key, ())) > 1), None)
    if kind is MultiScale:
        width, channels = shapes["cnns.0.0.conv"][:2]
        scales, layers = (
            states.count(shapes, r"cnns\.\d+\.0\.conv"),
            states.count(shapes, r"cnns\.0\.\d+\.conv(\.module)?\.bias"),
        )
        norm = "spectral" if any(key.endswith(".weight_bar") for key in shapes) else "none"
        return kind, {"channels": channels, "scales": scales, "layers": layers, "width": width, "norm": norm}
    encoder = "enc" if kind is unit.AutoEncoder else "enc_content"
    if kind and len(shapes.get(f"{encoder}.model.0.conv", ())) > 1:
        width, channels = shapes[f"{encoder}.model.0.conv"][:2]
        options = {
            "channels": channels,
            "width": width,
            "downs": states.count(shapes, rf"{encoder}\.model\.\d+\.conv") - 1,
        }
        options["blocks"] = states.count(shapes, rf"{encoder}\.model\.\d+\.model\.\d+\.model\.0\.conv")
        style = dict(zip(("hidden", "style_channels"), shapes.get("mlp.model.0.fc", ()), strict=False))
        return kind, options | style
    raise states.unknown(state, FAMILIES)


def state_dict(network: nn.Module) -> dict[str, Tensor]:
    """The weights of `network` under their keys and in their order: what `network` reads, bit for bit."""
    return {key: tensor.cpu().contiguous() for key, tensor in tensors(network).items()}


def tensors(network: nn.Module) -> dict[str, Tensor]:
    """As `state_dict`, but the tensors are those of the network, where they lie."""
    unread: dict[str, Tensor] = {}
    theirs: dict[str, Tensor] = {}
    ours = network.state_dict()
    if isinstance(network, munit.AutoEncoder):
        unread = dict(zip(statistics(network), ours[STATISTICS].flatten(0, 2), strict=True))
    for key, name in names(network).items():
        norm = name.removesuffix("conv.weight") + "norm."
        theirs |= {statistic: tensor for statistic, tensor in unread.items() if statistic.startswith(norm)}
        theirs[name] = ours[key]
    return theirs


def statistics(network: munit.AutoEncoder) -> list[str]:
    """Their keys of what is `STATISTICS` here, in our order."""
    norms = product(range(len(network.decoder.blocks)), range(2), ("mean", "var"))
    return [f"dec.model.0.model.{block}.model.{norm}.norm.running_{kind}" for block, norm, kind in norms]


def names(network: nn.Module) -> dict[str, str]:
    """Our key and theirs of every tensor of `network` but `STATISTICS`, in their order."""
    keys: dict[str, str] = {}
    for ours, theirs in layers(network):
        leaves = LEAVES.get(type(network.get_submodule(ours)), {"weight": "weight", "bias": "bias"})
        keys |= {f"{ours}.{leaf}": f"{theirs}.{name}" for leaf, name in leaves.items()}
    return keys


def layers(network: nn.Module) -> Iterator[tuple[str, str]]:
    """Our layers and theirs, in their order."""
    match network:
        case unit.AutoEncoder():
            yield from encoder(network.encoder, "encoder", "enc")
            yield from decoder(network.decoder)
        case munit.AutoEncoder():
            yield from encoder(network.style, "style", "enc_style")
            yield "style.head", "enc_style.model.6"
            yield from encoder(network.content, "content", "enc_content")
            yield from decoder(network.decoder)
            yield from ((f"decoder.style.layers.{2 * i}", f"mlp.model.{i}.fc") for i in range(3))
        case MultiScale():
            for name, module in network.named_modules():
                if isinstance(module, nn.Conv2d):
                    _, scale, layer, *inner = name.split(".")
                    yield name, f"cnns.{scale}.{layer}" + (".conv" if inner else "")
        case _:
            raise states.without_like(network, FAMILIES)


def encoder(network: ContentEncoder | StyleEncoder, ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    downs = len(network.downs)
    yield f"{ours}.stem.0", f"{theirs}.model.0.conv"
    yield from ((f"{ours}.downs.{i}.0", f"{theirs}.model.{i + 1}.conv") for i in range(downs))
    if isinstance(network, ContentEncoder):
        yield from residuals(f"{ours}.blocks", f"{theirs}.model.{downs + 1}.model", len(network.blocks))


def decoder(network: Decoder) -> Iterator[tuple[str, str]]:
    """An index of theirs goes to each upsampling too."""
    ups = len(network.ups)
    yield from residuals("decoder.blocks", "dec.model.0.model", len(network.blocks))
    for i in range(ups):
        yield f"decoder.ups.{i}.1", f"dec.model.{2 * i + 2}.norm"
        yield f"decoder.ups.{i}.0", f"dec.model.{2 * i + 2}.conv"
    yield "decoder.head", f"dec.model.{2 * ups + 1}.conv"


def residuals(ours: str, theirs: str, blocks: int) -> Iterator[tuple[str, str]]:
    return ((f"{ours}.{i}.conv{j + 1}", f"{theirs}.{i}.model.{j}.conv") for i in range(blocks) for j in (0, 1))


def part_options(part: str, network: nn.Module) -> dict[str, Any]:
    """What a network says of the options of the UNIT or MUNIT that it is this part of."""
    _, seen = recognise(state_dict(network))
    channels = {f"{part[-1]}_channels": seen.pop("channels")}
    if isinstance(network, MultiScale):
        return channels | {name if name == "scales" else f"discriminator_{name}": seen[name] for name in seen}
    return channels | seen
