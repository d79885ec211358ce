"""A trained model on the arithmetic and the runtime that suit the machine, chosen by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from diptych.errors import ConfigError, DiptychError, ModelError
from diptych.export import export_model, open_exported, place_for, runtime_of
from diptych.export.comparing import interleaved, scene
from diptych.model.folder import opened, version_of
from diptych.model.translator import Translator
from diptych.runtime.arithmetic import Convolutions, best_rate
from diptych.runtime.speed import Speed
from diptych.storage.files import user_cache


@dataclass(frozen=True)
class Acceleration:
    """How torch runs a model; or the runtime, named in `FORMATS`, that runs it instead, in bfloat16 or not."""

    speed: Speed = field(default_factory=lambda: Speed(bf16=False))
    runtime: str | None = None
    bf16: bool = False


ACCELERATIONS: Mapping[str, Acceleration] = {
    "plain": Acceleration(),
    "bf16": Acceleration(Speed(bf16=True), bf16=True),
    "compile": Acceleration(Speed(bf16=False, compile=True)),
    "bf16-compile": Acceleration(Speed(bf16=True, compile=True), bf16=True),
    "onnx": Acceleration(runtime="onnx"),
    "openvino": Acceleration(runtime="openvino"),
    "openvino-bf16": Acceleration(runtime="openvino", bf16=True),
}


def find(name: str) -> Acceleration:
    """Raises ConfigError for one that there is not."""
    if name not in ACCELERATIONS:
        raise ConfigError(f"there is no acceleration {name!r}: there are {', '.join(ACCELERATIONS)}")
    return ACCELERATIONS[name]


def open_translator(
    path: Path, acceleration: str = "plain", *, device: str = "auto", snap_colours: bool = False
) -> Translator:
    """The translator at `path`: a model folder, a run folder, or an exported file.

    A folder that another runtime is to run is exported first, with the controls' defaults, and kept in the user's
    cache. Raises ModelError, or ConfigError for an acceleration that is not known or not of this file.
    """
    chosen = find(acceleration)
    if runtime := runtime_of(path):
        fits = not chosen.speed.compile and chosen.runtime in (None, runtime)
        if not fits:
            raise ConfigError(f"{path} is exported: it runs plain or in bf16, not as {acceleration}")
        return open_exported(path, bf16=chosen.bf16, snap_colours=snap_colours)
    if chosen.runtime:
        return open_exported(exported_copy(path, chosen.runtime), bf16=chosen.bf16, snap_colours=snap_colours)
    return Translator.load(path, speed=chosen.speed, device=device, snap_colours=snap_colours)


def exported_copy(path: Path, runtime: str) -> Path:
    """The file for `runtime` in the user's cache, made if this version of the model has none there."""
    _, files, card = opened(path)
    place = place_for(card, runtime, user_cache("exported") / version_of(files))
    try:
        open_exported(place)
    except ModelError:
        export_model(Translator.load(path, device="cpu"), runtime, place, {})
    return place


@dataclass(frozen=True)
class Timing:
    """One acceleration on this machine. ratio: pictures a second, plain being 1. largest: difference from plain of
    values in [-1, 1]. share: its rate of convolutions, that of torch's best dense one in the same precision being 1,
    where they can be counted. fault: why it cannot be used here."""

    name: str
    milliseconds: float = 0.0
    ratio: float = 0.0
    largest: float = 0.0
    share: float | None = None
    fault: str = ""


def bench(path: Path, names: Sequence[str], *, size: int, rounds: int) -> list[Timing]:
    """Translate one picture of `size` pixels a side by each acceleration, in turn; the first of `names` counts as 1.

    Raises ConfigError for a name that there is not, ModelError where none can be used.
    """
    for name in names:
        find(name)
    opened: dict[str, Translator] = {}
    faults = []
    for name in names:
        try:
            opened[name] = open_translator(path, name, device="cpu")
        except DiptychError as error:
            faults.append(Timing(name, fault=str(error)))
    first = next(iter(opened.values()), None)
    if first is None:
        raise ModelError(faults[0].fault)
    controls = first.checked({})
    x = scene(first, controls, size, size)
    runs = [lambda one=one: one.batch(x, **one.checked({})) for one in opened.values()]
    with torch.inference_mode():
        outputs = [run().float().cpu() for run in runs]
        with Convolutions() as convolutions:  # of an exported file that comes first there are none to be seen
            runs[0]()
        seconds = interleaved(runs, rounds=rounds)
    precisions = {find(name).bf16 for name in opened}
    best = {bf16: best_rate(torch.device("cpu"), bf16=bf16, batch=len(x)) for bf16 in precisions}
    found = []
    for name, taken, output in zip(opened, seconds, outputs, strict=True):
        largest = float((output - outputs[0]).abs().max())
        share = convolutions.operations / taken / best[find(name).bf16] or None
        found.append(Timing(name, 1e3 * taken, seconds[0] / taken, largest, share))
    return found + faults
