"""Patchwise contrast: each place of a translation is to be told by that place of the input, among many others.

Park, Efros, Zhang, Zhu: Contrastive Learning for Unpaired Image-to-Image Translation, ECCV 2020, §3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchHeads(nn.Module):
    """Small networks H_l, one for each layer of an encoder, that make a vector of what the layer holds at a place."""

    def __init__(self, channels: Sequence[int], width: int = 256) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width)) for inputs in channels
        )

    def forward(self, features: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """Vectors of length one, `B P width` for each layer, of features `B C H W` at places `B P`."""
        layers = zip(self.heads, features, places, strict=True)
        return [unit(head(take(feature, place))) for head, feature, place in layers]


def take(feature: Tensor, places: Tensor) -> Tensor:
    """What `B C H W` holds at `places` `B P`, counted row by row: `B P C`."""
    pictures, channels, height, width = feature.shape
    rows = feature.permute(0, 2, 3, 1).reshape(-1, channels)  # of pictures in channels_last no copy
    starts = torch.arange(pictures, device=places.device)[:, None] * (height * width)
    return rows.index_select(0, (starts + places).flatten()).unflatten(0, places.shape)


def unit(x: Tensor) -> Tensor:
    """Vectors along the last dimension, divided by their length."""
    return x / (x.norm(dim=-1, keepdim=True) + 1e-7)


def draw_places(features: Sequence[Tensor], count: int) -> list[Tensor]:
    """Draw up to `count` different places in each picture, for each layer of features `B C H W`: `B P`."""
    return [
        torch.stack([torch.randperm(feature[0, 0].numel(), device=feature.device)[:count] for _ in feature])
        for feature in features
    ]


def draw_flips(pictures: Tensor) -> Tensor:
    """Draw which half of the pictures, on average, is flipped left to right: `B`."""
    return torch.rand(len(pictures), device=pictures.device) < 0.5


def mirror_places(places: Tensor, width: int) -> Tensor:
    """Where `places` are when a map of this width is flipped left to right."""
    return places + (width - 1) - 2 * (places % width)


def patch_nce(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """How hard it is to tell a query's key from the other keys of its group, `G P`, for unit vectors `G P C` (eq. 3).

    That is a cross-entropy; it moves the queries alone. As in the published code, one more negative has similarity -10.
    """
    similarity = F.pad(queries @ keys.detach().mT, (0, 1), value=-10.0).float() / temperature
    return similarity.logsumexp(dim=2) - similarity.diagonal(dim1=1, dim2=2)
