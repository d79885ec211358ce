"""What SqueezeNet 1.1 sees in a picture, as 512 numbers: features in which two sets of pictures are compared.

Iandola et al.: SqueezeNet: AlexNet-Level Accuracy with 50x Fewer Parameters, 2016.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diptych.errors import DataError
from diptych.nn.perceptual import SqueezeNet
from diptych.storage.weights import locate, read

SIZE = 224
"""Height and width of the pictures that the network was trained on."""

FEATURES = (
    "SqueezeNet 1.1 (ImageNet), the 512 channels after its last fire module (features.12, rectified), averaged over "
    "the picture, which is brought to 224 x 224 pixels first (antialiased bicubic, one channel repeated to three)"
)
"""The protocol, in words."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, on a scale from 0 to 1


@torch.no_grad()
def features(pictures: Tensor) -> np.ndarray:
    """What the network sees in each of the pictures `B C H W` in [-1, 1], C one or three: `B 512`, float64.

    Raises DataError for other channels, WeightsError where the weights are missing or damaged.
    """
    if (channels := pictures.shape[1]) not in (1, 3):
        raise DataError(f"squeezenet looks at grey or colour pictures; these have {channels} channels")
    network = trained(locate("squeezenet")).to(pictures.device)
    x = F.interpolate(pictures.float(), (SIZE, SIZE), mode="bicubic", antialias=True).clamp(-1, 1)
    mean, deviation = (x.new_tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
    last = network(((x + 1) / 2 - mean) / deviation)[-1]
    return last.mean(dim=(2, 3)).double().cpu().numpy()


@lru_cache(maxsize=1)
def trained(path: Path) -> SqueezeNet:
    """The network with the weights of this file, ready for use."""
    network = SqueezeNet()
    network.load_state_dict({key: value for key, value in read(path).items() if key.startswith("features.")})
    return network.eval().requires_grad_(False)
