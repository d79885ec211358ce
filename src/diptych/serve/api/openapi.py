"""What the server offers, for programs: models as JSON, and the OpenAPI description with each model's own controls."""

from __future__ import annotations

import copy
import html
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from diptych.images import FORMATS
from diptych.images.formats import MEDIA_TYPES
from diptych.images.legend import Class
from diptych.model.card import Domain
from diptych.model.folder import examples
from diptych.options.controls import Control
from diptych.serve import errors
from diptych.serve.engine import Engine, Served
from diptych.serve.engine.viewing import LARGEST, SMALLEST, USUAL

TYPES = {
    "seed": "integer",
    "integer": "integer",
    "strength": "number",
    "number": "number",
    "switch": "boolean",
    "text": "string",
}
FORMAT_NAMES = sorted(suffix[1:] for suffix in FORMATS)


LINES = ("edges", "lines", "line art", "outlines", "scribbles", "silhouettes", "sketches")
"""Names of domains, without their last letters, whose pictures one draws with a pen."""


def model(name: str, served: Served, *, answers_differ: bool = True) -> dict[str, Any]:
    """A model in short. answers_differ: whether several answers to one picture can be told apart."""
    current = served.current
    card = current.card
    preview = f"/v1/models/{name}/preview" if (current.folder / "preview.png").exists() else None
    return {
        "name": name,
        "version": current.version,
        "previous_version": served.previous.version if served.previous else None,
        "method": card.method,
        "task": card.task,
        "turns": card.turns(),
        "domains": [domain.name for domain in card.domains],
        "directions": card.directions,
        "source": domain(card.source),
        "target": domain(card.target),
        "scale": card.scale,
        "answers_differ": answers_differ,
        "preview": preview,
        "licence": card.licence,
        "intended_use": card.intended_use,
        "excluded_use": card.excluded_use,
        "limits": card.limits,
        "examples": [f"/v1/models/{name}/examples/{path.name}" for path in examples(current.folder)],
        "controls": [described(one) for one in current.controls],
    }


def described(control: Control) -> dict[str, Any]:
    """A control, for who wants to show it.

    map: of a picture that lies on the pixels of the one to be translated, what it is: a mask is painted over it. frame:
    which part of a frame around that picture it says. aside: few come for it.
    """
    shown = {"name": control.name, "kind": control.widget, "aside": control.aside}
    return schema_of(control) | shown | {"map": control.map or None, "frame": control.frame or None}


def domain(side: Domain) -> dict[str, Any]:
    """A domain, for who wants to show or draw its pictures.

    classes: of label maps, with the colours that stand for them. drawn_with: classes, or a pen; None: it is no drawing.
    """
    classes = [{"id": c.id, "name": c.name, "colour": "#{:02x}{:02x}{:02x}".format(*c.colour)} for c in known(side)]
    return {
        "name": side.name,
        "channels": side.channels,
        "dtype": side.dtype,
        "low": side.low,
        "high": side.high,
        "classes": classes or None,
        "drawn_with": "classes" if classes else "pen" if is_lines(side.name) else None,
    }


def known(side: Domain) -> tuple[Class, ...]:
    return side.legend.known if side.legend else ()


def is_lines(name: str) -> bool:
    """Whether pictures of this name are drawn with a pen."""
    return any(line.startswith(name.lower()) and len(line) - len(name) <= 2 for line in LINES)


def schema_of(control: Control) -> dict[str, Any]:
    """The JSON schema of a control."""
    if control.is_file:
        return {"type": "string", "format": "binary", "description": control.help}
    if control.choices:
        schema: dict[str, Any] = {"type": "string", "enum": list(control.choices)}
    else:
        schema = {"type": TYPES[control.widget]}
        bounds = {"minimum": control.low, "maximum": control.high}
        whole = schema["type"] == "integer"
        schema |= {name: int(b) if whole else b for name, b in bounds.items() if b is not None}
    if control.default is not None:
        schema["default"] = control.default
    return schema | ({"description": control.help} if control.help else {})


def describe(app: FastAPI, engine: Engine) -> dict[str, Any]:
    """The OpenAPI description, in which each model's translation has its own address and form."""
    message = get_openapi(title=app.title, version=app.version, routes=app.routes, description=__doc__)
    paths = message["paths"]
    for path in list(paths):
        for method, operation in paths[path].items():
            operation["responses"] = {**successes(method, path), **failures(path)}
    general = paths.pop("/v1/models/{name}/translate")
    for name, served in engine.served.items():
        own = copy.deepcopy(general)
        own["post"].pop("parameters", None)
        own["post"]["operationId"] = f"translate_{name}"
        own["post"]["summary"] = f"Translate a picture: {served.current.card.turns()}"
        own["post"]["requestBody"] = form({**translate_form(served)}, ["image"])
        paths[f"/v1/models/{name}/translate"] = own
    names = list(engine.served)
    pictures = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}
    job = {"model": {"type": "string", "enum": names}, "images": pictures, **format_field()}
    job["samples"] = {"type": "integer", "minimum": 1, "maximum": 64, "description": "answers to each picture"}
    paths["/v1/jobs"]["post"]["requestBody"] = form(job, ["model", "images"], further=True)
    opinion = {
        "model": {"type": "string", "enum": names},
        "rating": {"type": "integer", "minimum": -1, "maximum": 1},
        "version": {"type": "string"},
        "comment": {"type": "string"},
        **{name: {"type": "string", "format": "binary"} for name in ("source", "result", "corrected")},
    }
    paths["/v1/view"]["post"]["requestBody"] = form(view_form(names), ["image"])
    paths["/v1/feedback"]["post"]["requestBody"] = form(opinion, ["model", "rating"])
    message.setdefault("components", {}).setdefault("schemas", {})["Error"] = ERROR
    return message


