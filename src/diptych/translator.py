"""A translator is a trained method as one folder: a picture in, its counterpart of the same size out."""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import groupby, islice
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from diptych import images, tasks
from diptych.card import SCHEMA_VERSION, Card, Side
from diptych.config import check, complete
from diptych.errors import ConfigError, DataError, ModelError
from diptych.files import SUMS, atomic_folder, older, write_bytes, write_text
from diptych.images import Picture
from diptych.methods import find, names
from diptych.methods.method import Method, Style, To
from diptych.speed import Speed, choose_device

Image = Any
"""A picture, an array `H W` or `H W C`, a file's path, or a Pillow image."""

CARD, WEIGHTS, TRAINING = "card.json", "weights.safetensors", "training.safetensors"
OWN = {CARD, WEIGHTS, TRAINING, SUMS, "README.md", "preview.png"}
"""All that a translator folder holds."""


SMALLEST = 16
"""Pixels a side below which some networks have nothing left after their halvings."""


class Translator:
    """Translates pictures of any size with a trained method.

    method: the method, holding trained weights. card: what it is. speed, device: how it runs.
    """

    def __init__(
        self, method: Method, card: Card, *, speed: Speed | None = None, device: torch.device | str = "auto"
    ) -> None:
        self.card = card
        self.device = choose_device(str(device))
        self.task = tasks.find(card.task)
        self.speed = speed or Speed(bf16=False)
        self.method = method.to(self.device).eval().requires_grad_(False)

    @cached_property
    def running(self) -> Method:
        """The method as it runs; in bfloat16 it is a copy, so that what is saved has lost nothing."""
        return self.speed.for_use(self.method)

    @property
    def ways(self) -> tuple[To, ...]:
        """The domains it translates to: a, the card's source, b, its target."""
        return tuple(self.card.ways)

    @property
    def two_way(self) -> bool:
        return len(self.ways) == 2

    @property
    def answers(self) -> bool:
        """Whether it may have several answers to one picture, by the control `seed`."""
        return "seed" in controls_of(type(self.method))

    def towards(self, to: str | None = None) -> To:
        """The letter of the domain called `to`; by default that of the target, or the one way there is.

        Raises ConfigError, which names those there are, for a domain that cannot be translated to.
        """
        sides: dict[To, Side] = {"a": self.card.source, "b": self.card.target}
        if to is None:
            return "b" if "b" in self.ways else self.ways[0]
        for letter in self.ways:
            if to == sides[letter].name:
                return letter
        if to in self.ways:
            return "a" if to == "a" else "b"
        known = " or ".join(f"to={sides[letter].name}" for letter in self.ways)
        why = "" if self.two_way else f" (it works one way only: to {sides[self.ways[0]].name})"
        raise ConfigError(f"the model does not translate to {to!r}{why}: use {known}")

    def sides(self, to: To = "b") -> tuple[Side, Side]:
        """The pictures that go in and come out on the way to the domain `to`."""
        card = self.card
        return (card.source, card.target) if to == "b" else (card.target, card.source)

    def __call__(self, image: Image, *, to: str | None = None, **controls: Any) -> Picture:
        """Translate one picture: same size, the target's channels and range; alpha and file format are carried over.

        to: the name of the domain to translate to, of a model that works both ways. controls: the keyword arguments of
        the method's `translate`; where it takes a style, a picture as any other. Raises ConfigError for others.
        """
        return next(self.many([image], to=to, **controls))

    def many(
        self, pictures: Iterable[Image], *, batch: int = 8, to: str | None = None, **controls: Any
    ) -> Iterator[Picture]:
        """Translate pictures in order; neighbours of one size share a batch."""
        return self.stream(pictures, self.checked({**controls, "to": to}), batch=batch)

    def samples(self, image: Image, count: int, *, seed: int = 0, **controls: Any) -> list[Picture]:
        """Several answers to one picture: with the seeds `seed`, `seed + 1` ... Raises ConfigError where it has one."""
        if not self.answers:
            raise ConfigError(f"{self.card.method} has one answer to a picture: it draws nothing by chance")
        picture = open_picture(image)
        return [self(picture, seed=seed + number, **controls) for number in range(count)]

    def stream(self, pictures: Iterable[Image], controls: Mapping[str, Any], *, batch: int = 8) -> Iterator[Picture]:
        """`many` with controls as `checked` gives them."""
        source, target = self.sides(controls.get("to", self.ways[0]))
        opened = (open_picture(image) for image in pictures)
        for _, alike in groupby(opened, key=lambda picture: (picture.array.shape, picture.array.dtype)):
            while some := list(islice(alike, batch)):
                sources = torch.stack([prepare(self.task.source(picture), source) for picture in some])
                outputs = self.batch(sources, **controls).cpu()
                for output, picture in zip(outputs, some, strict=True):
                    yield self.task.finish(finished(output, target), picture)

    def batch(self, pictures: Tensor, **controls: Any) -> Tensor:
        """Translate a batch `B C H W` in [-1, 1], of any height and width; controls as the method has them."""
        height, width = pictures.shape[-2:]
        padded = mirror_pad(pictures.to(self.device), self.method.granularity)
        with torch.inference_mode(), self.speed.precision(self.device):
            outputs = self.running.translate(self.speed.layout(padded), **controls)
        top, left = (padded.shape[-2] - height) // 2, (padded.shape[-1] - width) // 2
        return outputs[..., top : top + height, left : left + width].float()

    def checked(self, controls: Mapping[str, Any]) -> dict[str, Any]:
        """The controls as the method has them: completed, domains as letters, example pictures as tensors.

        `to` may be given for every model. Raises ConfigError that names all that is wrong.
        """
        given, known = dict(controls), controls_of(type(self.method))
        to = self.towards(given.pop("to", None))
        if "to" in known:
            given["to"] = to
        side = self.sides(to)[1]
        for name in [name for name, kind in known.items() if kind == Style and given.get(name) is not None]:
            if not isinstance(given[name], Tensor):
                given[name] = mirror_pad(prepare(open_picture(given[name]), side)[None], self.method.granularity)
            given[name] = given[name].to(self.device)
        if "style" in given and "style" not in known:
            raise ConfigError(f"{self.card.method} takes no style picture: leave style out")
        completed, faults = complete(type(self.method).translate, given, without=("self", "x"))
        if faults:
            raise ConfigError("\n".join(faults))
        return completed

    def save(self, folder: str | PathLike[str], *, everything: bool = False, preview: np.ndarray | None = None) -> Path:
        """Write the translator folder; it takes the place of an older one only when it is complete.

        everything: also write what only training needs, such as the discriminator. preview: a picture `H W 3`.
        Raises ModelError when something else is at `folder`, StorageError when it cannot be written.
        """
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} - OWN):
            raise ModelError(f"{folder} exists and holds something else than a translator: choose another place")
        kept, rest = split_state(self.method)
        files = {CARD: self.card.model_dump_json(indent=2).encode(), WEIGHTS: safetensors.torch.save(kept)}
        if everything:
            files[TRAINING] = safetensors.torch.save(rest)
        with atomic_folder(folder) as new:
            for name, data in files.items():
                write_bytes(new / name, data)
            write_text(new / SUMS, manifest(files))
            write_text(new / "README.md", self.card.to_markdown())
            if preview is not None:
                images.write(new / "preview.png", preview)
        return folder

    @classmethod
    def load(
        cls, folder: str | PathLike[str], *, speed: Speed | None = None, device: torch.device | str = "auto"
    ) -> Translator:
        """Load a translator folder, or the one in a run folder; nothing in it is executed.

        Raises ModelError when it is incomplete, of a newer version, or changed by as much as a bit.
        """
        folder, files, card = opened(folder)
        method = build(card, folder / CARD)
        needed = {part for way in card.ways for part in method.ways.get(way, method.keep)}
        for name in [name for name, _ in method.named_children() if name not in needed]:
            delattr(method, name)
        fill(method, parse_weights(folder / WEIGHTS, files[WEIGHTS]), folder / WEIGHTS)
        return cls(method, card, speed=speed, device=device)


