"""Forms as clients send them: fields to controls, and what every form may say besides."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from typing import Any, TypeVar

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from diptych.errors import ConfigError
from diptych.images import FORMATS
from diptych.options.controls import answer
from diptych.serve.engine import Served
from diptych.serve.errors import BadControl, BadRequest, Gone

ONE = ("image", "format", "deadline", "keep", "instead_of")
"""Fields of the form that has one picture, besides controls."""
MANY = ("images", "model", "format", "samples")
"""Those of one that has many."""
SAMPLES = 64
"""Answers to each picture of a job, at most."""
SHORTEST, LONGEST = 0.1, 3600.0
"""Seconds that a client may be ready to wait."""

T = TypeVar("T")


async def fields(form: FormData, *, without: Collection[str] = ()) -> dict[str, str | bytes]:
    """The fields of a form, files as their bytes. Raises BadRequest for one that is there twice."""
    found: dict[str, str | bytes] = {}
    for name, value in form.multi_items():
        if name in without:
            continue
        if name in found:
            raise BadRequest(f"the field {name[:50]!r} is there twice")
        found[name] = await value.read() if isinstance(value, UploadFile) else value
    return found


def read_controls(served: Served, given: Mapping[str, Any], *, besides: Collection[str] = ()) -> dict[str, Any]:
    """The controls among the fields, checked and converted; some have others `besides`.

    Raises BadControl that names all that is wrong.
    """
    current = served.current
    controls = {name: value for name, value in given.items() if name not in besides and value != ""}
    pictures = {control.name for control in current.controls if control.is_file}
    known = {control.name for control in current.controls} | {"to"}
    wrong = [
        name for name in sorted(known & controls.keys()) if isinstance(controls[name], bytes) != (name in pictures)
    ]
    faults = [f"{name} must be sent as {'a file' if name in pictures else 'a value, not as a file'}" for name in wrong]
    try:
        checked = current.form.read({name: value for name, value in controls.items() if name not in wrong})
    except ConfigError as error:
        raise BadControl("\n".join([*faults, str(error)])) from None
    if faults:
        raise BadControl("\n".join(faults))
    return checked


def name_of(form: FormData, field: str) -> str:
    """What a client calls the file in a field."""
    value = form.get(field)
    return (value.filename if isinstance(value, UploadFile) else None) or ""


def read_switch(name: str, given: str | bytes | None) -> bool:
    """Yes or no, which is what is meant where nothing is said. Raises BadControl."""
    if given not in (None, "", "true", "false"):
        raise BadControl(f"{name}: give true or false")
    return given == "true"


def read_model(given: Mapping[str, Any]) -> str:
    """The name of the model. Raises BadRequest where there is none."""
    name = given.get("model")
    if not isinstance(name, str) or not name:
        raise BadRequest("the model is missing: send its name as the field `model`")
    return name


def read_format(given: str | bytes | None) -> str | None:
    """The name of a format as `png` or `.PNG` has it. Raises BadControl."""
    if given in (None, ""):
        return None
    suffix = f".{given.removeprefix('.').lower()}" if isinstance(given, str) else ""
    if suffix not in FORMATS:
        raise BadControl(f"format = {given[:40]!r}: there are {', '.join(sorted(name[1:] for name in FORMATS))}")
    return FORMATS[suffix]


def read_deadline(given: str | bytes | None) -> float | None:
    """Seconds, or None where the client does not say. Raises BadControl."""
    if given is None or given in ("", b""):
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not SHORTEST <= seconds <= LONGEST:
        raise BadControl(f"deadline = {given[:40]!r}: give seconds, from {SHORTEST} to {LONGEST:g}")
    return seconds


def read_seeds(given: str | bytes | None, served: Served, controls: Mapping[str, Any]) -> list[int | None]:
    """The seeds of several answers to each picture, or one None for the one answer. Raises BadControl."""
    if given in (None, "", "1"):
        return [None]
    count = int(given) if isinstance(given, str) and given.isdecimal() and len(given) < 6 else 0
    if not 1 <= count <= SAMPLES:
        raise BadControl(f"samples = {given[:40]!r}: give a number from 1 to {SAMPLES}")
    if (seed := served.current.seed) is None:
        raise BadControl(f"{served.current.card.method} has one answer to a picture: leave samples out")
    return [answer({seed.name: seed}, controls, number)[seed.name] for number in range(count)]


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives; it is cancelled when the client goes away. Raises Gone."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Gone("the client went away")
    finally:
        for one in (task, gone):
            one.cancel()


async def disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
