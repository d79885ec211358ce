"""One file per method, holding its equations; a method is found by the name of its file.

This package is read without importing torch: `names` and `summaries` look at the files, `find` imports one.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from diptych.errors import ConfigError

if TYPE_CHECKING:
    from diptych.methods.method import Method

FRAME = {"__init__", "method"}


def names() -> list[str]:
    """The built-in methods, by name."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in FRAME)


def summaries() -> dict[str, str]:
    """Each built-in method's name and the sentence its file opens with."""
    sources = {name: Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8") for name in names()}
    return {name: (ast.get_docstring(ast.parse(source)) or "").split("\n")[0] for name, source in sources.items()}


def find(name: str) -> type[Method]:
    """The method class in `diptych.methods.<name>`, or in the module `name` when it has a dot (`my_lab.mymethod`).

    Raises ConfigError when there is no such module or it defines no method.
    """
    from diptych.methods.method import Method

    path = name if "." in name else f"diptych.methods.{name}"
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if not path.startswith(error.name or path):
            raise
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names())}"
        raise ConfigError(f"no method is called {name!r}; {hint}") from None
    for value in vars(module).values():
        own = inspect.isclass(value) and value.__module__ == module.__name__
        if own and issubclass(value, Method) and value is not Method:
            return value
    raise ConfigError(f"the module {path!r} defines no subclass of diptych.methods.method.Method")
