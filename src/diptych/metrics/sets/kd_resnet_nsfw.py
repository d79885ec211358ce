"""Kernel distance of two sets of pictures in the features of Yahoo's open_nsfw."""

from __future__ import annotations

from diptych.metrics import kernel
from diptych.metrics.kernel import BETTER, BIASED, compare, distance
from diptych.metrics.resnet_nsfw import FEATURES, features

__all__ = ["BETTER", "BIASED", "PROTOCOL", "compare", "distance", "features"]

PROTOCOL = f"{kernel.PROTOCOL.format(channels=1024)}; features: {FEATURES}"
