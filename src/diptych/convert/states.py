"""State dicts of other projects: what all layouts share in recognising, reading and writing them."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from diptych.errors import ModelError
from diptych.methods.method import Method
from diptych.nn.hollow import hollow
from diptych.nn.norms import BatchNorm, InstanceNorm

State = Mapping[str, Tensor]
Layers = Iterable[tuple[str, str]]
"""Our layers and theirs, by their names, in their order."""
PARAMETRIZED = {
    r"\.parametrizations\.weight\.original$": ".weight_orig",
    r"\.parametrizations\.weight\.0\._([uv])$": r".weight_\1",
}
"""Keys of a spectral norm by today's torch, and what they were."""


class Unlike(ModelError):
    """A state dict resembles a network but is none. faults: how many of its tensors do not fit."""

    def __init__(self, message: str, faults: int) -> None:
        super().__init__(message)
        self.faults = faults


# Recognising


def normalised(state: State) -> dict[str, Tensor]:
    """`state` as today's version would have saved it.

    Undone are wrappers (see `bare`), the counters that batch norms lacked before PyTorch 0.4.1, and the running
    statistics that instance norms (no weights) had until then, which nothing used. Raises ModelError when `state` holds
    other things than tensors.
    """
    if not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ModelError(f"it is no state dict but holds {', '.join(map(str, list(state)[:5]))}")
    clean = bare(state)
    for layer in [key.removesuffix("running_mean") for key in clean if key.endswith(".running_mean")]:
        if f"{layer}weight" in clean:
            clean.setdefault(f"{layer}num_batches_tracked", torch.tensor(0))
        else:
            for statistic in ("running_mean", "running_var", "num_batches_tracked"):
                clean.pop(layer + statistic, None)
    return clean


def bare(state: State) -> dict[str, Tensor]:
    """`state` with the keys that the network has by itself.

    Undone are `_orig_mod` of torch.compile, the prefix `module` of DataParallel, and the names of
    torch.nn.utils.parametrizations.spectral_norm, which become those of torch.nn.utils.spectral_norm. Counters are
    whole numbers again where all of a file was made half precision, which may hold them no more; nothing needs them.
    """
    clean = {re.sub(r"(^|\.)_orig_mod(?=\.)", "", key).removeprefix("."): tensor for key, tensor in state.items()}
    while clean and all(key.startswith("module.") for key in clean):
        clean = {key.removeprefix("module."): tensor for key, tensor in clean.items()}
    for pattern, old in PARAMETRIZED.items():
        clean = {re.sub(pattern, old, key): tensor for key, tensor in clean.items()}
    for key, counter in clean.items():
        if key.endswith("num_batches_tracked") and isinstance(counter, Tensor):
            clean[key] = counter.nan_to_num(0, 0, 0).long()
    return clean


def norm_of(state: State) -> str:
    """The norm of a network that has one; an instance norm leaves no trace."""
    return "batch" if any(key.endswith(".running_mean") for key in state) else "instance"


def count(names: Iterable[str], pattern: str) -> int:
    """How many of `names` are all of `pattern`."""
    return sum(re.fullmatch(pattern, name) is not None for name in names)


def unknown(state: State, families: str) -> ModelError:
    """The error for a state dict that is none of `families`."""
    some = ", ".join(list(state)[:5])
    return ModelError(f"no known network has these {len(state)} keys: {some} ...; known are those {families}")


def joint(said: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The options of a training by what each of its networks says. Raises ModelError where two contradict."""
    options: dict[str, Any] = {}
    for who, known in said:
        for name, value in known.items():
            if options.setdefault(name, value) != value:
                raise ModelError(
                    f"not one training's: {who} says that {name} is {value}, another that it is {options[name]}"
                )
    return options


# Reading


def check(state: State, wanted: State, kind: str, families: str) -> None:
    """Raise ModelError unless `state` has exactly the keys and shapes of `wanted`."""
    faults = [f"{key} is missing" for key in wanted.keys() - state.keys()]
    faults += [f"{key} is one too many" for key in state.keys() - wanted.keys()]
    for key in wanted.keys() & state.keys():
        ours, theirs = wanted[key], state[key]
        if ours.shape != theirs.shape or ours.is_floating_point() != theirs.is_floating_point():
            faults.append(f"{key} is {theirs.dtype} {tuple(theirs.shape)}, not {ours.dtype} {tuple(ours.shape)}")
    if faults:
        some = "; ".join(sorted(faults)[:4]) + (f"; {len(faults)} faults in all" if len(faults) > 4 else "")
        raise Unlike(f"this resembles a {kind}, but {some}. Known networks are those {families}", len(faults))


def blank(kind: type[nn.Module], options: Mapping[str, Any]) -> nn.Module:
    """The network with these options, without memory for its weights."""
    with hollow():
        return kind(**options)


def filled(
    network: nn.Module, state: State, names: Callable[[nn.Module], Mapping[str, str]], families: str
) -> nn.Module:
    """A blank `network` with the weights of `state`, where they have other `names`, in their own precision.

    Raises ModelError when a tensor is missing, left over or of another shape.
    """
    keys, own = names(network), network.state_dict()
    check(state, {keys[ours]: tensor for ours, tensor in own.items()}, type(network).__name__, families)
    network.load_state_dict({ours: state[theirs].clone() for ours, theirs in keys.items()}, assign=True)
    return network


def load(method: Method, parts: Mapping[str, nn.Module]) -> None:
    """Give `method` the weights of `parts`, by its names for them."""
    for name, part in parts.items():
        method.get_submodule(name).load_state_dict(part.state_dict())


def keep(method: Method, parts: Container[str]) -> None:
    """Take from `method` all but `parts`."""
    for name in [name for name, _ in method.named_children() if name not in parts]:
        delattr(method, name)


# Writing


def renamed(network: nn.Module, names: Mapping[str, str]) -> dict[str, Tensor]:
    """The weights of `network` under their `names` and in their order."""
    ours = network.state_dict()
    return {theirs: ours[key].cpu().contiguous() for key, theirs in names.items()}


def tensor_names(network: nn.Module, layers: Layers) -> dict[str, str]:
    """Our key and theirs of every tensor of `network`, in their order."""
    return {
        f"{ours}.{leaf}": f"{theirs}.{leaf}"
        for ours, theirs in layers
        for leaf in network.get_submodule(ours).state_dict()
    }


def refuse_normless(network: nn.Module) -> None:
    """Raise ModelError for a network with no norms, where files look as those of one with instance norm."""
    if not any(isinstance(module, BatchNorm | InstanceNorm) for module in network.modules()):
        raise ModelError(f"a {type(network).__name__} with no norms would be read as one with instance norm")


def without_like(network: nn.Module, families: str) -> ModelError:
    """The error for a network of ours that is none of `families`."""
    return ModelError(f"a {type(network).__name__} has no counterpart among the networks {families}")
