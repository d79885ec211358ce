"""What Yahoo's open_nsfw, a ResNet-50 with half the channels, sees in a picture: no method trains on this network.

Mahadeokar and Pesavento: Open Sourcing a Deep Learning Solution for Detecting NSFW Images, Yahoo 2016: trained on
ImageNet's thousand classes, then on telling pictures that are not safe for work. Why what
trains must not score: Kynkaanniemi et al.: The Role of ImageNet Classes in Frechet Inception Distance, ICLR 2023.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diptych.errors import DataError
from diptych.nn.thin_resnet import ThinResNet
from diptych.storage.onnx_file import convolutions
from diptych.storage.weights import locate

SIZE, SMALLEST = 224, 32
NETWORK = "Yahoo's open_nsfw (ResNet-50 of half the channels; ImageNet, then pictures not safe for work)"
FEATURES = (
    f"{NETWORK}, the 1024 channels after its last block (rectified), averaged over the picture, which is brought to "
    "224 x 224 pixels first (antialiased bicubic, one channel repeated to three)"
)
"""The protocol of `features`, in words."""

MEAN = (104.0, 117.0, 123.0)  # blue, green, red: the order of its training, on a scale from 0 to 255


@torch.no_grad()
def features(pictures: Tensor) -> np.ndarray:
    """What the network sees in each of the pictures `B C H W` in [-1, 1], C one or three: `B 1024`, float64.

    Raises DataError for other channels, WeightsError where the weights are missing or damaged.
    """
    network = judge(pictures)
    x = F.interpolate(pictures.float(), (SIZE, SIZE), mode="bicubic", antialias=True).clamp(-1, 1)
    return network(prepared(x))[-1].mean(dim=(2, 3)).double().cpu().numpy()


def judge(pictures: Tensor) -> ThinResNet:
    """The network, where `pictures` are. Raises DataError or WeightsError when it cannot judge them here."""
    if (channels := pictures.shape[1]) not in (1, 3):
        raise DataError(f"resnet_nsfw looks at grey or colour pictures; these have {channels} channels")
    return trained(locate("resnet_nsfw")).to(pictures.device)


def prepared(pictures: Tensor) -> Tensor:
    """Pictures `B C H W` in [-1, 1] as in the network's training."""
    x = (pictures.float().expand(-1, 3, -1, -1) + 1) * 127.5
    return x.flip(1) - x.new_tensor(MEAN).view(3, 1, 1)


@lru_cache(maxsize=1)
def trained(path: Path) -> ThinResNet:
    """The network with the weights of this file, ready for use."""
    network, seen = ThinResNet(), convolutions(path)
    names = {"first": "bn_1"}
    for stage, count in enumerate(network.blocks):
        for block in range(count):
            layers = ("branch2a", "branch2b", "branch2c", *["proj_shortcut"] * (block == 0))
            names |= {f"stages.{stage}.{block}.{layer}": f"bn_stage{stage}_block{block}_{layer}" for layer in layers}
    weights: dict[str, Tensor | None] = {}
    for ours, published in names.items():
        weights[f"{ours}.weight"], weights[f"{ours}.bias"] = seen[f"{published}/FusedBatchNormV3:0"]
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)
