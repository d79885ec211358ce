"""Photographs to line drawings: dark lines on white paper, thin, soft, or as a hand draws them.

Canny: A Computational Approach to Edge Detection, 1986; Winnemoeller, Kyprianidis, Olsen: XDoG, 2012.
"""

from __future__ import annotations

import numpy as np

from diptych.images.degradations import blurred
from diptych.images.picture import Picture
from diptych.images.values import convert, match_channels

STYLES = ("canny", "soft", "strokes")
"""The kinds of line drawings that a photograph can be made."""
NEIGHBOURS = ((0, 1), (1, 1), (1, 0), (1, -1))
"""The steps across an edge, by the eighth of the circle that its gradient points to."""


def drawn(picture: Picture, style: str, *, detail: float = 0.5, rng: np.random.Generator | None = None) -> np.ndarray:
    """A photograph as a drawing `H W 1`, float32 from 0, ink, to 1, paper.

    detail: from 0, outlines alone, to 1, all that there is. rng: strokes differ in each drawing.
    """
    array = picture.array
    grey = convert(match_channels(array, 1) if array.shape[2] == 3 else array[..., :1], "float32", picture.limits)
    if style == "canny":
        return 1 - canny(grey, detail)
    if style == "soft":
        return soft(grey, detail)
    return strokes(grey, detail, rng or np.random.default_rng(0))


def gradient(grey: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Down and to the right, `H W` each, of a picture blurred so."""
    smooth = blurred(grey, sigma)[..., 0]
    down, right = np.gradient(smooth)
    return down, right


def canny(grey: np.ndarray, detail: float, sigma: float = 1.4) -> np.ndarray:
    """Edges one pixel wide, `H W 1` of 0 and 1: where the gradient is largest across them, weak ones only beside
    strong ones. The thresholds are shares of the picture's own strongest edges."""
    down, right = gradient(grey, sigma)
    size = np.hypot(down, right)
    eighth = np.round(np.arctan2(down, right) / (np.pi / 4)).astype(int) % 4
    padded, ridge = np.pad(size, 1), np.zeros(size.shape, bool)
    height, width = size.shape
    for direction, (y, x) in enumerate(NEIGHBOURS):
        before = padded[1 - y : 1 - y + height, 1 - x : 1 - x + width]
        behind = padded[1 + y : 1 + y + height, 1 + x : 1 + x + width]
        ridge |= (eighth == direction) & (size >= before) & (size > behind)
    strong = max(0.01, float(np.quantile(size, 0.99)) * (0.55 - 0.45 * detail))
    kept = ridge & (size > strong)
    weak = ridge & (size > 0.4 * strong)
    for _ in range(64):
        grown = weak & widened(kept)
        if (grown == kept).all():
            break
        kept = grown
    return kept[..., None].astype(np.float32)


def widened(marks: np.ndarray) -> np.ndarray:
    """Marks `H W` and all pixels beside them."""
    height, width = marks.shape
    padded = np.pad(marks, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    found: np.ndarray = rows[:, :width] | rows[:, 1 : 1 + width] | rows[:, 2 : 2 + width]
    return found[:height]


def soft(grey: np.ndarray, detail: float) -> np.ndarray:
    """Lines that are darker where an edge is clearer, as of a soft pencil: a difference of two Gaussians, bent."""
    darker = blurred(grey, 0.8) - blurred(grey, 1.3 + 1.2 * (1 - detail))
    values: np.ndarray = 1 + np.tanh((12 + 30 * detail) * np.minimum(darker + 0.01, 0))
    return values.clip(0, 1).astype(np.float32)


def strokes(grey: np.ndarray, detail: float, rng: np.random.Generator) -> np.ndarray:
    """Lines of a hand: thicker than edges, of uneven pressure, a little off their place, with gaps."""
    height, width = grey.shape[:2]
    edges = canny(grey, detail, sigma=2.0)[..., 0]
    off = [field(rng, height, width, 12) * 1.5 for _ in range(2)]
    y, x = np.mgrid[:height, :width]
    rows = (y + off[0]).round().astype(int).clip(0, height - 1)
    columns = (x + off[1]).round().astype(int).clip(0, width - 1)
    pressure = (0.75 + 0.35 * field(rng, height, width, 24)).clip(0, 1)
    ink = blurred((edges[rows, columns] * pressure)[..., None], float(rng.uniform(0.6, 1.1)))
    values: np.ndarray = 1 - (2.2 * ink).clip(0, 1)
    return values.astype(np.float32)


def field(rng: np.random.Generator, height: int, width: int, grain: int) -> np.ndarray:
    """A smooth random field `H W`, of deviation about one, that changes over so many pixels."""
    coarse = rng.standard_normal((height // grain + 2, width // grain + 2))
    y, x = np.linspace(0, coarse.shape[0] - 1.001, height), np.linspace(0, coarse.shape[1] - 1.001, width)
    top, left = y.astype(int), x.astype(int)
    down, right = (y - top)[:, None], (x - left)[None]
    above = coarse[top][:, left] * (1 - right) + coarse[top][:, left + 1] * right
    below = coarse[top + 1][:, left] * (1 - right) + coarse[top + 1][:, left + 1] * right
    values: np.ndarray = above * (1 - down) + below * down
    return values
