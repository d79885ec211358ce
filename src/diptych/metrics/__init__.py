"""One file per metric, whose name stands for its protocol; a metric is found by the name of its file.

A metric is a module with `PROTOCOL` (one sentence: how the number is made), `BETTER` ("higher" or "lower") and
`measure(output, target)`: pictures `B C H W` in [-1, 1] to one number each, shape `(B,)`. It raises DataError or
WeightsError when it cannot judge such pictures here.
"""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, cast

from diptych.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

FRAME = {"__init__", "interval"}


class Metric(Protocol):
    """What every metric's module offers."""

    PROTOCOL: str
    BETTER: Literal["higher", "lower"]

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """One number for each picture of the batch: shape `(B,)`."""


def names() -> list[str]:
    """The built-in metrics, by name."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in FRAME)


def find(name: str) -> Metric:
    """The metric `diptych.metrics.<name>`, or the module `name` when it has a dot (`my_lab.mymetric`).

    Raises ConfigError when there is no such module, or one without `measure`.
    """
    path = name if "." in name else f"diptych.metrics.{name}"
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if not path.startswith(error.name or path):
            raise
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names())}"
        raise ConfigError(f"no metric is called {name!r}; {hint}") from None
    missing = {"PROTOCOL", "BETTER", "measure"} - vars(module).keys()
    if missing:
        raise ConfigError(f"the module {path!r} is not a metric: it lacks {', '.join(sorted(missing))}")
    return cast(Metric, module)
