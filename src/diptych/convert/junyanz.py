"""Networks of junyanz/pytorch-CycleGAN-and-pix2pix, recognised by the keys and shapes of a state dict alone.

Their networks are flat sequences (U-Net: nested ones) whose keys count the layers without weights too. The norm, the
number of levels and channels, and a ResNet's dropout all leave a trace; a U-Net's dropout leaves none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from torch import Tensor, nn

from diptych.convert import states
from diptych.convert.states import State
from diptych.errors import ModelError
from diptych.methods.cyclegan import CycleGAN
from diptych.methods.method import Method
from diptych.methods.pix2pix import Generator, Pix2Pix
from diptych.nn.discriminators import PatchGAN, PixelGAN
from diptych.nn.generators import AttentiveResNet, ResNet, UNet
from diptych.nn.ops.blur import BlurDown, BlurUp

METHODS: tuple[str, ...] = ("pix2pix", "cyclegan")
FILES: dict[type[Method], dict[str, str]] = {
    Pix2Pix: {"G": "g", "D": "d"},
    CycleGAN: {"G_A": "ab", "G_B": "ba", "D_A": "d_b", "D_B": "d_a"},  # their D_A sees what G_A makes
}
"""Their names for our parts."""
BACK = ("_B", "_BA", "_B2A")
"""How the names of the networks end that translate from b to a, and of their discriminators."""

FAMILIES = (
    "of junyanz/pytorch-CycleGAN-and-pix2pix: U-Net generators (unet_32 to unet_512), ResNet generators "
    "(resnet_6blocks, resnet_9blocks), PatchGAN (basic, n_layers) and pixel discriminators, each of any width, with "
    "batch or instance norm"
)


def networks(content: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The one network of a file. Raises ModelError when it is none of `FAMILIES`."""
    return {"": network(content)}


def assemble(files: Mapping[str, dict[str, nn.Module]]) -> tuple[Method, dict[str, Any], tuple[str, ...]]:
    """pix2pix from a generator and perhaps its discriminator, or CycleGAN from one to four of its networks.

    CycleGAN's are ResNets whose file says so (`..._G_A`), or that come with discriminators of single pictures; a
    ResNet without either is taken to be pix2pix's. The method holds only what the files brought.
    """
    networks = {stem: found[""] for stem, found in files.items()}
    generators = [network for network in networks.values() if isinstance(network, UNet | ResNet)]
    discriminators = [network for network in networks.values() if not isinstance(network, UNet | ResNet)]
    method: Method
    if unpaired(networks):
        parts = roles(networks)
        method, options = cyclegan(parts)
    elif len(generators) == 1 and len(discriminators) <= 1:
        if not discriminators:
            refuse_codes(generators[0])
        parts = dict(zip(("g", "d"), generators + discriminators, strict=False))
        method, options = pix2pix(**parts)
    else:
        raise ModelError(
            f"give pix2pix's generator and perhaps its discriminator; or CycleGAN's networks, in files whose names end "
            f"in G_A, G_B, D_A, D_B: these {len(networks)} files hold {len(generators)} generators and "
            f"{len(discriminators)} discriminators"
        )
    states.keep(method, parts)
    return method, options, tuple(name for name in method.keep if name not in parts)


def refuse_codes(generator: nn.Module) -> None:
    """Raise ModelError when it may be BicycleGAN's with the code among its inputs, as nothing in its file tells."""
    _, seen = recognise(state_dict(generator))
    if isinstance(generator, UNet) and seen["norm"] == "instance" and seen["source_channels"] not in (1, 3):
        raise ModelError(
            f"this U-Net has {seen['source_channels']} inputs: it may be pix2pix's, or BicycleGAN's whose inputs are a "
            f"picture and a code. Give its companion too: pix2pix's discriminator, or BicycleGAN's encoder, "
            f"latest_net_E.pth"
        )


