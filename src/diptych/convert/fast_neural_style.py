"""Generators of pytorch/examples' fast_neural_style, recognised by the keys and shapes of a state dict alone.

A file holds one generator, and nothing of the painting. Files from before PyTorch 0.4.1 also have running statistics
of the instance norms, which nothing reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from diptych.convert import states
from diptych.convert.states import State
from diptych.errors import ModelError
from diptych.methods.faststyle import FastStyle
from diptych.methods.method import Method
from diptych.nn.style_net import StyleNet

METHODS: tuple[str, ...] = ("faststyle",)
FILE = "style.pth"
FAMILIES = "of pytorch/examples' fast_neural_style: generators of any width and number of residual blocks"
UNREAD = re.compile(r"in\d+\.(running_(mean|var)|num_batches_tracked)$")
"""Statistics that instance norms had once."""


def networks(content: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The one network of a file. Raises ModelError when it is none of `FAMILIES`."""
    return {"": network(content)}


def assemble(files: Mapping[str, dict[str, nn.Module]]) -> tuple[Method, dict[str, Any], tuple[str, ...]]:
    """The method of one generator. Raises ModelError for several."""
    if len(files) != 1:
        raise ModelError(f"each file of fast_neural_style is a model of its own: give one, not {len(files)}")
    ((_, found),) = files.items()
    _, options = recognise(state_dict(found[""]))
    method = FastStyle(**options, network="none")
    states.load(method, {"g": found[""]})
    return method, {**options, "network": "none"}, ()


def state_dicts(method: Method) -> dict[str, Mapping[str, Any]]:
    """The file that holds `method`."""
    return {FILE: state_dict(method.get_submodule("g"))}


def network(state: State) -> nn.Module:
    """The generator that `state` belongs to, with its weights in their own precision.

    Raises ModelError when it is none of `FAMILIES`, or when a tensor is missing, left over or of another shape.
    """
    state = {key: tensor for key, tensor in states.bare(state).items() if not UNREAD.search(key)}
    return states.filled(states.blank(*recognise(state)), state, names, FAMILIES)


def state_dict(network: nn.Module) -> dict[str, Tensor]:
    """The weights of `network` under their keys and in their order: what `network` reads, bit for bit."""
    return states.renamed(network, names(network))


def recognise(state: State) -> tuple[type[nn.Module], dict[str, Any]]:
    """The generator with these keys, and the options that build it."""
    first, last = (state.get(f"{layer}.conv2d.weight") for layer in ("conv1", "deconv3"))
    if first is None or last is None or first.ndim != 4 or last.ndim != 4:
        raise states.unknown(state, FAMILIES)
    blocks = states.count(state, r"res\d+\.conv1\.conv2d\.weight")
    channels = {"source_channels": first.shape[1], "target_channels": last.shape[0]}
    return StyleNet, {**channels, "width": first.shape[0], "blocks": blocks}


def names(network: nn.Module) -> dict[str, str]:
    """Our key and theirs of every tensor of `network`, in their order. Raises ModelError when theirs has no like."""
    if not isinstance(network, StyleNet):
        raise states.without_like(network, FAMILIES)
    return states.tensor_names(network, layers(len(network.blocks)))


def layers(blocks: int) -> Iterator[tuple[str, str]]:
    """Our layers and theirs: convolutions and norms in turn."""
    for number, ours in enumerate(("stem", "downs.0", "downs.1"), 1):
        yield from ((f"{ours}.0", f"conv{number}.conv2d"), (f"{ours}.1", f"in{number}"))
    for block in range(blocks):
        for number in (1, 2):
            yield f"blocks.{block}.conv{number}", f"res{block + 1}.conv{number}.conv2d"
            yield f"blocks.{block}.norm{number}", f"res{block + 1}.in{number}"
    for number in (1, 2):
        yield from ((f"ups.{number - 1}.0", f"deconv{number}.conv2d"), (f"ups.{number - 1}.1", f"in{number + 3}"))
    yield "head", "deconv3.conv2d"
