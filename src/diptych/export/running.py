"""An exported file in use: a translator as any other, whose networks another runtime runs."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from diptych.errors import ModelError
from diptych.export.formats import Run, format_of
from diptych.export.graph import draws_of
from diptych.methods.method import Method
from diptych.model.card import Card
from diptych.model.folder import build, read_card
from diptych.model.translator import Translator
from diptych.options.controls import controls_of
from diptych.runtime.precision import words
from diptych.runtime.speed import PLAIN
from diptych.tiling import Tiling


class Info(BaseModel):
    """What an exported file says of itself.

    controls: those of `translate`, fixed when it was made, without `seed`. pictures: the shapes of those that were
    pictures; style: of the one of that name, in files from before.
    """

    model_config = ConfigDict(extra="forbid")

    card: dict[str, Any]
    version: str
    controls: dict[str, Any]
    pictures: dict[str, tuple[int, ...]] = {}
    style: tuple[int, int, int, int] | None = None


class Exported(Method):
    """A method without weights, whose `translate` runs a graph. `seed` is all that its user has left to say."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Exported:
        """Nothing to move: the weights are the runtime's."""
        return self


def exported(method: Method, info: Info, run: Run) -> Method:
    """`method`, without weights, made one whose `translate` runs a graph, one picture at a time."""
    kind = type(method)

    @lru_cache(maxsize=16)
    def drawn(shape: tuple[int, ...], seed: tuple[tuple[str, int], ...]) -> list[np.ndarray]:
        controls = {**info.controls, **dict(seed)}
        shapes = {"style": info.style, **info.pictures} if info.style else info.pictures
        controls |= {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
        x = torch.empty(1, *shape, device="meta")
        return [one.numpy() for one in draws_of(partial(kind.translate, method), x, controls)]

    def translate(self: Method, x: Tensor, **seed: int) -> Tensor:
        given = drawn(tuple(x.shape[1:]), tuple(seed.items()))
        pictures = (one.float().cpu().contiguous().numpy() for one in x.split(1))
        return torch.cat([torch.from_numpy(run([one, *given])) for one in pictures])

    return with_seed_alone(method, translate)


def with_seed_alone(method: Method, translate: Callable[..., Tensor] | None = None) -> Method:
    """`method` with another `translate`, or its own, that takes no control but `seed`, where it has that."""
    kind = type(method)

    def own(self: Method, x: Tensor, **seed: int) -> Tensor:
        return kind.translate(self, x, **seed)

    made = translate or own
    signature = inspect.signature(kind.translate, eval_str=True)
    known = controls_of(kind.translate)
    left = [one for one in signature.parameters.values() if one.name not in known or known[one.name].numbers_answers]
    vars(made)["__signature__"] = signature.replace(parameters=left)
    method.__class__ = type(kind.__name__, (Exported, kind), {"translate": made})
    return method


def one_way(card: Card, to: str | None = None) -> Card:
    """A card of the direction that is exported: to the domain `to`, or the usual one."""
    source, target = card.ends(to)
    return card.model_copy(update={"directions": [(source.name, target.name)]})


def open_graph(path: Path, *, bf16: bool = False, snap_colours: bool = False) -> Translator:
    """The translator in the file of one graph. Raises as `open_exported` does."""
    form = format_of(path)
    if form is None or not path.is_file():
        raise ModelError(f"{path} is no exported model: name a file ending in .onnx, .xml or, of a chain, .json")
    message, model = form.read(path)
    try:
        info = Info.model_validate_json(message)
    except ValidationError as error:
        raise ModelError(f"{path}: what it says of itself is damaged: {error.errors()[0]['msg']}") from None
    card = read_card(path, json.dumps(info.card).encode())
    method = exported(build(card, path).eval(), info, form.start(model, path, torch.get_num_threads(), bf16))
    translator = Translator(
        method, card, version=info.version, speed=PLAIN, device="cpu", snap_colours=snap_colours, tiling=Tiling("off")
    )
    translator.precision = words(bf16)  # the runtime's, not torch's
    return translator
