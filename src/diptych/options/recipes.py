"""Recipes: nested options, from YAML files and `key=value`."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from diptych.errors import ConfigError, reason_of
from diptych.storage.files import irregular

PACKAGE = Path(__file__).parents[1]
LEVELS = 10
"""How deep options may be nested."""

RENAMED = {"steady": "stabilizers"}
"""Sections by the names that they had until version 0.1, which are understood, with a warning, until 0.3."""
MOVED = ("data", "task"), ("task", "name")
"""An option, as section and name, and where it is now; likewise."""


def assignments(arguments: list[str]) -> dict[str, Any]:
    """Turn `["train.batch=8", "data.size=256"]` into nested options; values are read as YAML."""
    options: dict[str, Any] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or not all(key.split(".")):
            raise ConfigError(f"{argument!r} is not of the form section.option=value, as in train.batch=8")
        *path, last = key.split(".")
        if len(path) > LEVELS:
            raise ConfigError(f"{argument[:60]}... is nested more than {LEVELS} levels deep")
        inner = options
        for part in path:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"{argument!r}: {part} already has a value")
        inner[last] = parse(value, argument)
    return renamed(options)


def parse(text: str, where: str) -> Any:
    try:
        return shallow(yaml.safe_load(text))
    except (yaml.YAMLError, ValueError):  # of a number or a date that there is not
        raise ConfigError(f"{where[:200]}: the value is not valid YAML; put it in quotes") from None
    except RecursionError:
        raise ConfigError(f"{where[:60]}...: the value is nested more than {LEVELS} levels deep") from None


def shallow(value: Any) -> Any:
    """`value`, whose lists and mappings are not nested deeper than anything here needs. Raises RecursionError."""
    within = [value]
    for _ in range(LEVELS + 1):
        holders = {
            id(one): one for one in within if isinstance(one, dict | list)
        }.values()  # each once: YAML has aliases
        if not holders:
            return value
        within = [inner for one in holders for inner in (one.values() if isinstance(one, dict) else one)]
    raise RecursionError


def renamed(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Options by section, those of a section's former name under that of today. Raises ConfigError where both are."""
    for old, new in RENAMED.items():
        if old in sections and new in sections:
            raise ConfigError(f"{old} is the former name of {new}, and both are given: put all into {new}")
        if old in sections:
            warn_of(old, new)
    return moved({RENAMED.get(name, name): options for name, options in sections.items()})


def moved(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Options by section, those that are elsewhere now there. Raises ConfigError where both are given."""
    (section, name), (there, new) = MOVED
    options, given = sections.get(section), sections.get(there)
    if not isinstance(options, Mapping) or name not in options:
        return dict(sections)
    if given:
        raise ConfigError(f"{section}.{name} is the former name of {there}.{new}, and both are given: leave it out")
    warn_of(f"{section}.{name}", f"{there}.{new}")
    rest = {option: value for option, value in options.items() if option != name}
    return {**sections, section: rest, there: {new: options[name]}}


@functools.cache
def warn_of(old: str, new: str) -> None:
    message = f"{old} is now called {new}: the former name is understood until version 0.3"
    warnings.warn(message, FutureWarning, stacklevel=4)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the options of `over` laid on top, section by section."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return merged


def shipped(path: Path) -> Path:
    """The file itself; where there is none, and it is in `recipes/`, the one that came with the package."""
    if path.exists() or path.is_absolute() or path.parts[:1] != ("recipes",):
        return path
    places = (PACKAGE, PACKAGE.parents[1])  # installed; or in a clone, beside src/
    return next((place / path for place in places if (place / path).exists()), path)


def read_yaml(path: Path, what: str) -> Any:
    """What a YAML file holds. Raises ConfigError that says `what` it is, and the line where it is not YAML."""
    path = shipped(path)
    if kind := irregular(path):
        raise ConfigError(f"the {what} {path} is {kind}: name a file")
    try:
        return shallow(yaml.safe_load(path.read_text(encoding="utf-8")))
    except RecursionError:
        raise ConfigError(f"the {what} {path} is nested more than {LEVELS} levels deep: that is no {what}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the {what} {path} cannot be read: {reason_of(error)}") from None
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        place = f", line {mark.line + 1}" if mark else ""
        problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else error
        raise ConfigError(f"the {what} {path}{place} is not YAML: {problem}") from None
    except ValueError as error:
        raise ConfigError(f"the {what} {path} holds a number or a date that there is not: {error}") from None


def read_recipe(path: Path) -> dict[str, Any]:
    """The options in a YAML file. Raises ConfigError naming the file, and the line where it is not YAML."""
    recipe = read_yaml(path, "recipe")
    sections = [recipe, *recipe.values()] if isinstance(recipe, dict) else [None]
    if not all(
        isinstance(s, str) or (isinstance(s, dict) and all(isinstance(key, str) for key in s)) for s in sections
    ):
        raise ConfigError(f"the recipe {path} must hold sections such as method: and data:, with options by name")
    return renamed(recipe)


def named(options: Any) -> bool:
    """Whether `options` is a mapping whose keys are names."""
    return isinstance(options, dict) and all(isinstance(key, str) for key in options)


def dump(recipe: Mapping[str, Any]) -> str:
    """A recipe as YAML, in the order given."""
    return yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
