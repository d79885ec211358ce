"""The folder that a translator is on disk: weights, a card, and a digest of each; nothing in it is ever executed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from diptych import images, tasks
from diptych.errors import ConfigError, ModelError
from diptych.images import Picture
from diptych.methods import find, names
from diptych.methods.method import Method, domains
from diptych.model import ready
from diptych.model.card import NOT_STATED, SCHEMA_VERSION, WORDS, Card
from diptych.model.chained import Chained
from diptych.nn.hollow import hollow
from diptych.options import plugins
from diptych.options.schema import check, unknown
from diptych.storage.files import SUMS, atomic_folder, older, write_bytes, write_text

CARD, WEIGHTS, TRAINING = "card.json", "weights.safetensors", "training.safetensors"
EXAMPLES = ("example-1", "example-2", "example-3")
"""What a translator can be tried on; PNGs, or TIFFs where a PNG has no room for them."""
OWN = {CARD, WEIGHTS, TRAINING, SUMS, "README.md", "preview.png"} | {
    f"{stem}{suffix}" for stem in EXAMPLES for suffix in (".png", ".tif")
}
"""All that a translator folder holds."""
NUMBERS = {
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
}
"""What weights and counters are stored as."""


def write(
    folder: Path,
    method: Method,
    card: Card,
    *,
    everything: bool,
    preview: np.ndarray | None,
    examples: Sequence[Picture] = (),
    half: bool = False,
) -> Path:
    """Write `folder`, which takes the place of an older one only when it is complete; as `Translator.save`.

    half: the weights that translation needs in float16.
    """
    check_place(folder)
    kept, rest = split_state(method)
    if half:
        kept = rounded(kept)
    files = {CARD: card.model_dump_json(indent=2).encode(), WEIGHTS: safetensors.torch.save(kept)}
    if everything:
        files[TRAINING] = safetensors.torch.save(rest)
    with atomic_folder(folder) as new:
        for name, data in files.items():
            write_bytes(new / name, data)
        write_text(new / SUMS, manifest(files))
        write_text(new / "README.md", card.to_markdown())
        if preview is not None:
            images.write(new / "preview.png", images.displayable(preview))
        for stem, picture in zip(EXAMPLES, examples, strict=False):
            png = images.can_hold(".png", picture.array.dtype, picture.array.shape[2])
            picture.save(new / f"{stem}{'.png' if png else '.tif'}")
    return folder


def examples(folder: Path) -> list[Path]:
    """The pictures in a translator folder that it can be tried on."""
    return sorted(path for path in folder.glob("example-*") if path.name in OWN)


def check_place(folder: Path) -> None:
    """Raises ModelError where something else than a translator would be replaced."""
    if folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} - OWN):
        raise ModelError(f"{folder} exists and holds something else than a translator: choose another place")


def state(folder: str | PathLike[str], words: Mapping[str, str]) -> Card:
    """Write into a model's card what a person says of it; `diptych.model.card.WORDS` names what can be said.

    The whole folder is replaced at once, and its version is another one. Raises ConfigError for other words, ModelError
    where there is no model, StorageError where it cannot be written.
    """
    if faults := [unknown(name, list(WORDS)) for name in words if name not in WORDS]:
        raise ConfigError("\n".join(faults))
    place, files, card = opened(folder)
    if ready.is_ready(place):
        raise ModelError(f"{place} is a ready model, and stays as it is: take a copy by diptych models pack")
    check_place(place)
    card = card.model_copy(update={name: stated or NOT_STATED for name, stated in words.items()})
    files[CARD] = card.model_dump_json(indent=2).encode()
    with atomic_folder(place) as new:
        for name in {path.name for path in place.iterdir()} - {CARD, SUMS, "README.md"}:
            link_or_copy(place / name, new / name)
        write_bytes(new / CARD, files[CARD])
        write_text(new / SUMS, manifest(files))
        write_text(new / "README.md", card.to_markdown())
    return card


def link_or_copy(source: Path, target: Path) -> None:
    """Weights may be gigabytes, and are never changed in place: two names for one file do."""
    try:
        os.link(source, target)
    except OSError:  # some file systems have no such links
        shutil.copyfile(source, target)


def stated(folder: Path) -> dict[str, str]:
    """What a person has said of the model in `folder`, for the one that takes its place; if there is none, nothing."""
    try:
        return read_card(folder, (folder / CARD).read_bytes()).words()
    except (OSError, ModelError):
        return {}


def load(folder: str | PathLike[str]) -> tuple[Method, Card, str]:
    """The method in a folder, without the parts that its directions do not need, its card, and its version."""
    folder, files, card = opened(folder)
    method = build(card, folder / CARD)
    leave_needed(method, card)
    fill(method, parse_weights(folder / WEIGHTS, files[WEIGHTS]), folder / WEIGHTS)
    return method, card, version_of(files)


def leave_needed(method: Method, card: Card) -> None:
    """Take out the parts that the directions of a model do not need."""
    if isinstance(method, Chained):
        for part, about in zip(method.parts, card.parts, strict=True):
            leave_needed(part, about)
        return
    names = [domain.name for domain in card.domains]
    own = dict(zip(names, domains(method, len(names)), strict=False))
    ways = [(str(own.get(source)), str(own.get(target))) for source, target in card.directions]
    needed = {part for way in ways for part in method.directions.get(way, method.keep)}
    for name in [name for name, _ in method.named_children() if name not in needed]:
        delattr(method, name)


def read_version(folder: str | PathLike[str]) -> str:
    """Which model is in a translator folder or a run folder. Raises ModelError."""
    return version_of(opened(folder)[1])


def version_of(files: dict[str, bytes]) -> str:
    """Which model it is: the first 12 digits of the sha256 of its card and its weights."""
    return hashlib.sha256(manifest({name: files[name] for name in (CARD, WEIGHTS)}).encode()).hexdigest()[:12]


def load_method(folder: str | PathLike[str]) -> Method:
    """The whole method of a translator folder; parts that it does not hold have fresh weights."""
    folder, _, card = opened(folder)
    method = method_of(card, folder / CARD)(**checked_options(card, folder / CARD))
    begin_from(method, folder)
    return method


def begin_from(method: Method, folder: str | PathLike[str]) -> list[str]:
    """Give `method` the weights of a translator folder, to train it further; parts that it does not hold keep theirs.

    Returns the names of these parts, or of what in them it does not hold, of those that learn.

    Raises ModelError when it is of another method, or its networks are others.
    """
    folder, files, card = opened(folder)
    if method_of(card, folder / CARD) is not type(method):
        raise ModelError(f"{folder} is of the method {card.method}, not of {type(method).__name__}: choose another one")
    state = parse_weights(folder / WEIGHTS, files[WEIGHTS])
    if TRAINING in files:
        state |= parse_weights(folder / TRAINING, files[TRAINING])
    state = method.adapt_state_dict(state)
    missing = set(method.state_dict()) - set(state)
    fill(method, state | {name: tensor for name, tensor in method.state_dict().items() if name in missing}, folder)
    return [name for part, network in method.named_children() for name in lacking(part, network, missing)]


def lacking(name: str, network: nn.Module, missing: set[str]) -> list[str]:
    """The names of the largest networks in `network`, which is called `name`, all of whose weights are missing."""
    weights = {f"{name}.{key}" for key, _ in network.named_parameters()}
    if not weights & missing:
        return []
    if weights <= missing:
        return [name]
    within = [one for child, inner in network.named_children() for one in lacking(f"{name}.{child}", inner, missing)]
    return within or [name]


def inspect_card(folder: str | PathLike[str]) -> Card:
    """The card of a translator folder or a run folder, its files verified. Raises ModelError."""
    return opened(folder)[2]


def opened(folder: str | PathLike[str]) -> tuple[Path, dict[str, bytes], Card]:
    """Where the translator folder is, its verified files, and its card. Raises ModelError."""
    folder = resolve(Path(folder))
    files = verified(folder)
    return folder, files, read_card(folder, files[CARD])


def resolve(folder: Path) -> Path:
    """The translator folder at `folder`, the one inside it when it is a run folder, or a ready model of this name."""
    if named := ready.place_of(folder):
        return named
    candidates = (folder, folder / "model")
    for candidate in (*candidates, *map(older, candidates)):
        if (candidate / CARD).exists():
            return candidate
    raise ModelError(
        f"{folder} holds no translator: a translator folder has a {CARD}, a run folder a model/{CARD}"
        f"{ready.remark(folder)}"
    )


def verified(folder: Path) -> dict[str, bytes]:
    """The files of a translator folder, each compared with its sha256 before anything reads it."""
    try:
        noted = (folder / SUMS).read_text()
        files = {name: (folder / name).read_bytes() for name in (CARD, WEIGHTS, TRAINING) if name in noted}
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} is incomplete or damaged ({error}): copy it again") from None
    changed = [name for name, data in files.items() if manifest({name: data}) not in noted]
    if changed or manifest(files) != noted or not {CARD, WEIGHTS} <= set(files):
        raise ModelError(f"{folder / (changed or [SUMS])[0]} is not what was saved (its sha256 differs): copy it again")
    return files


def manifest(files: dict[str, bytes]) -> str:
    """A line for each file, as the program sha256sum writes and checks them."""
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())


def read_card(folder: Path, data: bytes) -> Card:
    try:
        raw = json.loads(data)
        if raw.get("schema_version", 0) > SCHEMA_VERSION:
            raise ModelError(f"{folder} was made by a newer version, {raw.get('made_with')}: upgrade diptych")
        return Card(**{**raw, "schema_version": SCHEMA_VERSION})  # what an older one lacks is not stated
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{folder / CARD} is not a card: {error}") from None


def method_of(card: Card, place: Path | str) -> type[Method]:
    """The card's method. Raises ModelError when for it or the task a module would have to be imported: executed."""
    plugins.refuse_strangers("method", card.method, "diptych.methods", names(), place, ModelError)
    plugins.refuse_strangers("task", card.task, "diptych.tasks", tasks.names(), place, ModelError)
    try:
        tasks.make(card.task, card.task_options)
        return find(card.method)
    except ConfigError as error:
        raise ModelError(f"{place}: {error}") from None


