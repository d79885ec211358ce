"""Options are the signatures of functions: what is given is checked against them, and every fault named at once."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from diptych.errors import ConfigError

USUAL = {
    "learning_rate": "lr", "base_lr": "lr", "beta1": "betas", "gpu": "device", "gpu_ids": "device", "gpus": "device",
    "batch_size": "batch", "n_epochs": "epochs", "max_epochs": "epochs", "niter": "epochs", "steps": "images",
    "iterations": "images", "max_steps": "images", "load_size": "load", "loadsize": "load", "crop_size": "size",
    "cropsize": "size", "fine_size": "size", "finesize": "size", "image_size": "size", "img_size": "size",
    "resolution": "size", "num_workers": "workers", "num_threads": "workers", "n_workers": "workers",
    "dataroot": "folder", "data_dir": "folder", "netg": "generator", "ngf": "width", "ndf": "discriminator_width",
    "n_layers_d": "discriminator_layers", "lambda_l1": "l1", "lr_policy": "schedule", "random_seed": "seed",
    "manual_seed": "seed", "ema_decay": "ema", "grad_clip": "clip", "amp": "bf16", "fp16": "bf16", "no_flip": "flip",
    "save_epoch_freq": "checkpoint_every", "pretrained": "start", "init_from": "start", "early_stopping": "patience",
}  # fmt: skip
"""What other projects call an option of that name here."""

Sections = Mapping[str, Callable[..., Any]]


def schema(*functions: Callable[..., Any], without: tuple[str, ...] = ()) -> type[BaseModel]:
    """A pydantic model with one field for each parameter of `functions` (of a class: of its `__init__`)."""
    fields = {name: field for function in functions for name, field in fields_of(function, without).items()}
    config = ConfigDict(extra="forbid", protected_namespaces=(), allow_inf_nan=False, arbitrary_types_allowed=True)
    return create_model(functions[0].__name__, __config__=config, **fields)


def fields_of(function: Callable[..., Any], without: tuple[str, ...]) -> dict[str, Any]:
    """The type and the default, `...` where there is none, of each parameter; what is positional only is no option."""
    origin = inspect.unwrap(function)
    annotated = origin.__init__ if inspect.isclass(origin) else origin
    hints = get_type_hints(annotated, include_extras=True)
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in without and parameter.kind not in (parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY)
    }
    return {
        name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in parameters.items()
    }


def with_defaults(function: Callable[..., Any], changed: Mapping[str, Any]) -> Callable[..., Any]:
    """`function` with other defaults for some of its options."""
    signature = inspect.signature(function)
    parameters = [p.replace(default=changed.get(p.name, p.default)) for p in signature.parameters.values()]

    @functools.wraps(function, updated=())
    def called(**options: Any) -> Any:
        return function(**{**changed, **options})

    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return called


def defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """The options of `function` that have a default, with it."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty and p.kind is not p.POSITIONAL_ONLY}


def check(sections: Sections, given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Complete and convert the options of every section.

    Raises ConfigError that lists all unknown, missing and ill-typed options, each with the nearest right one.
    """
    everywhere = [
        f"{section}.{name}" for section, function in sections.items() for name in schema(function).model_fields
    ]
    faults = [unknown(name, list(sections), everywhere) for name in given if name not in sections]
    completed: dict[str, dict[str, Any]] = {}
    for name, function in sections.items():
        options = given.get(name) or {}
        if isinstance(options, Mapping):
            completed[name], more = complete(schema(function), options, prefix=f"{name}.", elsewhere=everywhere)
            faults += more
        else:
            faults.append(f"{name} must hold options, not {options!r}")
    if faults:
        raise ConfigError("\n".join(dict.fromkeys(faults)))
    return completed


def complete(
    fields: type[BaseModel], options: Mapping[str, Any], *, prefix: str = "", elsewhere: Sequence[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """Options completed by the defaults of a schema and converted to its types, and what is wrong with them."""
    try:
        return fields(**options).model_dump(), []
    except ValidationError as error:
        return {}, [explain(prefix, list(fields.model_fields), dict(fault), elsewhere) for fault in error.errors()]


def explain(prefix: str, known: list[str], fault: dict[str, Any], elsewhere: Sequence[str]) -> str:
    name = prefix + str(fault["loc"][0])
    if fault["type"] == "extra_forbidden":
        return unknown(name, [prefix + option for option in known], elsewhere)
    if fault["type"] == "missing":
        return f"{name} must be given"
    return f"{name} = {fault['input']!r}: {fault['msg'].removeprefix('Value error, ')}"


def unknown(name: str, known: list[str], elsewhere: Sequence[str] = ()) -> str:
    """What is said of a name that is not among the `known`: the nearest, or one `elsewhere` that means the same."""
    last = name.rpartition(".")[2].replace("-", "_")
    meant = USUAL.get(last.lower(), last)
    same = [option for option in dict.fromkeys([*known, *elsewhere]) if option.rpartition(".")[2] == meant]
    near = same or difflib.get_close_matches(name, known, n=1)
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else f"there are: {', '.join(known)}"
        if known
        else "there are none"
    )
    return f"{name} is not an option; {hint}"


def describe(section: str, function: Callable[..., Any], *, without: tuple[str, ...] = ()) -> str:
    """The options of `function` for a reader: name, default, type, and what its docstring says of them."""
    fields = schema(function, without=without).model_fields
    lines = [f"{section}:"]
    for name, field in fields.items():
        default = "required" if field.is_required() else field.default
        lines.append(f"  {section}.{name} = {default}".ljust(44) + type_name(field.annotation, field.metadata))
    text = inspect.getdoc(function) or ""
    return "\n".join([*lines, "", *(f"    {line}".rstrip() for line in text.splitlines()), ""])


def type_name(annotation: Any, metadata: list[Any]) -> str:
    """A type in words: `one of lsgan, hinge`, `int > 0`."""
    if get_origin(annotation) is Literal:
        return "one of " * (len(get_args(annotation)) > 1) + ", ".join(map(str, get_args(annotation)))
    if get_origin(annotation) in (Union, UnionType):
        options = get_args(annotation)
        if all(get_origin(option) is Literal for option in options):
            return "one of " + ", ".join(str(value) for option in options for value in get_args(option))
        return " or ".join(type_name(option, []) for option in options)
    if get_origin(annotation) is list:
        return type_name(get_args(annotation)[0], []).replace("one of", "some of")
    if get_origin(annotation) is dict:
        return f"{type_name(get_args(annotation)[1], [])} by name"
    if get_origin(annotation) is Annotated:
        inner, *bounds = get_args(annotation)
        return type_name(inner, bounds)
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    bounds = [
        f"{sign} {value:g}"
        for m in metadata
        for key, sign in signs.items()
        if (value := getattr(m, key, None)) is not None
    ]
    name = "nothing" if annotation is NoneType else getattr(annotation, "__name__", str(annotation))
    return " ".join([name, " and ".join(bounds)]).strip()
