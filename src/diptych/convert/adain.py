"""Networks of naoto0804/pytorch-AdaIN, recognised by the keys and shapes of a state dict alone.

Both are flat sequences whose keys count paddings, activations and poolings too. Of the encoder, VGG-19 with scaled
weights, nothing after relu4_1 is used: it is left out, and the file is not written back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from diptych.convert import states
from diptych.convert.states import State
from diptych.errors import ModelError
from diptych.methods.adain import AdaIN
from diptych.methods.method import Method
from diptych.nn.adain import VGGDecoder, VGGEncoder

METHODS: tuple[str, ...] = ("adain",)
FAMILIES = "of naoto0804/pytorch-AdaIN: decoder.pth and vgg_normalised.pth"
PLACES: dict[type[nn.Module], tuple[int, ...]] = {
    VGGDecoder: (1, 5, 8, 11, 14, 18, 21, 25, 28),
    VGGEncoder: (2, 5, 9, 12, 16, 19, 22, 25, 29),
}
"""Where the convolutions of `layers` are in their sequences."""
USED = 31
"""Layers of the encoder up to relu4_1."""


def networks(content: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The one network of a file. Raises ModelError when it is none of `FAMILIES`."""
    return {"": network(content)}


def assemble(files: Mapping[str, dict[str, nn.Module]]) -> tuple[Method, dict[str, Any], tuple[str, ...]]:
    """AdaIN from its decoder and its encoder, which knows features otherwise scaled than any other VGG-19's.

    Raises ModelError where one of the two is missing.
    """
    parts = {type(found[""]): found[""] for found in files.values()}
    if len(files) != 2 or parts.keys() != PLACES.keys():
        raise ModelError("a decoder reads the features of its own encoder: give decoder.pth and vgg_normalised.pth")
    options: dict[str, Any] = {"a_channels": 3, "b_channels": 3, "encoder": "vgg19"}
    method = AdaIN(**options)
    method.g.decoder.load_state_dict(parts[VGGDecoder].state_dict())
    method.g.encoder.load_state_dict(parts[VGGEncoder].state_dict())
    return method, options, ()


def state_dicts(method: Method) -> dict[str, Mapping[str, Any]]:
    """The file of the decoder."""
    return {"decoder.pth": state_dict(method.get_submodule("g.decoder"))}


def network(state: State) -> nn.Module:
    """The network that `state` belongs to, with its weights in their own precision.

    Raises ModelError when it is none of `FAMILIES`, or when a tensor is missing, left over or of another shape.
    """
    state = states.normalised(state)
    kind, options = recognise(state)
    if kind is VGGEncoder:
        state = {key: tensor for key, tensor in state.items() if int(key.partition(".")[0]) < USED}
    return states.filled(states.blank(kind, options), state, names, FAMILIES)


def state_dict(network: nn.Module) -> dict[str, Tensor]:
    """The weights of `network` under their keys and in their order: what `network` reads, bit for bit."""
    return states.renamed(network, names(network))


def recognise(state: State) -> tuple[type[nn.Module], dict[str, Any]]:
    """The network with these keys, and the options that build it."""
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items() if key.partition(".")[0].isdigit()}
    if len(shapes) == len(state):
        if shapes.get("1.weight") == (256, 512, 3, 3) and "28.weight" in shapes:
            return VGGDecoder, {"channels": shapes["28.weight"][0]}
        if shapes.get("0.weight") == (3, 3, 1, 1):
            return VGGEncoder, {}
    raise states.unknown(state, FAMILIES)


def names(network: nn.Module) -> dict[str, str]:
    """Our key and theirs of every tensor of `network`, in their order. Raises ModelError when theirs has no like."""
    if type(network) not in PLACES:
        raise states.without_like(network, FAMILIES)
    first = [("first", "0")] if isinstance(network, VGGEncoder) else []
    layers = ((f"layers.{number}", str(place)) for number, place in enumerate(PLACES[type(network)]))
    return states.tensor_names(network, [*first, *layers])