def page(described: Mapping[str, Any]) -> str:
    """The description for eyes: addresses, what they do and their fields, without a script or anything of others."""
    rows = [
        f"<tr><th align=left>{method.upper()} {html.escape(path)}<td>{html.escape(operation.get('summary', ''))}"
        f"<td>{html.escape(', '.join(field_names(operation)))}"
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>diptych</title><h1>The interface</h1>'
        '<p>Programs read <a href="/openapi.json">/openapi.json</a>, which has all fields, bounds and errors.'
        f"<table><tr><th align=left>address<th align=left>what it does<th align=left>fields{''.join(rows)}</table>"
    )


def field_names(operation: Mapping[str, Any]) -> list[str]:
    contents = operation.get("requestBody", {}).get("content", {}).values()
    return [name for content in contents for name in content["schema"].get("properties", {})]


def translate_form(served: Served) -> dict[str, Any]:
    fields = {control.name: schema_of(control) for control in served.current.controls}
    message = "seconds; by default 30, and what a picture of this size may take"
    deadline = {"type": "number", "minimum": 0.1, "maximum": 3600, "description": message}
    keep = {"type": "boolean", "default": False, "description": "keep picture and result: X-History-Id says where"}
    instead_of = {"type": "string", "description": "the id of a translation that is kept, whose place this one takes"}
    own = {"deadline": deadline, "keep": keep, "instead_of": instead_of}
    return {"image": {"type": "string", "format": "binary"}, **fields, **format_field(), **own}


def view_form(names: list[str]) -> dict[str, Any]:
    return {
        "image": {"type": "string", "format": "binary"},
        "model": {
            "type": "string",
            "enum": names,
            "description": "read it as this model's",
        },
        "to": {"type": "string", "description": "of a model that works both ways: the domain to translate to"},
        "side": {
            "type": "integer",
            "minimum": SMALLEST,
            "maximum": LARGEST,
            "default": USUAL,
            "description": "pixels of the longer side at most",
        },
        "as": {"type": "string", "enum": ["png", "jpeg", "npy"], "default": "png", "description": "npy: the values"},
    }


def format_field() -> dict[str, Any]:
    return {"format": {"type": "string", "enum": FORMAT_NAMES, "description": "of the result; by default the input's"}}


def form(properties: dict[str, Any], required: list[str], *, further: bool = False) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": further}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}


def failures(path: str) -> dict[str, Any]:
    """Every status that an error has, with its codes."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ServeError)]
    codes: dict[int, list[str]] = {400: ["bad_request"], 401: ["no_token"], 403: ["cross_site"], 405: ["bad_method"]}
    codes |= {408: ["too_slow"], 421: ["wrong_host"], 429: ["too_many_guesses"]}
    for kind in kinds:
        codes.setdefault(kind.status, []).append(kind.code)
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    found = {
        str(status): {"description": ", ".join(dict.fromkeys(names)), "content": content}
        for status, names in sorted(codes.items())
    }
    found["503"] |= {"headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}}
    if path == "/readyz":
        found["503"] = {"description": "not ready", "content": {"text/plain": {}}}
    return found


def successes(method: str, path: str) -> dict[str, Any]:
    """What comes back when all is well."""
    pictures: dict[str, Any] = {media: {} for media in MEDIA_TYPES.values()}
    views: dict[str, Any] = {"image/png": {}, "image/jpeg": {}, "application/octet-stream": {}}
    kinds: dict[str, dict[str, Any]] = {
        "/translate": pictures,
        "/items/{number}": pictures,
        "/preview": {"image/png": {}},
        "/view": views,
        "/source": pictures,
        "/result": pictures,
        "/controls/{name}": pictures,
        "/examples/{file}": {"image/tiff": {}, **views},
        "/card": {"text/markdown": {}},
        "/results": {"application/zip": {}},
        "/healthz": {"text/plain": {}},
        "/readyz": {"text/plain": {}},
        "/metrics": {"text/plain": {}},
    }
    content: dict[str, Any] = next(
        (kind for end, kind in kinds.items() if path.endswith(end)), {"application/json": {}}
    )
    status = {"/v1/jobs": "202", "/v1/feedback": "201"}.get(path if method == "post" else "", "200")
    return {status: {"description": "what was asked for", "content": content}}
