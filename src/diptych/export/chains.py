"""A chain for another runtime: a file for each of its models, and one that names them in their order.

Between its models are their tasks, which no runtime has: no graph holds all of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from diptych.errors import ConfigError, ModelError
from diptych.export.formats import FORMATS
from diptych.export.running import open_graph
from diptych.export.writing import Report, export_graph, parity_file
from diptych.methods.method import Method
from diptych.model.card import Card
from diptych.model.chain import Chain
from diptych.model.chained import Chained
from diptych.model.folder import read_card
from diptych.runtime.precision import words
from diptych.runtime.speed import PLAIN
from diptych.storage.fetching import sha256
from diptych.storage.files import write_text
from diptych.tiling import Tiling

CHAINED = ".json"
"""How the file that names the models of a chain ends."""


class Named(BaseModel):
    """What a chain's file says. files: the sha256 of each model's file, by its name, in the order of work."""

    model_config = ConfigDict(extra="forbid")

    card: dict[str, Any]
    version: str
    runtime: str
    files: dict[str, str]


def export_chain(chain: Chain, runtime: str, place: Path, controls: Mapping[str, Any]) -> list[Report]:
    """Write each model of a chain for another runtime as NAME-1, NAME-2 ..., and NAME.json, which opens as the chain.

    Raises as `export_model` does; then no file is left.
    """
    if place.suffix.lower() != CHAINED:
        raise ConfigError(
            f"{place}: a chain for {runtime} is several files, and the one that names them ends in {CHAINED}"
        )
    chain.checked(controls)
    suffix = FORMATS[runtime].suffix
    places = [place.with_name(f"{place.stem}-{number}{suffix}") for number in range(1, len(chain.parts) + 1)]
    own = chain.own_controls({name: value for name, value in controls.items() if name != "to"})
    reports: list[Report] = []
    try:
        for part, given, file in zip(chain.parts, own, places, strict=True):
            reports.append(export_graph(part, runtime, file, given))
        files = {file.name: sha256(file) for file in places}
        named = Named(card=chain.card.model_dump(mode="json"), version=chain.version, runtime=runtime, files=files)
        write_text(place, json.dumps(named.model_dump(), indent=2) + "\n")
    except BaseException:
        for file in places[: len(reports)]:
            for made in (file, file.with_suffix(".bin"), parity_file(file)):
                made.unlink(missing_ok=True)
        raise
    return reports


def is_chain(path: Path) -> bool:
    """Whether a file is one that names the models of a chain, by its ending."""
    return path.suffix.lower() == CHAINED and not path.is_dir()


def read_chain(path: Path) -> Named:
    """What the file of a chain says. Raises ModelError."""
    try:
        named = Named.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise ModelError(f"{path} is no exported chain: {error.errors()[0]['msg']}") from None
    if odd := [name for name in named.files if Path(name).name != name or name in ("", ".", "..")]:
        raise ModelError(f"{path}: {odd[0]!r} is not a file beside it: not opened")
    return named


def open_chain(path: Path, *, bf16: bool = False, snap_colours: bool = False) -> Chain:
    """The chain that a file names. Raises as `open_exported` does."""
    named = read_chain(path)
    card = read_card(path, json.dumps(named.card).encode())
    parts = [open_part(path.with_name(name), digest, bf16) for name, digest in named.files.items()]
    if len(parts) != len(card.parts):
        raise ModelError(
            f"{path} names {len(parts)} models, and its card has {len(card.parts)}: export the chain again"
        )
    card = card.model_copy(update={"parts": [about for _, about in parts]})
    method = Chained([method for method, _ in parts])
    off = Tiling("off")
    chain = Chain(method, card, version=named.version, speed=PLAIN, device="cpu", snap_colours=snap_colours, tiling=off)
    chain.precision = words(bf16)  # the runtime's, not torch's
    return chain


def open_part(path: Path, digest: str, bf16: bool) -> tuple[Method, Card]:
    if not path.is_file():
        raise ModelError(f"{path} is missing: the files of an exported chain belong together")
    if sha256(path) != digest:
        raise ModelError(f"{path} is not the one that the chain was made with: export the chain again")
    translator = open_graph(path, bf16=bf16)
    return translator.method, translator.card
