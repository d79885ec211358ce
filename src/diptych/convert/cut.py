"""Networks of taesungp/contrastive-unpaired-translation, recognised by the keys and shapes of a state dict alone.

CUT's antialiased networks are junyanz's with blurs among their layers, whose constant filters are in the files: they
are verified, and written back. Without antialiasing the networks are junyanz's, key for key, so a file of such a
generator is taken for pix2pix's or CycleGAN's, unless CUT's heads come with it. CUT and FastCUT train differently,
their networks are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from diptych.convert import junyanz, states
from diptych.convert.states import State
from diptych.errors import ModelError
from diptych.methods.cut import CUT
from diptych.methods.method import Method
from diptych.nn.contrastive import PatchHeads
from diptych.nn.discriminators import PatchGAN
from diptych.nn.generators import ResNet
from diptych.nn.ops.blur import BlurDown, BlurUp

METHODS: tuple[str, ...] = ("cut", "fastcut")
FILES = {"g": "latest_net_G.pth", "d": "latest_net_D.pth", "f": "latest_net_F.pth"}
"""Their files of our parts."""

FAMILIES = (
    "of taesungp/contrastive-unpaired-translation: ResNet generators (resnet_6blocks, resnet_9blocks) and PatchGAN "
    "discriminators, antialiased or not, of any width, with batch or instance norm; the heads of its features "
    "(mlp_sample)"
)

BLURS: dict[type[nn.Module], Tensor] = {
    BlurDown: torch.tensor([1.0, 2, 1]) / 4,
    BlurUp: torch.tensor([1.0, 3, 3, 1]) / 4,
}
"""Their kernels for our layers, in each direction."""


def networks(content: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The one network of a file. Raises ModelError when it is none of `FAMILIES`."""
    return {"": network(content)}


def assemble(files: Mapping[str, dict[str, nn.Module]]) -> tuple[Method, dict[str, Any], tuple[str, ...]]:
    """CUT from a generator, perhaps its discriminator and perhaps its heads; it holds only what the files brought."""
    parts: dict[str, nn.Module] = {}
    for found in files.values():
        part = {ResNet: "g", PatchGAN: "d", PatchHeads: "f"}[type(found[""])]
        if part in parts:
            raise ModelError(f"two files hold a {type(found['']).__name__}: give those of one model")
        parts[part] = found[""]
    method, options = cut(parts)
    states.keep(method, parts)
    return method, options, ()


def cut(parts: Mapping[str, nn.Module], **chosen: Any) -> tuple[CUT, dict[str, Any]]:
    """CUT with these weights, by our names, and the options that build it; parts that are missing are fresh.

    chosen: options of CUT that no file shows (nce, identity, ...). Raises ModelError when the networks do not belong
    together, or there is no generator.
    """
    if "g" not in parts:
        raise ModelError("there is no generator among the files: give latest_net_G.pth too")
    options = states.joint((FILES[part], part_options(part, network)) for part, network in parts.items())
    wanted = options.pop("feature_channels", None)
    if options["a_channels"] != options["b_channels"]:
        raise ModelError(
            f"the generator makes pictures of {options['b_channels']} channels of those with {options['a_channels']}; "
            f"CUT's encoder sees both, so they have as many: this one is not CUT's"
        )
    method = CUT(**options | chosen)
    if wanted not in (None, method.g.feature_channels):
        raise ModelError(
            f"the heads are of layers with {wanted} channels; CUT's usual layers, which are all that can be had, have "
            f"{method.g.feature_channels} here: leave the heads' file out"
        )
    states.load(method, parts)
    return method, options | chosen


def part_options(part: str, network: nn.Module) -> dict[str, Any]:
    """What a network says of the options of the CUT that it is this part of."""
    _, seen = recognise(state_dict(network))
    renamed = {
        "g": {"source_channels": "a_channels", "target_channels": "b_channels"},
        "d": {"channels": "b_channels", "layers": "discriminator_layers", "width": "discriminator_width"},
        "f": {"channels": "feature_channels", "width": "heads"},
    }[part]
    plain: dict[str, Any] = {} if part == "f" else {"antialias": False}
    return plain | {renamed.get(name, name): value for name, value in seen.items()}


def state_dicts(method: Method) -> dict[str, Mapping[str, Any]]:
    """The files that hold `method`, by their names, less those of parts that it has not."""
    return {FILES[part]: state_dict(network) for part, network in method.named_children()}


def network(state: State) -> nn.Module:
    """The network that `state` belongs to, with its weights in their own precision.

    Raises ModelError when it is none of `FAMILIES`, when a tensor is missing, left over or of another shape, or when a
    blur is not the published one.
    """
    state = states.normalised(state)
    kind, options = recognise(state)
    built = states.blank(kind, options)
    blurs = filters(built)
    found = {key: state.pop(key) for key in list(state) if key.endswith(".filt")}
    states.check(found, blurs, kind.__name__, FAMILIES)
    if changed := [key for key, kernel in blurs.items() if not torch.equal(found[key].float(), kernel)]:
        raise states.Unlike(
            f"{changed[0]} is not the blur that CUT is published with; with another it cannot be rebuilt", 1
        )
    return states.filled(built, state, names, FAMILIES)


