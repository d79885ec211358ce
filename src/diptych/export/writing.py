"""A model is written as one graph for another runtime, and tried beside its origin."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from diptych.errors import ConfigError, ModelError
from diptych.export.comparing import Difference, compare
from diptych.export.formats import FORMATS, LARGEST
from diptych.export.graph import trace
from diptych.export.running import Info, one_way, open_graph
from diptych.model.translator import Translator
from diptych.runtime.memory import size
from diptych.storage.files import storing, write_text

CLOSE = 1e-4
"""How far an exported model may be from its origin, of values in [-1, 1]."""


@dataclass(frozen=True)
class Report:
    """How near an exported model is to its origin.

    sizes: what was found at each size. time: of a picture, that of the model with torch in float32 being 1.
    """

    file: str
    model: str
    runtime: str
    controls: dict[str, Any]
    sizes: list[Difference]
    time: float

    def to_text(self) -> str:
        head = f"{'size':>11}  {'largest':>9}  {'mean':>9}  lpips"
        rows = [f"{one.size:>11}  {one.largest:9.1e}  {one.mean:9.1e}  {one.lpips}" for one in self.sizes]
        return "\n".join(
            [f"{self.file}, for {self.runtime}", head, *rows, f"time for a picture, torch 1: {self.time:.2f}"]
        )


def export_graph(translator: Translator, runtime: str, place: Path, controls: Mapping[str, Any]) -> Report:
    """`export_model` for a model that is no chain."""
    form = FORMATS[runtime]
    if place.suffix.lower() != form.suffix:
        raise ConfigError(f"{place}: a file for {runtime} ends in {form.suffix}")
    checked, known = translator.checked(controls), translator.controls
    given = translator.of_method(checked)
    to = translator.ends(controls.get("to"))[1].name
    method = copy.deepcopy(translator.method).cpu()
    method.fold_weights()
    weight = sum(tensor.nbytes for tensor in method.state_dict().values())
    if weight > LARGEST:
        raise ModelError(f"the model has {size(weight)} of weights, and one file holds {size(LARGEST)}")
    given = {name: value.cpu() if isinstance(value, torch.Tensor) else value for name, value in given.items()}
    channels = translator.given_ends(to)[0].channels
    program = trace(method, given, sizes_for(method.size_multiple), channels)
    card = one_way(translator.card, to)
    pictures = {name: tuple(value.shape) for name, value in given.items() if isinstance(value, torch.Tensor)}
    words = {name: value for name, value in given.items() if name not in pictures}
    fixed = {name: value for name, value in words.items() if not known[name].numbers_answers}
    info = Info(
        card=card.model_dump(mode="json"), version=translator.version, controls=fixed,
        pictures=pictures,
    )  # fmt: skip
    with storing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
    form.write(program, info.model_dump_json(), place)
    try:
        found, time = compare(translator, checked, open_graph(place), sizes_for(method.size_multiple))
        if (worst := max(one.largest for one in found)) > CLOSE:
            raise ModelError(f"the exported model is {worst:.1e} away from its origin, more than {CLOSE:.0e}")
    except BaseException:
        for suffix in (form.suffix, ".bin"):
            place.with_suffix(suffix).unlink(missing_ok=True)
        raise
    shown = {**fixed, **dict.fromkeys(pictures, "a picture")}
    packages = ", ".join(f"{name} {version(name)}" for name in form.packages)
    report = Report(place.name, translator.version, packages, shown, found, time)
    write_text(parity_file(place), json.dumps(asdict(report), indent=2) + "\n")
    return report


def parity_file(place: Path) -> Path:
    """Where it is written how near an exported file is to its origin."""
    return place.with_name(f"{place.name}.parity.json")


def sizes_for(size_multiple: int) -> list[tuple[int, int]]:
    """Two heights and widths, no two of them alike, of which networks take multiples."""
    unit = max(size_multiple, 32)
    return [(3 * unit, 4 * unit), (5 * unit, 2 * unit)]