def checked_options(card: Card, place: Path | str) -> dict[str, Any]:
    try:
        return check({"method": method_of(card, place)}, {"method": card.options})["method"]
    except ConfigError as error:
        raise ModelError(f"{place} does not fit this version of its method: {error}") from None


def build(card: Card, place: Path | str) -> Method:
    """The card's method without memory for its weights, which `fill` brings. Raises ModelError naming `place`.

    It lacks what only a training in progress needs.
    """
    if card.parts:
        return Chained([build(part, place) for part in card.parts])
    with hollow():
        method = method_of(card, place)(**checked_options(card, place))
    parts = [part for name, part in method.named_children() if name in {**method.pretrained, **method.examples}]
    for module in list(method.modules()):  # wherever they are used
        for name, child in list(module.named_children()):
            if any(child is part for part in parts):
                setattr(module, name, None)
    return method


def parse_weights(path: Path, data: bytes) -> dict[str, Tensor]:
    try:
        state: dict[str, Tensor] = safetensors.torch.load(data)
    except (SafetensorError, KeyError) as error:  # KeyError: a type of numbers that it does not know
        raise ModelError(f"{path} is no safetensors file: {error}") from None
    if packed := next((name for name, tensor in state.items() if tensor.dtype not in NUMBERS), None):
        raise ModelError(f"{path}: {packed} holds numbers of type {state[packed].dtype}: save float32")
    if bad := infinite(state):
        raise ModelError(
            f"{path}: {bad} holds NaN or infinity, which would make black pictures: its training had failed; take an "
            f"earlier model of it"
        )
    return state