def state_dict(network: nn.Module) -> dict[str, Tensor]:
    """The weights of `network` under their keys and in their order: what `network` reads, bit for bit."""
    kind = next(network.parameters()).dtype
    state = states.renamed(network, names(network)) | {key: kernel.to(kind) for key, kernel in filters(network).items()}
    order = [theirs for _, theirs in layers(network)]
    return dict(sorted(state.items(), key=lambda item: order.index(item[0].rpartition(".")[0])))


def recognise(state: State) -> tuple[type[nn.Module], dict[str, Any]]:
    """Which network has these keys, and the options that build it."""
    state = states.normalised(state)
    weights = {key.removesuffix(".weight"): x.shape for key, x in state.items() if key.endswith(".weight")}
    convs = {name: shape for name, shape in weights.items() if len(shape) == 4}
    blocks = sum(".conv_block." in name for name in convs) // 2
    head, logits = f"model.{21 + blocks}", f"model.{4 * len(convs) - 6}"
    shared = {"norm": states.norm_of(state), "antialias": True}

    if "mlp_0.0" in weights:
        inputs = [weights[f"mlp_{k}.0"] for k in range(len(weights) // 2) if f"mlp_{k}.0" in weights]
        return PatchHeads, {"channels": [shape[1] for shape in inputs], "width": inputs[0][0]}
    if "model.7.filt" in state and {"model.1", head} <= convs.keys():
        width, source = convs["model.1"][:2]
        pictures = {"source_channels": source, "target_channels": convs[head][0]}
        dropout = "model.12.conv_block.6" in convs  # the dropout layer pushes the second convolution from 5 to 6
        return ResNet, pictures | {"blocks": blocks, "width": width, "dropout": dropout} | shared
    if "model.2.filt" in state and {"model.0", logits} <= convs.keys():
        width, channels = convs["model.0"][:2]
        return PatchGAN, {"channels": channels, "layers": len(convs) - 2, "width": width} | shared
    if (plain := junyanz.recognise(state))[0] in (ResNet, PatchGAN):
        return plain
    raise ModelError(f"a {plain[0].__name__} is not among the networks {FAMILIES}")


def names(network: nn.Module) -> dict[str, str]:
    """Our key and theirs of every tensor of `network`, in their order. Raises ModelError when theirs has no like."""
    return states.tensor_names(network, layers(network))


def filters(network: nn.Module) -> dict[str, Tensor]:
    """The blurs of `network` as they are in their files: a kernel for each channel."""
    kernels, channels = {}, 0
    for ours, theirs in layers(network):
        layer = network.get_submodule(ours)
        channels = getattr(layer, "out_channels", channels)
        if (row := BLURS.get(type(layer))) is not None:
            kernels[f"{theirs}.filt"] = torch.outer(row, row).expand(channels, 1, -1, -1).contiguous()
    return kernels


def layers(network: nn.Module) -> Iterator[tuple[str, str]]:
    """Our layers and theirs, in their order."""
    if isinstance(network, PatchHeads):
        return ((f"heads.{k}.{i}", f"mlp_{k}.{i}") for k in range(len(network.heads)) for i in (0, 2))
    states.refuse_normless(network)
    if isinstance(network, PatchGAN):
        return ((f"model.{i}", f"model.{i}") for i in range(len(network.model)))
    if isinstance(network, ResNet):
        dropout = any(block.dropout for block in network.blocks)
        return (antialiased if blurred(network) else junyanz.resnet)(len(network.blocks), dropout=dropout)
    raise states.without_like(network, FAMILIES)


def blurred(network: nn.Module) -> bool:
    return any(isinstance(module, BlurDown) for module in network.modules())


def antialiased(blocks: int, *, dropout: bool) -> Iterator[tuple[str, str]]:
    """The layers of an antialiased ResNet: theirs are one flat sequence, in which layers without weights count too."""
    second = 6 if dropout else 5

    def run(ours: str, indices: tuple[int, ...], first: int) -> list[tuple[str, str]]:
        return [(f"{ours}.{i}", f"model.{first + i}") for i in indices]

    yield from run("stem", (0, 1), 1) + run("downs.0", (0, 1, 3), 4) + run("downs.1", (0, 1, 3), 8)
    for i in range(blocks):
        block = {"conv1": 1, "norm1": 2, "conv2": second, "norm2": second + 1}
        yield from ((f"blocks.{i}.{ours}", f"model.{12 + i}.conv_block.{j}") for ours, j in block.items())
    yield from run("ups.0", (0, 1, 2), 12 + blocks) + run("ups.1", (0, 1, 2), 16 + blocks)
    yield "head", f"model.{21 + blocks}"
