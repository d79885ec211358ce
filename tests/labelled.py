"""Small label maps with photos, and their legend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pictures import noise, save

from diptych.images import Picture
from diptych.images.legend import Class, Legend

LEGEND = Legend(
    classes=(
        Class(id=0, name="sky", colour=(10, 20, 200)),
        Class(id=3, name="road", colour=(90, 90, 90)),
        Class(id=7, name="car", colour=(200, 30, 30)),
        Class(id=255, name="void", colour=(0, 0, 0), void=True),
    )
)


def ids(height: int = 32, width: int = 32, seed: int = 0, numbers: tuple[int, ...] = (0, 3, 7, 255)) -> np.ndarray:
    """Blocks of 8x8 pixels of one class."""
    coarse = np.random.default_rng(seed).choice(np.array(numbers, np.uint8), (height // 8, width // 8))
    return coarse.repeat(8, 0).repeat(8, 1)[..., None]


def folder(root: Path, *, colours: bool = False, suffix: str = ".png", count: int = 6, legend: bool = True) -> Path:
    """ROOT/{train,test}/{label,photo}: label maps as ids or in colours, each with a photo."""
    for split, number in [("train", k) for k in range(count)] + [("test", k) for k in range(2)]:
        numbers = ids(seed=number)
        shown = Picture(numbers, palette=LEGEND.palette).visible if colours else numbers
        save(root / split / "label" / f"{number}{suffix}", shown)
        save(root / split / "photo" / f"{number}.png", noise(32, 32, seed=number))
    if legend:
        write_legend(root / "legend.yaml")
    return root


def write_legend(path: Path, legend: Legend = LEGEND) -> Path:
    classes = [c.model_dump(mode="json") for c in legend.classes]
    path.write_text(f"classes: {classes}".replace("True", "true").replace("False", "false"))
    return path
