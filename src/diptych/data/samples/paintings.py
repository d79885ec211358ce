"""Made-up paintings, to try styles on: a landscape with a sky, in brush strokes, as a mosaic or as stained glass.

A landscape is colours and directions as functions of the place; a manner lays them down in strokes or pieces.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from diptych.data.samples.write import folder_made_whole
from diptych.errors import ConfigError

SMALLEST, LARGEST = 32, 2048
FINE = 2
"""How many times as fine as the picture it is painted."""
Chance = np.random.Generator
Field = np.ndarray

PALETTES: tuple[dict[str, Sequence[tuple[int, int, int]]], ...] = (
    {"sky": ((17, 38, 92), (31, 84, 152), (92, 157, 196)), "light": ((250, 214, 92), (246, 236, 178)),
     "land": ((20, 54, 62), (48, 104, 84), (134, 156, 74))},
    {"sky": ((196, 72, 44), (232, 132, 56), (248, 202, 120)), "light": ((255, 240, 190), (252, 226, 140)),
     "land": ((60, 28, 66), (112, 44, 82), (176, 84, 72))},
    {"sky": ((46, 122, 134), (112, 178, 168), (222, 222, 190)), "light": ((252, 250, 232), (246, 206, 172)),
     "land": ((150, 56, 48), (204, 118, 60), (232, 182, 92))},
)  # fmt: skip
"""Of each mood, the colours of the sky from above down, of what shines, and of the land from far to near."""


def painting(seed: int, size: int = 256, *, manner: str | None = None) -> np.ndarray:
    """The painting of this seed (0, 1, 2, ...), `size` x `size` pixels, `H W 3` uint8.

    manner: strokes, mosaic or glass; by default in turn. Raises ConfigError for an argument out of its range.
    """
    if seed < 0:
        raise ConfigError(f"a painting's seed is 0 or more, not {seed}")
    if not SMALLEST <= size <= LARGEST:
        raise ConfigError(f"a painting of size {size} cannot be made: choose a size from {SMALLEST} to {LARGEST}")
    if manner is not None and manner not in MANNERS:
        raise ConfigError(f"there is no manner {manner!r}; there are: {', '.join(MANNERS)}")
    scene, chance = Landscape(seed), np.random.default_rng((seed, 1))
    paint = MANNERS[manner or list(MANNERS)[seed % len(MANNERS)]]
    fine = Image.fromarray(paint(scene, size * FINE, chance))
    return np.asarray(fine.resize((size, size), Image.Resampling.BOX))


def write_paintings(
    out: Path | str,
    *,
    count: int = 12,
    size: int = 256,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the paintings of `count` seeds, from `seed` on, to OUT/0000.png, ... and return OUT.

    `progress` is called with the number of paintings done and their count. Nothing appears in OUT before all is made.
    Raises ConfigError for an argument out of its range, DataError if OUT is a file or not empty, StorageError if it
    cannot be written to.
    """
    with folder_made_whole(out) as work:
        for number in range(seed, seed + count):
            Image.fromarray(painting(number, size)).save(work / f"{number:04}.png")
            if progress is not None:
                progress(number - seed + 1, count)
    return Path(out)


@dataclass(frozen=True)
class Whirl:
    """A place that the sky turns around, and its size."""

    x: float
    y: float
    radius: float
    turn: float


