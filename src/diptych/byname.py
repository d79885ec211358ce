"""Methods, metrics and tasks are modules, found by their names: a new file is all it takes to add one."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from types import ModuleType

from diptych.errors import ConfigError


def names(package_file: str, *, frame: set[str]) -> list[str]:
    """The modules beside `package_file`, by name, without those in `frame` that they all stand on."""
    return sorted(path.stem for path in Path(package_file).parent.glob("*.py") if path.stem not in {"__init__", *frame})


def load(kind: str, name: str, package: str, known: list[str]) -> ModuleType:
    """The module `package.name`, or the module `name` of somebody else when it has a dot (`my_lab.mymethod`).

    Raises ConfigError when there is none, with the nearest of the `known` names.
    """
    path = name if "." in name else f"{package}.{name}"
    if name in known or (path == name and all(part.isidentifier() for part in name.split("."))):
        try:
            return importlib.import_module(path)
        except ModuleNotFoundError as error:
            if not path.startswith(error.name or path):
                raise
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
    raise ConfigError(f"no {kind} is called {name!r}; {hint}") from None
