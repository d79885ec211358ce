"""The palette of the street, and what the storeys of one house have in common."""

from __future__ import annotations

from dataclasses import dataclass

from diptych.data.samples.scene import RGB, Dice, Surface

PLASTER: tuple[RGB, ...] = (
    (0.93, 0.86, 0.70),  # cream
    (0.89, 0.70, 0.40),  # ochre
    (0.83, 0.52, 0.38),  # terracotta
    (0.92, 0.70, 0.62),  # salmon
    (0.68, 0.75, 0.62),  # sage
    (0.62, 0.74, 0.83),  # powder blue
    (0.66, 0.82, 0.76),  # mint
    (0.93, 0.92, 0.88),  # white
    (0.70, 0.68, 0.66),  # grey
    (0.60, 0.52, 0.66),  # lilac
    (0.34, 0.46, 0.58),  # slate blue
    (0.78, 0.34, 0.30),  # red
    (0.95, 0.84, 0.48),  # yellow
)
BRICK: tuple[RGB, ...] = (
    (0.66, 0.33, 0.25),
    (0.56, 0.30, 0.26),
    (0.74, 0.47, 0.32),
    (0.80, 0.68, 0.50),
    (0.45, 0.33, 0.30),
)
STONE: tuple[RGB, ...] = ((0.80, 0.75, 0.64), (0.70, 0.69, 0.67), (0.78, 0.68, 0.54), (0.62, 0.60, 0.55))
TIMBERED: tuple[RGB, ...] = ((0.93, 0.90, 0.82), (0.94, 0.86, 0.68), (0.84, 0.62, 0.50), (0.86, 0.87, 0.80))
WALLS = {"plaster": PLASTER, "brick": BRICK, "stone": STONE, "timber": TIMBERED}
ROOFS = {
    "tiles": ((0.68, 0.34, 0.24), (0.60, 0.30, 0.24), (0.50, 0.30, 0.24), (0.74, 0.42, 0.28)),
    "slate": ((0.34, 0.37, 0.42), (0.42, 0.42, 0.44), (0.30, 0.33, 0.36), (0.42, 0.38, 0.40)),
    "seams": ((0.42, 0.60, 0.54), (0.44, 0.48, 0.52), (0.54, 0.40, 0.34)),
}
PAINT: tuple[RGB, ...] = (
    (0.16, 0.36, 0.28),
    (0.18, 0.30, 0.48),
    (0.48, 0.14, 0.16),
    (0.36, 0.24, 0.16),
    (0.26, 0.28, 0.30),
    (0.28, 0.50, 0.54),
    (0.80, 0.62, 0.20),
    (0.90, 0.88, 0.82),
)
FRAMES: tuple[RGB, ...] = (
    (0.95, 0.94, 0.90),
    (0.95, 0.94, 0.90),
    (0.36, 0.25, 0.18),
    (0.24, 0.26, 0.28),
    (0.22, 0.34, 0.28),
)
LIGHTS: tuple[RGB, ...] = (
    (1.00, 0.72, 0.34),
    (1.00, 0.78, 0.44),
    (1.00, 0.84, 0.58),
    (1.00, 0.66, 0.30),
    (0.82, 0.88, 1.00),
    (0.46, 0.60, 0.95),
)
FLOWERS: tuple[RGB, ...] = (
    (0.86, 0.22, 0.28),
    (0.92, 0.50, 0.68),
    (0.95, 0.80, 0.36),
    (0.70, 0.44, 0.80),
    (0.96, 0.94, 0.92),
)
CLOTHS: tuple[RGB, ...] = (
    (0.78, 0.20, 0.20),
    (0.18, 0.42, 0.34),
    (0.20, 0.34, 0.58),
    (0.90, 0.66, 0.24),
    (0.50, 0.30, 0.40),
)
OFF: RGB = (0.0, 0.0, 0.0)


def darker(rgb: RGB, share: float) -> RGB:
    return rgb[0] * share, rgb[1] * share, rgb[2] * share


@dataclass(frozen=True)
class Style:
    """What the storeys of one house have in common: above the gap what labels show, below it what they leave open."""

    roof: str
    head: float  # rise of a window's arch over half its width: 0 straight, 1 a half circle
    window: tuple[float, float]  # shares of a bay's width and of a storey's height
    shutters: bool
    surround: bool
    bands: bool  # ledges between the storeys
    boxes: float  # chance of a flower box
    balconies: str  # none, middle, all, some

    wall: Surface
    cover: Surface
    trim: RGB
    frame: RGB
    panes: tuple[int, int]
    shutter: RGB
    rail: RGB
    waking: float  # chance that somebody is at home by night


def style(layout: Dice, look: Dice) -> Style:
    """Throw a style: its layout from one pair of dice, its look from the other."""
    texture = look.pick(("plaster", "plaster", "plaster", "brick", "brick", "stone", "timber"))
    cover = look.pick(("tiles", "tiles", "slate", "seams"))
    beams = look.near(look.pick(((0.32, 0.21, 0.14), (0.24, 0.18, 0.15), (0.45, 0.22, 0.16))), 0.03)
    return Style(
        roof=layout.pick(("slope", "slope", "gable", "stepped", "flat", "mansard")),
        head=layout.pick((0.0, 0.0, 0.0, 0.35, 1.0)),
        window=(layout.between(0.42, 0.60), layout.between(0.54, 0.70)),
        shutters=layout.chance(0.35),
        surround=layout.chance(0.5),
        bands=layout.chance(0.4),
        boxes=layout.pick((0.0, 0.0, 0.35, 0.8)),
        balconies=layout.pick(("none", "none", "middle", "some", "all")),
        wall=Surface(
            "wall",
            look.near(look.pick(WALLS[texture]), 0.06),
            texture,
            beams if texture == "timber" else look.pick(((0.80, 0.76, 0.70), (0.62, 0.58, 0.54), (0.86, 0.84, 0.80))),
        ),
        cover=Surface("roof", look.near(look.pick(ROOFS[cover]), 0.05), cover, depth=0.014, outlined=True),
        trim=look.near(look.pick(((0.92, 0.90, 0.84), (0.80, 0.75, 0.66), (0.70, 0.66, 0.62), (0.84, 0.70, 0.54)))),
        frame=look.pick(FRAMES),
        panes=look.pick(((2, 1), (2, 2), (2, 3), (1, 1), (2, 4), (3, 4), (1, 2))),
        shutter=look.near(look.pick(PAINT)),
        rail=look.pick(((0.12, 0.13, 0.15), (0.12, 0.13, 0.15), (0.85, 0.84, 0.80), (0.16, 0.26, 0.22))),
        waking=look.between(0.15, 0.75),
    )
