"""One street: sky and ground, a row of houses, and what stands in front of them."""

from __future__ import annotations

from itertools import pairwise

from diptych.data.samples.cars import car
from diptych.data.samples.houses import house
from diptych.data.samples.scene import Box, Dice, Scene, Surface
from diptych.data.samples.things import hedge, lamps, pot, tree


def compose(layout: Dice, look: Dice) -> Scene:
    """Throw a whole scene."""
    ground = layout.between(0.80, 0.85)
    scene = Scene(layout, look, ground, ground + layout.between(0.065, 0.085))
    _backdrop(scene)
    _row(scene)
    _greenery(scene)
    lamps(scene)
    if layout.chance(0.45):
        car(scene, layout.between(0.12, 0.88))
    return scene


def _backdrop(scene: Scene) -> None:
    """Sky, pavement, kerb and road."""
    look, ground, kerb = scene.look, scene.ground, scene.kerb
    scene.paint(Surface("sky", (0.6, 0.75, 0.9)), Box(0.0, 0.0, 1.0, 1.0))
    scene.paint(Surface("pavement", look.near((0.66, 0.64, 0.61)), "slabs"), Box(0.0, ground, 1.0, kerb))
    scene.paint(Surface("pavement", (0.76, 0.75, 0.73), "kerb"), Box(0.0, kerb - 0.010, 1.0, kerb))
    scene.paint(Surface("pavement", (0.44, 0.43, 0.42)), Box(0.0, kerb - 0.002, 1.0, kerb + 0.008))
    grey = look.near(look.pick(((0.34, 0.34, 0.36), (0.40, 0.39, 0.38), (0.28, 0.29, 0.32))), 0.03)
    texture = look.pick(("asphalt", "asphalt", "dashed", "zebra"))
    scene.paint(Surface("road", grey, texture), Box(0.0, kerb + 0.008, 1.0, 1.0))


def _row(scene: Scene) -> None:
    """One house in its garden, or a closed row of two or three that runs out of the picture."""
    layout = scene.layout
    count = layout.pick((1, 2, 2, 3, 3))
    if count == 1:
        x0 = layout.between(0.10, 0.24)
        _garden(scene, x0, layout.between(0.76, 0.90))
        return
    cuts = [(n + layout.between(-0.16, 0.16)) / count for n in range(1, count)]
    ends = [-layout.between(0.0, 0.05), *cuts, 1.0 + layout.between(0.0, 0.05)]
    for x0, x1 in pairwise(ends):
        house(scene, x0, x1, scale=1.16 if count == 2 else 1.0)


def _garden(scene: Scene, x0: float, x1: float) -> None:
    """A house that stands free, trees beside it behind hedges."""
    for low, high in ((-0.04, x0 - 0.02), (x1 + 0.02, 1.04)):
        tree(scene, scene.layout.between(low, high), scene.ground - 0.01, scene.layout.between(0.28, 0.5))
    house(scene, x0, x1, scale=1.3)
    for low, high in ((-0.02, x0 - 0.004), (x1 + 0.004, 1.02)):
        hedge(scene, low, high)


def _greenery(scene: Scene) -> None:
    """Trees along the kerb and tubs along the houses."""
    layout = scene.layout
    first = layout.between(0.04, 0.54)
    for number in range(layout.pick((0, 1, 1, 2))):
        x = first + number * layout.between(0.28, 0.42)
        tree(scene, x, scene.kerb - 0.016, layout.between(0.26, 0.52))
    for _ in range(layout.pick((0, 0, 1, 2))):
        pot(scene, layout.between(0.05, 0.95), scene.ground + 0.012)
