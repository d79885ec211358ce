"""Tiny translator folders with random weights, and pictures for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from small import SMALL

from diptych import images
from diptych.methods import find
from diptych.model.card import Card, Domain, between
from diptych.testing import bundle


def model(folder: Path, method: str = "pix2pix", *, seed: int = 0, **options: object) -> Path:
    """A translator folder; another seed is another version."""
    translator = bundle(find(method), {**SMALL[method], **options})
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in translator.method.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    shape = (48, 64, translator.card.source.channels)
    draw = np.random.default_rng(seed)
    examples = [images.Picture(draw.integers(0, 256, shape, dtype=np.uint8)) for _ in range(2)]
    return translator.save(folder, preview=np.zeros((64, 64, 3), np.uint8), examples=examples)


def picture(number: int = 0, *, size: int = 32, format: str = "PNG") -> bytes:
    """The file of a picture."""
    return images.encode(np.random.default_rng(number).integers(0, 256, (size, size, 3), dtype=np.uint8), format)


def with_ends(card: Card, **ends: Domain) -> Card:
    """A card with other domains as its `source` or `target`."""
    both = {name: ends.get(name, getattr(card, name)) for name in ("source", "target")}
    return card.model_copy(update=between(both, [("source", "target")]))