def rounded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in float16, which has 11 bits and reaches to 65504. Raises ModelError for one beyond that."""
    short = {name: tensor.half() if tensor.dtype == torch.float32 else tensor for name, tensor in state.items()}
    if bad := infinite(short):
        raise ModelError(f"{bad} holds values beyond 65504, the largest of float16: keep the weights in float32")
    return short


def infinite(state: Mapping[str, Tensor]) -> str | None:
    """The first tensor that holds NaN or infinity. A sum shows it in a tenth of the time that a look at each takes."""
    for name, tensor in state.items():
        if tensor.is_floating_point():
            total = tensor.sum(dtype=torch.promote_types(tensor.dtype, torch.float32))
            if not total.isfinite() and not tensor.isfinite().all():  # a sum may overflow
                return name
    return None


def fill(method: Method, state: dict[str, Tensor], path: Path | str) -> None:
    """Give `method` its weights, in the types that it has; stored ones may be shorter. Raises ModelError naming what
    does not fit."""
    own = method.state_dict()
    state = {name: tensor.to(own[name].dtype) if name in own else tensor for name, tensor in state.items()}
    try:
        method.load_state_dict(state, assign=True)
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise ModelError(f"{path} does not fit its method: {'; '.join(line.strip() for line in lines[1:4])}") from None


def split_state(method: Method) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors that translation needs, and those that training goes on from; contiguous copies on the CPU.

    A part that learns nothing, such as a history of fakes, belongs to one training alone and is neither.
    """
    idle = {name for name, part in method.named_children() if next(part.parameters(), None) is None}
    state = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in method.state_dict().items()
        if name.partition(".")[0] not in idle
    }
    kept = {name: tensor for name, tensor in state.items() if name.partition(".")[0] in method.keep}
    return kept, {name: tensor for name, tensor in state.items() if name not in kept}
