"""How the pictures of the documents are laid out: squares in rows and columns, with white between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from diptych import images

GAP = 6


def sheet(rows: Sequence[Sequence[np.ndarray]], side: int) -> Image.Image:
    """Pictures of one size in rows, each brought to so many pixels a side."""
    laid = Image.new("RGB", tuple(count * (side + GAP) - GAP for count in (len(rows[0]), len(rows))), "white")
    for row, pictures in enumerate(rows):
        for place, array in enumerate(pictures):
            small = Image.fromarray(array).resize((side, side), Image.Resampling.LANCZOS)
            laid.paste(small, (place * (side + GAP), row * (side + GAP)))
    return laid


def square(array: np.ndarray, size: int) -> np.ndarray:
    """The middle of a picture, so many pixels a side."""
    side = min(array.shape[:2])
    top, left = ((length - side) // 2 for length in array.shape[:2])
    return images.resize(array[top : top + side, left : left + side], size, size)
