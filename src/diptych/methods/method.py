"""What a method is: networks, the steps that train them, and the use of the trained ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Interval
from torch import Tensor, nn

Count = Annotated[int, Gt(0)]
"""The type of an option that counts channels, layers, samples."""
Weight = Annotated[float, Ge(0)]
"""The type of an option that weighs a term of the loss."""

Seed = Annotated[int, Interval(ge=0, lt=2**63)]
"""The type of a control that makes random draws repeatable."""


class Step:
    """One optimisation step: the networks that move, and the terms of the loss they move down.

    `groups` are names from `Method.groups`. The loss is the sum of `terms`, their weights already applied.
    """

    def __init__(self, *groups: str, **terms: Tensor) -> None:
        self.groups = groups
        self.terms = terms

    @property
    def loss(self) -> Tensor:
        return reduce(add, self.terms.values())


@dataclass(frozen=True)
class Adam:
    """The published optimiser of one group (Kingma and Ba 2015)."""

    lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: float = 0.0


class Method(nn.Module):
    """Networks and equations, and nothing of devices, files, loops or logs.

    The signature of `__init__` is the schema of its options (keyword only, annotated, the paper's defaults);
    `source_channels` and `target_channels` among them are read from the data. The argument names of `steps` say which
    data it learns from (`source, target`: pairs), the keyword arguments of `translate` which controls a user has.
    """

    keep: ClassVar[tuple[str, ...]]
    """Names of the parts that `translate` needs: they are averaged, bundled and exported."""

    progress: float = 0.0
    """How much of the training is done, 0 to 1; set by the trainer."""

    granularity: int = 1
    """Heights and widths that the networks accept are multiples of this."""

    def groups(self) -> dict[str, list[nn.Module]]:
        """Which networks move together."""
        raise NotImplementedError

    def optimisers(self) -> dict[str, Adam]:
        """The published optimiser of each group."""
        return {name: Adam() for name in self.groups()}

    def steps(self, *args: Any, **batch: Any) -> Iterator[Step]:
        """Yield the steps of one batch, pictures `B C H W` in [-1, 1]; a step is taken before the next is asked for."""
        raise NotImplementedError

    def translate(self, *args: Any, **controls: Any) -> Tensor:
        """Turn pictures `B C H W` in [-1, 1] into their counterparts; pure, and safe to call from several threads."""
        raise NotImplementedError


def parameters(networks: Iterable[nn.Module]) -> list[nn.Parameter]:
    """The parameters of several networks, in order."""
    return [parameter for network in networks for parameter in network.parameters()]
