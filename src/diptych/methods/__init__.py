"""One file per method, holding its equations; a method is found by the name of its file.

This package is read without importing torch: `names` and `summaries` look at the files, `find` imports one.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from diptych.errors import ConfigError
from diptych.options import plugins

if TYPE_CHECKING:
    from diptych.methods.method import Method


OURS = ("paired", "unpaired", "multimodal")
"""The methods that are not as published, and the ones to begin with."""


def names() -> list[str]:
    """The built-in methods, by name: ours first."""
    return [*OURS, *(name for name in plugins.names(__file__, besides={"method"}) if name not in OURS)]


def summaries() -> dict[str, str]:
    """Each method's name and the sentence its file opens with; of those of other packages, where they are."""
    sources = {name: Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8") for name in names()}
    ours = {name: (ast.get_docstring(ast.parse(source)) or "").split("\n")[0] for name, source in sources.items()}
    return ours | {name: f"(in {module})" for name, module in plugins.announced(__name__).items() if name not in ours}


def find(name: str) -> type[Method]:
    """The method class in `diptych.methods.<name>`, or in the module `name` when it has a dot (`my_lab.mymethod`).

    Raises ConfigError when there is no such module or it defines no method.
    """
    from diptych.methods.method import Method

    module = plugins.load("method", name, __name__, names())
    for value in vars(module).values():
        own = inspect.isclass(value) and value.__module__ == module.__name__
        if own and issubclass(value, Method) and value is not Method:
            method: type[Method] = value
            return method
    raise ConfigError(f"the module {module.__name__!r} defines no subclass of diptych.methods.method.Method")
