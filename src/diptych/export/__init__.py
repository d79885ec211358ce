"""Models for other runtimes: a graph in one file, and how far it is from the model it was made of.

A chain is a file for each of its models, and one that names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diptych.errors import ConfigError
from diptych.export.chains import CHAINED, export_chain, is_chain, open_chain, read_chain
from diptych.export.formats import FORMATS, format_of
from diptych.export.running import open_graph
from diptych.export.writing import Report, export_graph, parity_file
from diptych.model.card import Card
from diptych.model.chain import Chain
from diptych.model.translator import Translator

__all__ = ["FORMATS", "Report", "export_model", "open_exported", "parity_file", "place_for", "runtime_of"]


def export_model(translator: Translator, runtime: str, place: Path, controls: Mapping[str, Any]) -> list[Report]:
    """Write a loaded model for another runtime, try it on pictures of two sizes, and write what was found beside it.

    runtime: a name in `FORMATS`. place: as `place_for` names it. controls: what the file will always do, but for
    `seed`, which stays free. Gives a report for each graph. Raises ConfigError for other names, ModelError where the
    method cannot be exported or where the file would give other pictures; then nothing is written.
    """
    if runtime not in FORMATS:
        raise ConfigError(f"there is no runtime {runtime!r} to export to: there are {', '.join(FORMATS)}")
    if isinstance(translator, Chain):
        return export_chain(translator, runtime, place, controls)
    return [export_graph(translator, runtime, place, controls)]


def open_exported(path: Path, *, bf16: bool = False, snap_colours: bool = False) -> Translator:
    """The translator in a file that `export_model` made; nothing in it is executed but its graphs.

    Raises ModelError for a file that is damaged, changed or another's, ConfigError where its runtime is not installed.
    """
    return (open_chain if is_chain(path) else open_graph)(path, bf16=bf16, snap_colours=snap_colours)


def place_for(card: Card, runtime: str, stem: Path) -> Path:
    """What a model's file for a runtime is called: `stem` with the ending that it has."""
    return stem.with_name(f"{stem.name}{CHAINED if card.parts else FORMATS[runtime].suffix}")


def runtime_of(path: Path) -> str | None:
    """Which runtime an exported file is for; None of what is none. Raises ModelError for one that is damaged."""
    if is_chain(path):
        return read_chain(path).runtime
    return next((name for name, one in FORMATS.items() if one is format_of(path)), None)
