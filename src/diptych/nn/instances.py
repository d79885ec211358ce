"""What each thing in a picture looks like, as a few numbers: features of pixels, averaged within each thing.

Wang, Liu, Zhu, Tao, Kautz, Catanzaro: High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs,
CVPR 2018, §3.4. Things are told apart by ids, int64 `B 1 H W`: those of instances, or those of the classes of a label
map. Nothing here asks which ids there are, for which the host would have to wait.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from diptych.nn.coarse_to_fine import GlobalGenerator
from diptych.nn.gaussian import seeded_normal

IDS = 65536
"""Ids of instances are below this."""
RATE = 0.01
"""How fast statistics of features forget."""


class FeatureEncoder(nn.Module):
    """An encoder and decoder that gives each pixel `outputs` numbers in [-1, 1], and their averages within each thing.

    channels: of a picture. classes: how many its label map has, each a channel; void pixels are one more class.
    `moments` holds for each class the running means of each feature, of each square, and of whether the class was seen:
    a share by which the others are divided, and which is 0 of a class that never was.
    """

    moments: Tensor

    def __init__(
        self,
        channels: int,
        outputs: int = 3,
        *,
        classes: int,
        width: int = 16,
        downs: int = 4,
        norm: Literal["instance", "batch"] = "instance",
    ) -> None:
        super().__init__()
        self.network = GlobalGenerator(channels, outputs, width=width, downs=downs, blocks=0, norm=norm)
        self.register_buffer("moments", torch.zeros(classes + 1, 2 * outputs + 1))

    def forward(self, pictures: Tensor, ids: Tensor) -> Tensor:
        """Features of pictures `B C H W`, alike in all pixels of a thing: `B outputs H W`."""
        return instance_means(self.network(pictures), ids)

    @torch.no_grad()
    def follow(self, features: Tensor, classes: Tensor) -> None:
        """Take features into the statistics of their classes; things count by their size."""
        values = features.permute(0, 2, 3, 1).flatten(0, 2).float()
        counted = torch.cat([values, values.square(), torch.ones_like(values[:, :1])], dim=1)
        sums = torch.zeros_like(self.moments).index_add_(0, classes.flatten(), counted)
        count = sums[:, -1:]
        self.moments.lerp_(sums / count.clamp(min=1), RATE * (count > 0))

    def draw(self, classes: Tensor, ids: Tensor, *, seed: int, strength: float = 1.0) -> Tensor:
        """Features as each class has them, `B outputs H W`, drawn for each id: averages at strength 0."""
        mean, square = (self.moments[:, :-1] / self.moments[:, -1:].clamp(min=1e-6)).chunk(2, dim=1)
        deviation = (square - mean.square()).clamp(min=0).sqrt()
        noise = seeded_normal(seed, IDS, mean.shape[1]).to(mean)
        drawn = mean[classes] + strength * deviation[classes] * noise[ids]
        return drawn.clamp(-1, 1).squeeze(1).movedim(-1, 1)


def classes_of(one_hot: Tensor) -> Tensor:
    """The class of each pixel of a label map, `B K H W` in [0, 1], as ids `B 1 H W`; K of void pixels.

    Where more than one plane is 1, as along the borders of instances, the first one counts.
    """
    largest, classes = one_hot.max(dim=1, keepdim=True)
    return torch.where(largest > 0, classes, one_hot.shape[1])


def instance_means(features: Tensor, ids: Tensor) -> Tensor:
    """`B C H W`, each value replaced by the mean of its channel over the pixels of its picture that have its id.

    Sums are made in float32, in a table with a row for every id there may be.
    """
    batch, channels, height, width = features.shape
    pictures = torch.arange(batch, device=ids.device).view(-1, 1, 1, 1)
    rows = (pictures * IDS + ids).flatten()
    values = features.permute(0, 2, 3, 1).reshape(-1, channels).float()  # of pictures in channels_last no copy
    sums = values.new_zeros(batch * IDS, channels).index_add(0, rows, values)
    counts = values.new_zeros(batch * IDS, 1).index_add(0, rows, torch.ones_like(values[:, :1]))
    means = (sums / counts.clamp(min=1)).index_select(0, rows)
    return means.view(batch, height, width, channels).permute(0, 3, 1, 2).to(features.dtype)
