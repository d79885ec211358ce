"""Frechet distance of two sets of pictures in the features of Yahoo's open_nsfw."""

from __future__ import annotations

from diptych.metrics import frechet
from diptych.metrics.frechet import BETTER, BIASED, compare, distance
from diptych.metrics.resnet_nsfw import FEATURES, features

__all__ = ["BETTER", "BIASED", "PROTOCOL", "compare", "distance", "features"]

PROTOCOL = f"{frechet.PROTOCOL}; features: {FEATURES}"
