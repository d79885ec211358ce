"""LPIPS v0.1 on SqueezeNet 1.1: how different two pictures look to a network that recognises things.

Zhang, Isola, Efros, Shechtman, Wang: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from diptych.errors import DataError
from diptych.nn.perceptual import LPIPS
from diptych.storage.weights import locate, read

SMALLEST = 17
PROTOCOL = (
    "LPIPS v0.1 on SqueezeNet 1.1 (ImageNet) with its published linear layers, whole pictures at their own size in "
    "[-1, 1], one channel repeated to three"
)
BETTER: Literal["higher", "lower"] = "lower"


@torch.no_grad()
def measure(output: Tensor, target: Tensor) -> Tensor:
    """Perceptual distance of each pair of pictures `B C H W` in [-1, 1], C one or three: shape `(B,)`.

    Raises DataError for other channels or sides under 17 pixels, WeightsError where the weights are missing or damaged.
    """
    return judge(output)(colour(output), colour(target))


def judge(pictures: Tensor) -> LPIPS:
    """The network, where `pictures` are. Raises DataError or WeightsError when it cannot judge them here."""
    _, channels, height, width = pictures.shape
    if channels not in (1, 3):
        raise DataError(f"lpips_squeeze looks at grey or colour pictures; these have {channels} channels")
    if min(height, width) < SMALLEST:
        raise DataError(f"lpips_squeeze needs {SMALLEST} pixels a side; a picture of {width} x {height} is smaller")
    return load(locate("lpips_squeeze"), locate("squeezenet")).to(pictures.device)


def colour(pictures: Tensor) -> Tensor:
    """`B 3 H W` of pictures of one or three channels."""
    return pictures.float().expand(-1, 3, -1, -1)


@lru_cache(maxsize=1)
def load(linear: Path, squeezenet: Path) -> LPIPS:
    """The network with the weights of these two files, ready for use; both in their publishers' key names."""
    network = LPIPS()
    features = {key: value for key, value in read(squeezenet).items() if key.startswith("features.")}
    network.network.load_state_dict(features)
    layers = read(linear)
    network.weights.load_state_dict({str(k): layers[f"lin{k}.model.1.weight"] for k in range(len(network.weights))})
    return network.eval().requires_grad_(False)
