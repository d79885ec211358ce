"""What is measured on several answers to one picture: how much they differ, and how good the best of them is.

Zhu et al.: Toward Multimodal Image-to-Image Translation, NeurIPS 2017 (diversity, there on another network).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from diptych.errors import DataError
from diptych.metrics import Metric, lpips_squeeze

PROTOCOL = f"mean distance of all pairs among {{count}} answers to one picture: {lpips_squeeze.PROTOCOL}"
BETTER: Literal["higher", "lower"] = "higher"


@torch.no_grad()
def diversity(answers: Tensor) -> float:
    """Mean pairwise lpips_squeeze among answers `N C H W` in [-1, 1], N at least two: zero where all are the same.

    Raises DataError or WeightsError as that does.
    """
    if len(answers) < 2:
        raise DataError("diversity is of several answers to one picture; here is one: ask for more samples")
    network = lpips_squeeze.judge(answers)
    seen = network.features(lpips_squeeze.colour(answers))
    distances = [
        network.between([scale[k : k + 1] for scale in seen], [scale[k + 1 :] for scale in seen])
        for k in range(len(answers) - 1)
    ]
    return float(torch.cat(distances).mean())


def best_and_mean(metric: Metric, answers: Tensor, target: Tensor) -> tuple[float, float]:
    """The best and the mean score of answers `N C H W` to one picture whose target is `1 C H W`, both in [-1, 1]."""
    values = metric.measure(answers, target.expand_as(answers))
    best = values.max() if metric.BETTER == "higher" else values.min()
    return float(best), float(values.mean())
