"""What is black and what white of a side, where a recipe says it: numbers, percentiles of the training, or a unit.

[0, 900]            from 0 to 900
p1-p99              from the 1st to the 99th percentile of the training pictures' values
hu:-1000,1000       from -1000 to 1000 Hounsfield units; any other word names a unit as well
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from diptych.errors import ConfigError

Range = tuple[float, float]
NUMBER = r"[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?"
PERCENTILES = re.compile(rf"p({NUMBER})\s*-\s*p({NUMBER})")
IN_UNIT = re.compile(rf"([a-z][\w/^-]*)\s*:\s*({NUMBER})\s*,\s*({NUMBER})", re.IGNORECASE)
SAMPLED = 1 << 14
"""Values of a picture, at most, that percentiles are taken of."""


@dataclass(frozen=True)
class Policy:
    """percents: the ends are these percentiles of what is measured, and no values. unit: of the values, in words."""

    low: float
    high: float
    percents: bool = False
    unit: str = ""

    @property
    def span(self) -> Range | None:
        """The range, where it is known before anything is measured."""
        return None if self.percents else (self.low, self.high)


def parse(name: str, given: str | list[float]) -> Policy:
    """What is said of the side `name`. Raises ConfigError."""
    option = f"data.ranges.{name}={given if isinstance(given, str) else '[{:g},{:g}]'.format(*given)}"
    if not isinstance(given, str):
        policy = Policy(given[0], given[1])
    elif found := PERCENTILES.fullmatch(given.strip()):
        policy = Policy(float(found[1]), float(found[2]), percents=True)
    elif found := IN_UNIT.fullmatch(given.strip()):
        policy = Policy(float(found[2]), float(found[3]), unit=found[1].upper() if len(found[1]) == 2 else found[1])
    else:
        raise ConfigError(f"{option} is no range: write [0,900], p1-p99, or hu:-1000,1000")
    if not policy.low < policy.high:
        raise ConfigError(f"{option} is no range: write the smaller number first")
    if policy.percents and not 0 <= policy.low < policy.high <= 100:
        raise ConfigError(f"{option}: percentiles lie between p0 and p100")
    return policy


def sample(values: np.ndarray) -> np.ndarray:
    """Some of many values, evenly spread."""
    flat = values.reshape(-1)
    return flat[:: -(-flat.size // SAMPLED)] if flat.size > SAMPLED else flat


def percentiles(policy: Policy, samples: Iterable[np.ndarray], name: str) -> Range:
    """The range of samples of all pictures. Raises ConfigError where both ends are one number."""
    low, high = np.percentile(np.concatenate([*samples]), [policy.low, policy.high])
    if not low < high:
        raise ConfigError(
            f"data.ranges.{name}=p{policy.low:g}-p{policy.high:g}: both are {low:g} in the training pictures: take "
            f"percentiles further apart"
        )
    return float(low), float(high)
