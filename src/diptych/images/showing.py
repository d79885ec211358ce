"""Pictures to be looked at: side by side on one sheet, in a notebook or in a window."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageShow

from diptych.images.picture import Picture
from diptych.images.values import fitting_range, match_channels
from diptych.images.writing import can_hold, write


def display_image(picture: Picture) -> Path | None:
    """Show a picture: in the notebook, else in the desktop's viewer; with neither, save it, and print and return where.

    Raises StorageError when it has to be saved in the present folder and cannot be.
    """
    if _in_notebook():
        sys.modules["IPython"].display.display(picture)
        return None
    seen = grid([[picture.array]], gap=0)
    if _has_desktop() and ImageShow.show(Image.fromarray(seen)):
        return None
    free = (path for n in itertools.count(1) if not (path := Path(f"picture-{n}.png")).exists())
    whole = can_hold(".png", str(picture.array.dtype), picture.array.shape[2])
    path = write(next(free), picture.array if whole else seen).resolve()
    print(path)
    return path


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def _has_desktop() -> bool:
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def grid(rows: Sequence[Sequence[np.ndarray]], *, gap: int = 4, titles: Sequence[str] | None = None) -> np.ndarray:
    """Rows of pictures of any size, depth and channels as one uint8 RGB picture on white, with titles per column."""
    shown = [[_shown(array) for array in row] for row in rows]
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


def _shown(array: np.ndarray) -> np.ndarray:
    """Any picture as uint8 RGB: of more than three channels the first three, of two the first."""
    if array.dtype != np.uint8:
        low, high = fitting_range(array.dtype, float(array.min()), float(array.max()))
        array = ((array.astype(np.float32) - low) / (high - low) * 255).round().astype(np.uint8)
    return array[..., :3] if array.shape[2] >= 3 else match_channels(array[..., :1], 3)
