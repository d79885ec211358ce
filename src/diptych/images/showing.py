"""Pictures side by side on one sheet, for samples and reports."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from diptych.images.values import filled, fitting_range, match_channels


def grid(rows: Sequence[Sequence[np.ndarray]], *, gap: int = 4, titles: Sequence[str] | None = None) -> np.ndarray:
    """Rows of pictures of any size, depth and channels as one uint8 RGB picture on white, with titles per column."""
    shown = [[displayable(array) for array in row] for row in rows]
    widths = [max(row[i].shape[1] for row in shown if i < len(row)) for i in range(max(map(len, shown)))]
    heights = [max(array.shape[0] for array in row) for row in shown]
    top = 20 if titles else 0
    canvas = np.full((top + sum(heights) + gap * (len(rows) + 1), sum(widths) + gap * (len(widths) + 1), 3), 255, "u1")
    lefts = [gap + sum(widths[:i]) + gap * i for i in range(len(widths))]
    y = top + gap
    for row, height in zip(shown, heights, strict=True):
        for array, x in zip(row, lefts, strict=False):
            canvas[y : y + array.shape[0], x : x + array.shape[1]] = array
        y += height + gap
    return _titled(canvas, titles, lefts) if titles else canvas


def _titled(canvas: np.ndarray, titles: Sequence[str], lefts: Sequence[int]) -> np.ndarray:
    image = Image.fromarray(canvas)
    draw = ImageDraw.Draw(image)
    for title, x in zip(titles, lefts, strict=False):
        draw.text((x, 5), title, fill=(40, 40, 40), font=ImageFont.load_default())
    return np.array(image)


def displayable(array: np.ndarray, *, side: int | None = None) -> np.ndarray:
    """Any picture as uint8 RGB: of more than three channels the first three, of two the first.

    side: pixels a side that are enough; of a larger picture only some are taken.
    """
    step = -(-max(array.shape[:2]) // side) if side else 1
    array = array[::step, ::step]
    if array.dtype != np.uint8:
        array = filled(array)
        low, high = fitting_range(array.dtype, float(array.min()), float(array.max()))
        array = ((array.astype(np.float32) - low) / (high - low) * 255).round().astype(np.uint8)
    return array[..., :3] if array.shape[2] >= 3 else match_channels(array[..., :1], 3)