class Landscape:
    """Colours `... 3` and directions of strokes, in radians, at places x and y from 0 to 1."""

    def __init__(self, seed: int) -> None:
        chance = np.random.default_rng((seed, 0))
        self.palette = {name: np.array(shades, float) for name, shades in PALETTES[seed // 3 % len(PALETTES)].items()}
        self.horizon = chance.uniform(0.55, 0.7)
        self.waves = [(chance.uniform(2, 9), chance.uniform(0, 2 * math.pi), chance.uniform(0.01, 0.05))
                      for _ in range(4)]  # fmt: skip
        self.whirls = [
            Whirl(chance.uniform(0, 1), chance.uniform(0.05, 0.5), chance.uniform(0.05, 0.16), chance.choice((-1, 1)))
            for _ in range(6)
        ]

    def ridge(self, x: Field) -> Field:
        """Where the land begins."""
        waves = [height * np.sin(often * x + phase) for often, phase, height in self.waves]
        found: Field = self.horizon + np.sum(waves, axis=0)
        return found

    def colour(self, x: Field, y: Field) -> Field:
        ridge = self.ridge(x)
        sky = blended(self.palette["sky"], y / ridge + 0.08 * np.sin(9 * x + 14 * y))
        for whirl in self.whirls:
            away = np.hypot(x - whirl.x, y - whirl.y) / whirl.radius
            shine = np.exp(-2.5 * away**2) + 0.35 * np.exp(-40 * (away - 1) ** 2)
            lit = blended(self.palette["light"], 1 - away)
            sky += np.clip(shine, 0, 1)[..., None] * (lit - sky)
        depth = (y - ridge) / (1 - self.horizon)
        land = blended(self.palette["land"], depth + 0.12 * np.sin(26 * depth + 5 * x))
        found: Field = np.where((y < ridge)[..., None], sky, land)
        return found

    def direction(self, x: Field, y: Field) -> Field:
        across, down = np.ones_like(x), 0.25 * np.sin(5 * x + 3 * y)
        for whirl in self.whirls:
            dx, dy = x - whirl.x, y - whirl.y
            strength = 6 * whirl.turn * np.exp(-((np.hypot(dx, dy) / (1.6 * whirl.radius)) ** 2)) / whirl.radius
            across, down = across - strength * dy, down + strength * dx
        slope = (self.ridge(x + 0.01) - self.ridge(x)) / 0.01
        rolling = np.arctan(slope) + 0.3 * np.sin(9 * x + 7 * y)
        found: Field = np.where(y < self.ridge(x), np.arctan2(down, across), rolling)
        return found


def blended(shades: np.ndarray, share: Field) -> Field:
    """Between the shades, from the first at 0 to the last at 1."""
    place = np.clip(share, 0, 1) * (len(shades) - 1)
    first = np.minimum(place.astype(int), len(shades) - 2)
    found: Field = shades[first] + (place - first)[..., None] * (shades[first + 1] - shades[first])
    return found


def in_strokes(scene: Landscape, side: int, chance: Chance) -> np.ndarray:
    """Curved strokes of bristles that differ in colour, wide ones first."""
    places = np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 64))
    made = Image.fromarray(scene.colour(*places).clip(0, 255).astype(np.uint8)).resize((side, side))
    draw = ImageDraw.Draw(made)
    for width, length in ((0.030, 0.12), (0.016, 0.085), (0.009, 0.05)):
        count = int(1.1 / (width * length))
        x, y = chance.uniform(-0.03, 1.03, (2, count))
        order = np.argsort(y + chance.normal(0, 0.2, count))
        path = [(x[order], y[order])]
        for _ in range(6):
            x, y = path[-1]
            turn = scene.direction(x, y)
            path.append((x + length / 6 * np.cos(turn), y + length / 6 * np.sin(turn)))
        colours = scene.colour(*path[3]) + chance.normal(0, 13, (count, 1)) + chance.normal(0, 7, (count, 3))
        for bristle in np.linspace(-0.5, 0.5, 5):
            shades = np.clip(colours + 34 * chance.normal(0, 0.55, (count, 1)), 0, 255).astype(int)
            turns = [scene.direction(*place) for place in path]
            xs = np.stack([(x - bristle * width * np.sin(t)) * side for (x, _), t in zip(path, turns, strict=True)], 1)
            ys = np.stack([(y + bristle * width * np.cos(t)) * side for (_, y), t in zip(path, turns, strict=True)], 1)
            for number in range(count):
                points = list(zip(xs[number].tolist(), ys[number].tolist(), strict=True))
                draw.line(points, tuple(shades[number].tolist()), max(1, round(0.26 * width * side)))
    return np.asarray(made)


def as_mosaic(scene: Landscape, side: int, chance: Chance) -> np.ndarray:
    """Small stones along the directions, with mortar between them."""
    return laid(scene, side, chance, pieces=64, joint=0.13, mortar=(214, 206, 190), shades=16.0, vivid=1.15)


def as_glass(scene: Landscape, side: int, chance: Chance) -> np.ndarray:
    """Large panes of strong colour in lead."""
    return laid(scene, side, chance, pieces=13, joint=0.10, mortar=(22, 20, 24), shades=26.0, vivid=1.7)


def laid(
    scene: Landscape,
    side: int,
    chance: Chance,
    *,
    pieces: int,
    joint: float,
    mortar: tuple[int, int, int],
    shades: float,
    vivid: float,
) -> np.ndarray:
    """Pieces around points of a disturbed grid, `pieces` along a side; each pixel belongs to the nearest."""
    x, y = np.meshgrid((np.arange(side) + 0.5) / side, (np.arange(side) + 0.5) / side)
    jitter = chance.uniform(0.12, 0.88, (pieces + 4, pieces + 4, 2))
    tint = chance.normal(0, shades, (pieces + 4, pieces + 4, 3)) * 0.6 + chance.normal(
        0, shades, (pieces + 4, pieces + 4, 1)
    )
    column, row = (x * pieces).astype(int), (y * pieces).astype(int)
    nearest, second = np.full((side, side), np.inf), np.full((side, side), np.inf)
    of = np.zeros((side, side, 2), int)
    for down in range(-2, 3):
        for across in range(-2, 3):
            r, c = row + down + 2, column + across + 2
            away = np.hypot(c - 2 + jitter[r, c, 0] - x * pieces, r - 2 + jitter[r, c, 1] - y * pieces)
            closer = away < nearest
            second = np.where(closer, nearest, np.minimum(second, away))
            of = np.where(closer[..., None], np.stack([r, c], -1), of)
            nearest = np.minimum(nearest, away)
    r, c = of[..., 0], of[..., 1]
    centre = (c - 2 + jitter[r, c, 0]) / pieces, (r - 2 + jitter[r, c, 1]) / pieces
    colour = scene.colour(*centre) + tint[r, c]
    grey = colour.mean(-1, keepdims=True)
    light = 1 + 0.16 * ((x - centre[0]) + (centre[1] - y))[..., None] * pieces
    colour = (grey + vivid * (colour - grey)) * light
    between = np.clip((second - nearest) / joint - 0.5, 0, 1)[..., None]
    made: np.ndarray = (np.array(mortar) + between * (colour - np.array(mortar))).clip(0, 255).astype(np.uint8)
    return made


MANNERS: dict[str, Callable[[Landscape, int, Chance], Any]] = {
    "strokes": in_strokes,
    "mosaic": as_mosaic,
    "glass": as_glass,
}
