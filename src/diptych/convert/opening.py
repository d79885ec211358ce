"""Checkpoint files to the state dicts of networks, whatever wrapped them; nothing in a file is executed."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from diptych.convert.states import bare
from diptych.errors import ModelError
from diptych.model.folder import NUMBERS, infinite

Content = dict[str, Any]
"""A state dict; or the state dicts `a` and `b`, as files of UNIT and MUNIT are."""
SUFFIXES = (".pth", ".pt", ".safetensors")

WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "params", "weights")
"""Keys that say nothing of which network is below them."""
LFS, HTML = b"version https://git-lfs", b"<"
AVERAGED = ("{}_ema", "ema_{}", "{}_EMA")
"""What the moving average of a network's weights is called beside them."""
LEVELS = 8
"""Modules within modules in which networks are looked for."""


def read(path: Path) -> Content:
    """What is in a file of `torch.save` or safetensors, whatever its suffix. Raises ModelError."""
    if not path.is_file():
        raise ModelError("there is no such file")
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(LFS):
        raise ModelError("it is a git-LFS pointer, not the file itself: run `git lfs pull` in its repository")
    if start.lstrip()[:1] == HTML:
        raise ModelError("it is a web page, not a checkpoint: download the file itself")
    refuse_bomb(packed_size(path), path)
    try:
        if start[8:9] == b"{":  # a header of JSON behind its length
            return safetensors.torch.load_file(path)
        with path.open("rb") as file:  # given its path, torch would heed the suffix
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged file raises cannot be foreseen
        held = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f" ({held[1]})" if held else ""
        raise ModelError(
            f"it is damaged, or holds more than tensors{what}, which could run code: nothing in it was executed. "
            f"Save network.state_dict() again in the project that wrote it"
        ) from error
    if not isinstance(content, dict):
        raise ModelError(f"it is no state dict of tensors but holds {type(content).__name__}")
    return content


def packed_size(path: Path) -> int:
    """Bytes that a file becomes once it is unpacked; torch writes a zip, of which each part may be compressed."""
    if not zipfile.is_zipfile(path):
        return 0
    try:
        with zipfile.ZipFile(path) as parts:
            return sum(part.file_size for part in parts.infolist())
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError):
        return 0  # torch says what is wrong with it


def refuse_bomb(size: int, path: Path) -> None:
    """Raises ModelError where a small file would become many bytes."""
    if size > 16 * path.stat().st_size + 2**26:
        raise ModelError(f"it would take {size / 1e9:.1f} GB, of which the file has almost nothing: take another one")


def networks(path: Path, known: Callable[[Content], bool]) -> dict[Path, Content]:
    """The state dicts in a file, by the file's path; where there are several, by paths that end in their names.

    What wraps them is taken off: of a training's checkpoint the counters and optimisers, and the weights whose moving
    averages are there too; of a Lightning module the networks' names. known: whether a content is that of a network.

    Raises ModelError that names the file when it cannot be read, or holds no tensors or numbers that are not finite.
    """
    try:
        content = read(path)
        states = list(named(content))
        if not states:
            first = ", ".join(map(str, list(content)[:5])) or "nothing"
            raise ModelError(f"it is no state dict of tensors but holds {first}")
        for _, state in states:
            refuse_packed(state)
        held = (tensor for _, content in states for state in each(content) for tensor in state.values())
        refuse_bomb(sum(tensor.numel() * tensor.element_size() for tensor in held), path)
        found = {joined(name, inner): part for name, state in states for inner, part in parts(state, known)}
        for state in found.values():
            refuse_infinite(state)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    safe = {re.sub(r"[^\w.-]", "_", name): state for name, state in found.items()}
    return {path.with_name(joined(path.stem, name) + path.suffix): state for name, state in safe.items()}


def named(content: Mapping[Any, Any]) -> Iterator[tuple[str, Content]]:
    """The state dicts in what may be a training's checkpoint, each once, by the names that tell them apart."""
    waiting, seen = [("", content)], set()
    while waiting:
        name, content = waiting.pop(0)
        if id(content) in seen:
            continue
        seen.add(id(content))
        inner = {str(key): value for key, value in content.items() if isinstance(value, Mapping)}
        if not inner:
            yield from [(name, state)] if (state := tensors(content)) else []
        elif set(inner) == {"a", "b"} and all(len(tensors(state)) == len(state) for state in inner.values()):
            yield name, {domain: tensors(state) for domain, state in inner.items()}
        else:
            for key, value in inner.items():
                optimiser = {"state", "param_groups"} <= value.keys()
                if not optimiser and not any(form.format(key) in inner for form in AVERAGED):
                    waiting.append((joined(name, "" if key in WRAPPERS else key), value))


def tensors(content: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}


def joined(*names: str) -> str:
    return "_".join(filter(None, names))


def parts(content: Content, known: Callable[[Content], bool], levels: int = LEVELS) -> list[tuple[str, Content]]:
    """The networks in a state dict: itself; or those below its keys' first words, as a module that held them wrote it.

    What lies beside known networks, such as a loss's, is left out.
    """
    if not all(isinstance(value, Tensor) for value in content.values()):
        return [("", {domain: bare(state) for domain, state in content.items()})]
    state = bare(content)
    if known(state) or not levels:
        return [("", state)]
    groups: dict[str, Content] = {}
    for key, tensor in state.items():
        first, _, rest = key.partition(".")
        groups.setdefault(first, {})[rest] = tensor
    below = [(name, parts(group, known, levels - 1)) for name, group in groups.items() if "" not in group]
    found = [(joined(name, inner), part) for name, pairs in below for inner, part in pairs if known(part)]
    return found or [("", state)]


def refuse_packed(content: Content) -> None:
    """Raises ModelError where a tensor is not stored number by number."""
    for state in each(content):
        for key, value in state.items():
            if value.layout != torch.strided or value.is_quantized:
                raise ModelError(f"{key} is sparse or quantised: save plain numbers (tensor.to_dense(), .dequantize())")
            if value.is_meta:
                raise ModelError(f"{key} holds no numbers, only their shape: save it from the device that has them")
            if value.dtype not in NUMBERS:
                raise ModelError(f"{key} holds numbers of type {value.dtype}: save float32 (tensor.float())")


def each(content: Content) -> Iterable[Mapping[str, Any]]:
    """The state dicts in a content, one or two."""
    return content.values() if any(isinstance(value, Mapping) for value in content.values()) else [content]


def refuse_infinite(content: Content) -> None:
    """Raises ModelError where a weight is no finite number."""
    for state in each(content):
        if bad := infinite(state):
            raise ModelError(f"{bad} holds NaN or infinity: its training had failed; take an earlier checkpoint")
