"""How far two translators are from one another, and how fast each is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from diptych.errors import DataError, WeightsError
from diptych.metrics import find as metric
from diptych.model.translator import Translator


@dataclass(frozen=True)
class Difference:
    """At a size, the largest and the mean difference of values in [-1, 1], and LPIPS, or why there is none."""

    size: str
    largest: float
    mean: float
    lpips: float | str


def compare(
    origin: Translator, controls: Mapping[str, Any], other: Translator, sizes: Sequence[tuple[int, int]]
) -> tuple[list[Difference], float]:
    """What two translators differ by at each size, and the second's time for a picture of the last, the first's 1."""
    seed = {name: value for name, value in controls.items() if name in other.controls}
    found = []
    for height, width in sizes:
        x = scene(origin, controls, height, width)
        one = origin.batch(x, **controls).cpu()
        twice = [other.batch(x, **seed).cpu() for _ in range(2)]  # a runtime may change its mind
        off, another = torch.stack([(one - each).abs() for each in twice]), twice[-1]
        size = f"{width}x{height}"
        found.append(Difference(size, float(off.max()), float(off.mean()), lpips(one, another)))
    runs = [lambda: origin.batch(x, **controls), lambda: other.batch(x, **seed)]
    first, second = interleaved(runs, rounds=5)
    return found, second / first


def scene(translator: Translator, controls: Mapping[str, Any], height: int, width: int) -> Tensor:
    """A picture, or one-hot classes, smooth and always the same, `1 C h w` in [-1, 1]."""
    side = translator.given_ends(controls.get("to"))[0]
    coarse = torch.rand(1, side.channels, 6, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1
    x = F.interpolate(coarse, (height, width), mode="bicubic").clamp(-1, 1)
    if not side.legend:
        return x
    return 2 * F.one_hot(x.argmax(1), side.channels).movedim(-1, 1).float() - 1


def lpips(one: Tensor, other: Tensor) -> float | str:
    """LPIPS between pictures of one or three channels, where its weights are at hand."""
    if one.shape[1] not in (1, 3):
        return "not of pictures"
    try:
        return round(float(metric("lpips_squeeze").measure(one, other)), 6)
    except (WeightsError, DataError) as error:
        return f"not measured: {error}"


def interleaved(runs: Sequence[Callable[[], object]], *, rounds: int) -> list[float]:
    """The median seconds of each, taken in turn, after one that does not count."""
    times: list[list[float]] = [[] for _ in runs]
    for turn in range(rounds + 1):
        for run, mine in zip(runs, times, strict=True):
            start = time.perf_counter()
            run()
            if turn:
                mine.append(time.perf_counter() - start)
    return [median(mine) for mine in times]