def load_method(folder: str | PathLike[str]) -> Method:
    """The whole method of a translator folder; parts that it does not hold have fresh weights."""
    folder, _, card = opened(folder)
    method = method_of(card, folder / CARD)(**checked_options(card, folder / CARD))
    begin_from(method, folder)
    return method


def begin_from(method: Method, folder: str | PathLike[str]) -> None:
    """Give `method` the weights of a translator folder, to train it further; parts that it does not hold keep theirs.

    Raises ModelError when it is of another method, or its networks are others.
    """
    folder, files, card = opened(folder)
    if method_of(card, folder / CARD) is not type(method):
        raise ModelError(f"{folder} is of the method {card.method}, not of {type(method).__name__}: choose another one")
    state = parse_weights(folder / WEIGHTS, files[WEIGHTS])
    if TRAINING in files:
        state |= parse_weights(folder / TRAINING, files[TRAINING])
    missing = set(method.state_dict()) - set(state)
    fill(method, state | {name: tensor for name, tensor in method.state_dict().items() if name in missing}, folder)


def inspect_card(folder: str | PathLike[str]) -> Card:
    """The card of a translator folder or a run folder, its files verified. Raises ModelError."""
    return opened(folder)[2]


def opened(folder: str | PathLike[str]) -> tuple[Path, dict[str, bytes], Card]:
    """Where the translator folder is, its verified files, and its card. Raises ModelError."""
    folder = resolve(Path(folder))
    files = verified(folder)
    return folder, files, read_card(folder, files[CARD])


