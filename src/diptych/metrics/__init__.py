"""One file per metric, whose name stands for its protocol; a metric is found by the name of its file.

A metric is a module with `PROTOCOL` (one sentence: how the number is made), `BETTER` ("higher" or "lower") and
`measure(output, target)`: pictures `B C H W` in [-1, 1] to one number each, shape `(B,)`. It raises DataError or
WeightsError when it cannot judge such pictures here. What compares two sets of pictures, without pairs, is in
`diptych.metrics.sets`; what judges several answers to one picture, in `diptych.metrics.samples`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, cast

from diptych.errors import ConfigError
from diptych.options import plugins

if TYPE_CHECKING:
    from torch import Tensor


class Metric(Protocol):
    """What every metric's module offers."""

    PROTOCOL: str
    BETTER: Literal["higher", "lower"]

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """One number for each picture of the batch: shape `(B,)`."""


def names() -> list[str]:
    """The built-in metrics, by name."""
    return plugins.names(
        __file__,
        besides={"confusion", "frechet", "interval", "kernel", "manifold", "resnet_nsfw", "samples", "squeezenet"},
    )


def find(name: str) -> Metric:
    """The metric `diptych.metrics.<name>`, or the module `name` when it has a dot (`my_lab.mymetric`).

    Raises ConfigError when there is no such module, or one without `measure`.
    """
    module = plugins.load("metric", name, __name__, names())
    missing = {"PROTOCOL", "BETTER", "measure"} - vars(module).keys()
    if missing:
        raise ConfigError(f"the module {module.__name__!r} is not a metric: it lacks {', '.join(sorted(missing))}")
    return cast(Metric, module)
