"""Methods, metrics and tasks are modules, found by their names: a new file is all it takes to add one."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from diptych.errors import ConfigError, DiptychError

INSTALL = "install the package that has it, or name its module by --plugin"


def names(package_file: str, *, besides: set[str]) -> list[str]:
    """The modules beside `package_file`, by name, without those in `besides`, which are none."""
    return sorted(
        path.stem for path in Path(package_file).parent.glob("*.py") if path.stem not in {"__init__", *besides}
    )


def announced(package: str) -> dict[str, str]:
    """The modules of installed packages that are entry points of the group `package`, by name; nothing is imported."""
    return {point.name: point.value.partition(":")[0] for point in entry_points(group=package)}


def module_of(name: str, package: str, known: list[str]) -> str:
    """Where the module called `name` is: beside the `known` ones, announced by a package, or as itself where it has a
    dot or is a plugin.
    """
    if "." in name:
        return name
    return f"{package}.{name}" if name in known else announced(package).get(name, name if name in plugins else "")


def load(kind: str, name: str, package: str, known: list[str]) -> ModuleType:
    """The module `package.name`, one that a package announces as that, or `name` itself if dotted (`my_lab.mymethod`).

    Raises ConfigError when there is none, with the nearest of the `known` names.
    """
    path = module_of(name, package, known)
    if path and all(part.isidentifier() for part in path.split(".")):
        try:
            return importlib.import_module(path)
        except ModuleNotFoundError as error:
            if not path.startswith(error.name or path):
                raise
    known = [*known, *announced(package)]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
    raise ConfigError(f"no {kind} is called {name!r}; {hint}") from None


def load_object(kind: str, name: str, package: str, known: list[str], attribute: str) -> Any:
    """What the module that `load` finds calls `attribute`. Raises ConfigError where it has none."""
    module = load(kind, name, package, known)
    if not hasattr(module, attribute):
        raise ConfigError(f"the module {module.__name__!r} is not a {kind}: it lacks {attribute}")
    return getattr(module, attribute)


plugins: list[str] = []
"""The modules that the user has named, and trusts: methods, tasks and metrics in them may be imported for a model."""


def use(modules: Iterable[str]) -> None:
    """Import plugins, also from the folder that the user is in. Raises ConfigError for one that is not there."""
    for name in modules:
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())  # last: a file there hides nothing
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not name.startswith(error.name or name):
                raise
            raise ConfigError(f"there is no module {name!r}: install its package, or be in its folder") from None
        if name not in plugins:
            plugins.append(name)


def refuse_strangers(
    kind: str, name: str, package: str, known: list[str], place: object, error: type[DiptychError] = ConfigError
) -> None:
    """Raises `error` where a file names a module that is not built in and was not named by the user: loading executes.

    kind, name, package, known: as `load` takes them. place: the file.
    """
    path = module_of(name, package, known)
    if name in known or trusted(path):
        return
    path = path if all(part.isidentifier() for part in path.split(".")) else ""
    remedy = f"add --plugin {path.partition('.')[0]} (in Python: import {path})" if path else INSTALL
    raise error(
        f"{place} names the {kind} {name!r}, which is not built in. Its module is not imported for you, as that would "
        f"execute it: if you trust it, {remedy}"
    )


def trusted(path: str) -> bool:
    """Whether the module at `path` may be imported for a model: it was before, or it is a plugin's."""
    return path in sys.modules or any(path == name or path.startswith(f"{name}.") for name in plugins)