def state_dicts(method: Method) -> dict[str, Mapping[str, Any]]:
    """The files that hold `method`, by their names, less those of parts that it has not."""
    parts = dict(method.named_children())
    files = FILES[type(method)].items()
    return {f"latest_net_{theirs}.pth": state_dict(parts[ours]) for theirs, ours in files if ours in parts}


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

    A U-Net's dropout cannot be seen. pix2pix trains with dropout and batch norm, CycleGAN with neither, so the norm
    decides. BicycleGAN's U-Net with z at the input and instance norm has the same keys but joins its skips the other
    way round: it cannot be told apart, except that it has more input channels than a picture, and its encoder with it.
    """
    state = states.normalised(state)
    convs = {key.removesuffix(".weight"): tensor.shape for key, tensor in state.items() if tensor.ndim == 4}
    blocks = sum(".conv_block." in name for name in convs) // 2
    head, logits = f"model.{17 + blocks}", f"model.{3 * len(convs) - 4}"
    norm = states.norm_of(state)

    if {"model.model.0", "model.model.3"} <= convs.keys():
        width, source = convs["model.model.0"][:2]
        pictures = {"source_channels": source, "target_channels": convs["model.model.3"][1]}
        return UNet, pictures | {"depth": len(convs) // 2, "width": width, "norm": norm, "dropout": norm == "batch"}
    if blocks and {"model.1", head} <= convs.keys():  # without any it is a feature encoder of pix2pixHD
        width, source = convs["model.1"][:2]
        pictures = {"source_channels": source, "target_channels": convs[head][0]}
        dropout = "model.10.conv_block.6" in convs  # the dropout layer pushes the second convolution from 5 to 6
        return ResNet, pictures | {"blocks": blocks, "width": width, "norm": norm, "dropout": dropout}
    if {"model.0", logits} <= convs.keys():
        width, channels = convs["model.0"][:2]
        return PatchGAN, {"channels": channels, "layers": len(convs) - 2, "width": width, "norm": norm}
    if {"net.0", "net.5"} <= convs.keys():
        width, channels = convs["net.0"][:2]
        return PixelGAN, {"channels": channels, "width": width, "norm": norm}
    raise states.unknown(state, FAMILIES)


def names(network: nn.Module) -> dict[str, str]:
    """Our key and theirs of every tensor of `network`, in their order. Raises ModelError when theirs has no like."""
    states.refuse_normless(network)
    match network:
        case AttentiveResNet():
            raise ModelError("generators with attention make a mask, which none of theirs does")
        case _ if any(isinstance(module, BlurDown | BlurUp) for module in network.modules()):
            raise ModelError("networks that change size by blurring (antialias) would be read as others")
        case UNet():
            layers = unet(network.depth)
        case ResNet():
            layers = resnet(len(network.blocks), dropout=any(block.dropout for block in network.blocks))
        case PatchGAN():
            layers = iter([("model", "model")])
        case PixelGAN():
            layers = iter([("model", "net")])
        case _:
            raise states.without_like(network, FAMILIES)
    return states.tensor_names(network, layers)


def unet(depth: int, after: int = 1) -> Iterator[tuple[str, str]]:
    """Our layers and theirs: each level of theirs holds the next one between its way down and its way up.

    after: how many places the convolution of a way up is behind its activation.
    """
    level = ["model.model", *("model.model.1.model" + ".3.model" * i for i in range(depth - 1))]
    for i in range(depth):
        yield f"downs.{i}.conv", f"{level[i]}.{min(i, 1)}"
        yield f"downs.{i}.norm", f"{level[i]}.2"
    for i in reversed(range(depth)):
        up = (2 if i in (0, depth - 1) else 4) + after
        yield f"ups.{depth - 1 - i}.conv", f"{level[i]}.{up}"
        yield f"ups.{depth - 1 - i}.norm", f"{level[i]}.{up + 1}"


def resnet(blocks: int, *, dropout: bool) -> Iterator[tuple[str, str]]:
    """Our layers and theirs: one flat sequence, in which paddings, activations and dropout count too."""
    second = 6 if dropout else 5

    def layer(ours: str, index: int) -> list[tuple[str, str]]:
        return [(f"{ours}.{i}", f"model.{index + i}") for i in (0, 1)]

    yield from layer("stem", 1) + layer("downs.0", 4) + layer("downs.1", 7)
    for i in range(blocks):
        block = {"conv1": 1, "norm1": 2, "conv2": second, "norm2": second + 1}
        yield from ((f"blocks.{i}.{ours}", f"model.{10 + i}.conv_block.{j}") for ours, j in block.items())
    yield from layer("ups.0", 10 + blocks) + layer("ups.1", 13 + blocks)
    yield "head", f"model.{17 + blocks}"


def unpaired(networks: Mapping[str, nn.Module]) -> bool:
    """Whether networks, by the stems of their files, are CycleGAN's and not pix2pix's."""
    resnets = [stem for stem, network in networks.items() if isinstance(network, ResNet)]
    if any(stem.endswith(("_A", "_AB", "_A2B", *BACK)) for stem in resnets):
        return True
    patches = [network for network in networks.values() if isinstance(network, PatchGAN)]
    if len(resnets) != 1 or not patches:
        return False
    seen = recognise(state_dict(networks[resnets[0]]))[1]
    channels = [recognise(state_dict(patch))[1]["channels"] for patch in patches]
    return all(count in (seen["source_channels"], seen["target_channels"]) for count in channels)


def roles(networks: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """CycleGAN's parts, by the stems of their files: ab and d_b unless they end as in `BACK`.

    Raises ModelError when two are taken for one.
    """
    parts: dict[str, nn.Module] = {}
    for stem, network in networks.items():
        kind = "G" if isinstance(network, UNet | ResNet) else "D"
        theirs = f"{kind}_{'B' if stem.endswith(BACK) else 'A'}"
        part = FILES[CycleGAN][theirs]
        if part in parts:
            raise ModelError(f"two files are taken for {theirs}: let their names end in {kind}_A and {kind}_B")
        parts[part] = network
    return parts


def cyclegan(parts: Mapping[str, nn.Module], **chosen: Any) -> tuple[CycleGAN, dict[str, Any]]:
    """CycleGAN with these weights, by our names, and the options that build it; parts that are missing are fresh.

    chosen: options of CycleGAN that no file shows (gan, cycle_a, ...). Raises ModelError when the networks do not
    belong together.
    """
    options = states.joint((part, part_options(part, network)) for part, network in parts.items())
    method = CycleGAN(**options | chosen)
    states.load(method, parts)
    return method, options | chosen


def part_options(part: str, network: nn.Module) -> dict[str, Any]:
    """What a network says of the options of the CycleGAN that it is this part of."""
    kind, seen = recognise(state_dict(network))
    if kind not in (ResNet, PatchGAN):
        raise ModelError(f"{part} is a {kind.__name__}; CycleGAN is made of ResNets and PatchGANs")
    if kind is PatchGAN:
        renamed = {"channels": f"{part[-1]}_channels", "layers": "discriminator_layers", "width": "discriminator_width"}
    else:
        renamed = {"source_channels": f"{part[0]}_channels", "target_channels": f"{part[1]}_channels"}
    return {renamed.get(name, name): value for name, value in seen.items()}


def pix2pix(g: nn.Module, d: nn.Module | None = None, **chosen: Any) -> tuple[Pix2Pix, dict[str, Any]]:
    """pix2pix with these weights, and the options that build it; without a discriminator it gets a fresh one.

    In use it does what their `test.py` does unless told `--eval`: the picture's own statistics, and dropout on.
    chosen: options of Pix2Pix that no file shows (gan, l1, a U-Net's dropout), or where another choice is wanted.

    Raises ModelError when the two networks do not belong together.
    """
    options = generator_options(g)
    if d:
        options |= discriminator_options(d, options)
    method = Pix2Pix(**options | chosen)
    states.load(method, {"g": g, "d": d} if d else {"g": g})
    return method, options | chosen


def generator_options(generator: nn.Module) -> dict[str, Any]:
    kind, options = recognise(state_dict(generator))
    name = f"unet_{2 ** options.pop('depth')}" if kind is UNet else f"resnet_{options.pop('blocks')}blocks"
    if name not in get_args(Generator):
        raise ModelError(f"the generator is a {name}; pix2pix has {', '.join(get_args(Generator))}")
    return options | {"generator": name, "test_statistics": "batch", "test_dropout": options["dropout"]}


def discriminator_options(discriminator: nn.Module, options: Mapping[str, Any]) -> dict[str, Any]:
    """Pix2Pix's options for this discriminator of a generator with `options`."""
    kind, seen = recognise(state_dict(discriminator))
    source, target = options["source_channels"], options["target_channels"]
    if seen["channels"] != source + target:
        raise ModelError(
            f"the discriminator takes {seen['channels']} channels, but pix2pix's takes source and target together, "
            f"{source} + {target}. One that sees the target alone is CycleGAN's: leave its file out"
        )
    if seen["norm"] != options["norm"]:
        raise ModelError(
            f"the generator has {options['norm']} norm, the discriminator {seen['norm']}: not one training's"
        )
    layers = {"discriminator": "patch", "discriminator_layers": seen["layers"]} if kind is PatchGAN else {}
    return {"discriminator": "pixel", "discriminator_width": seen["width"]} | layers
