"""How different two pictures look to a second network, on which nothing here is trained.

The distance is that of Zhang, Isola, Efros, Shechtman, Wang: The Unreasonable Effectiveness of Deep Features as a
Perceptual Metric, CVPR 2018, eq. 1, without weights that were learned from people's answers.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from diptych.errors import DataError
from diptych.metrics.resnet_nsfw import NETWORK, SMALLEST, judge, prepared
from diptych.nn.perceptual import unit

PROTOCOL = (
    f"{NETWORK}: squared difference of the features, of length one at each place, after its first convolution and its "
    "four stages, mean over places and over the five; whole pictures at their own size, one channel repeated to three: "
    "0 to 2"
)
BETTER: Literal["higher", "lower"] = "lower"


@torch.no_grad()
def measure(output: Tensor, target: Tensor) -> Tensor:
    """The distance of each pair of pictures `B C H W` in [-1, 1], C one or three: shape `(B,)`.

    Raises DataError for other channels or sides under 32 pixels, WeightsError where the weights are missing or damaged.
    """
    network, (height, width) = judge(output), output.shape[-2:]
    if min(height, width) < SMALLEST:
        raise DataError(f"resnet_nsfw needs {SMALLEST} pixels a side; a picture of {width} x {height} is smaller")
    seen = zip(network(prepared(output)), network(prepared(target)), strict=True)
    return torch.stack([(unit(x) - unit(y)).square().sum(dim=1).mean(dim=(1, 2)) for x, y in seen]).mean(dim=0)