def resolve(folder: Path) -> Path:
    """The translator folder at `folder`, or the one inside it when it is a run folder."""
    candidates = (folder, folder / "model")
    for candidate in (*candidates, *map(older, candidates)):
        if (candidate / CARD).exists():
            return candidate
    raise ModelError(f"{folder} holds no translator: a translator folder has a {CARD}, a run folder a model/{CARD}")


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
        return Card(**raw)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{folder / CARD} is not a card: {error}") from None


def method_of(card: Card, place: Path | str) -> type[Method]:
    """The card's method. Raises ModelError when for it or the task a module would have to be imported: executed."""
    for kind, name, built_in in (("method", card.method, names()), ("task", card.task, tasks.names())):
        if name not in built_in and name not in sys.modules:
            raise ModelError(
                f"{place} names the {kind} {name!r}, which is not built in. Its module is not imported for you, as "
                f"that would execute it: if you trust it, import it first"
            )
    try:
        tasks.find(card.task)
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
    with torch.device("meta"):
        method = method_of(card, place)(**checked_options(card, place))
    for name in method.pretrained:
        setattr(method, name, None)
    return method


def parse_weights(path: Path, data: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(data)
    except SafetensorError as error:
        raise ModelError(f"{path} is no safetensors file: {error}") from None


def fill(method: Method, state: dict[str, Tensor], path: Path | str) -> None:
    """Give `method` its weights. Raises ModelError naming what does not fit."""
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


def controls_of(method: type[Method]) -> dict[str, Any]:
    """The keyword arguments of a method's `translate`, with their types."""
    parameters = inspect.signature(method.translate, eval_str=True).parameters
    return {name: parameter.annotation for name, parameter in parameters.items() if name not in ("self", "x")}


def prepare(picture: Picture, side: Side) -> Tensor:
    """A picture as the networks want those of `side`: `C H W` in [-1, 1], grey and colour made to match."""
    array = images.match_channels(picture.array, side.channels)
    same = array.dtype == side.dtype
    low, high = (side.low, side.high) if same else images.value_range(array.dtype)
    if array.dtype.kind == "f" and not (same or (array.min() >= low and array.max() <= high)):
        raise DataError(
            f"values from {array.min():g} to {array.max():g}: the model knows {side.dtype}, so that floats "
            f"must lie between 0 and 1"
        )
    return images.to_unit(array, low, high)


def finished(output: Tensor, side: Side) -> Picture:
    """What the networks gave, `C H W` in [-1, 1], with the type and range of the pictures of `side`."""
    return Picture(images.from_unit(output, side.dtype, side.low, side.high))


def open_picture(image: Image) -> Picture:
    """Any accepted kind of image as a Picture. Raises DataError or ConfigError."""
    if isinstance(image, Picture):
        return image
    if isinstance(image, str | PathLike):
        return images.read(Path(image))
    if hasattr(image, "mode") and hasattr(image, "save"):  # Pillow's, without importing it here
        return images.from_pillow(image)
    if isinstance(image, np.ndarray) and image.ndim in (2, 3) and image.size:
        array = image if image.ndim == 3 else image[..., None]
        if array.dtype.kind == "f" or array.dtype in (np.uint8, np.uint16):
            return Picture(array.astype(np.float32) if array.dtype.kind == "f" else array)
        raise ConfigError(f"an array of {array.dtype} has no known white: make it uint8, uint16, or float from 0 to 1")
    raise ConfigError(
        f"{type(image).__name__} is no picture: give a path, a Picture, a Pillow image or an array H W C, not empty"
    )


def mirror_pad(pictures: Tensor, multiple: int) -> Tensor:
    """Grow both sizes to multiples of `multiple`, 16 at least, by mirroring the borders, as often as it takes."""
    for dim in (-2, -1):
        size = pictures.shape[dim]
        wanted = max(size, SMALLEST)
        extra = wanted + -wanted % multiple - size
        if extra:
            period = np.concatenate([np.arange(size), np.arange(size - 2, 0, -1)]) if size > 1 else np.zeros(1, int)
            index = period[np.arange(-(extra // 2), size + extra - extra // 2) % len(period)]
            pictures = pictures.index_select(dim, torch.from_numpy(index).to(pictures.device))
    return pictures
