"""What stands in front of the houses: trees, hedges, tubs, street lamps, cars."""

from __future__ import annotations

from dataclasses import replace

from diptych.data.samples.scene import RGB, Box, Dice, Disc, Form, Lamp, Polygon, Scene, Surface
from diptych.data.samples.style import LIGHTS

LEAVES: tuple[RGB, ...] = (
    (0.26, 0.42, 0.16),
    (0.30, 0.46, 0.20),
    (0.20, 0.36, 0.18),
    (0.38, 0.48, 0.20),
    (0.72, 0.52, 0.16),
    (0.70, 0.34, 0.14),
)
BARK: RGB = (0.34, 0.26, 0.20)
IRON: RGB = (0.14, 0.16, 0.17)


def _leaves(scene: Scene, depth: float) -> Surface:
    green = scene.look.near(scene.look.pick(LEAVES), 0.04)
    return Surface(
        "plant", green, "foliage", (green[0] * 1.5 + 0.08, green[1] * 1.45 + 0.06, green[2] * 1.1), depth=depth
    )


def hedge(scene: Scene, x0: float, x1: float) -> None:
    """A clipped hedge from x0 to x1 on the ground line."""
    high, thing = scene.layout.between(0.07, 0.12), scene.thing()
    count = max(3, int((x1 - x0) / 0.018))
    step = (x1 - x0) / count
    tops = [
        Disc(x0 + (n + 0.5) * step, scene.ground - high, step, scene.layout.between(0.006, 0.014)) for n in range(count)
    ]
    scene.paint(_leaves(scene, 0.03), Box(x0, scene.ground - high, x1, scene.ground + 0.004), *tops, thing=thing)


def tree(scene: Scene, x: float, foot: float, high: float) -> None:
    """Trunk and crown, one thing; the crown round, upright or pointed."""
    layout, thing = scene.layout, scene.thing()
    wide, tall = layout.pick(((0.30, 0.30), (0.30, 0.26), (0.16, 0.36), (0.22, 0.34)))
    middle = foot - high + tall * high
    trunk = 0.020 * high / 0.4
    scene.feet.append(Disc(x, foot, 0.6 * wide * high, 0.022))
    corners = (x - 0.3 * trunk, middle), (x + 0.3 * trunk, middle), (x + 0.6 * trunk, foot), (x - 0.6 * trunk, foot)
    scene.paint(Surface("plant", BARK, "bark", depth=0.2), Polygon(*corners), thing=thing)
    pointed = layout.chance(0.2)
    scene.paint(_leaves(scene, 0.2), *_crown(layout, Disc(x, middle, wide * high, tall * high), pointed), thing=thing)


def _crown(layout: Dice, hull: Disc, pointed: bool) -> list[Form]:
    """Clumps of leaves that together fill the hull with a ragged outline."""
    core: Form = Disc(hull.x, hull.y, 0.80 * hull.rx, 0.80 * hull.ry)
    if pointed:
        core = Polygon(
            (hull.x, hull.y - hull.ry), (hull.x + hull.rx, hull.y + hull.ry), (hull.x - hull.rx, hull.y + hull.ry)
        )
    clumps: list[Form] = [core]
    while len(clumps) < 42:
        u, v = layout.between(-1, 1), layout.between(-1, 1)
        size = layout.between(0.10, 0.24) * hull.rx + 0.004
        if pointed:
            u *= (v + 1) / 2
        if pointed or 0.45 < u * u + v * v < 0.86:
            clumps.append(Disc(hull.x + u * hull.rx, hull.y + v * hull.ry, size, 0.85 * size))
    return clumps


def pot(scene: Scene, x: float, foot: float) -> None:
    """A small clipped tree in a tub."""
    thing, size = scene.thing(), scene.layout.between(0.020, 0.030)
    tub = (
        (x - 0.8 * size, foot - 1.2 * size),
        (x + 0.8 * size, foot - 1.2 * size),
        (x + 0.6 * size, foot),
        (x - 0.6 * size, foot),
    )
    scene.feet.append(Disc(x, foot, 1.4 * size, 0.012))
    stem = Box(x - 0.12 * size, foot - 2.4 * size, x + 0.12 * size, foot - size)
    scene.paint(Surface("plant", BARK, depth=0.05), stem, thing=thing)
    clay = scene.look.near(scene.look.pick(((0.66, 0.36, 0.26), (0.40, 0.42, 0.44), (0.30, 0.40, 0.52))))
    scene.paint(Surface("plant", clay, depth=0.06), Polygon(*tub), thing=thing)
    scene.paint(_leaves(scene, 0.06), Disc(x, foot - 3.0 * size, size, 1.1 * size), thing=thing)


def lamps(scene: Scene) -> None:
    """Street lamps of one pattern: none, one or two."""
    layout = scene.layout
    classic, high = layout.chance(0.5), layout.between(0.30, 0.42)
    first, count = layout.between(0.06, 0.45), layout.pick((0, 1, 1, 2, 2))
    rgb = scene.look.pick(LIGHTS[:3])
    for number in range(count):
        (_lantern if classic else _arm)(scene, first + 0.48 * number, high, rgb)


def _lantern(scene: Scene, x: float, high: float, rgb: RGB) -> None:
    """A lantern on a post."""
    thing, foot, iron = scene.thing(), scene.kerb - 0.012, Surface("lamp", IRON, depth=0.15)
    top = foot - high
    scene.paint(
        iron, Box(x - 0.0045, top, x + 0.0045, foot), Box(x - 0.010, foot - 0.035, x + 0.010, foot), thing=thing
    )
    scene.paint(iron, Polygon((x, top - 0.058), (x + 0.022, top - 0.040), (x - 0.022, top - 0.040)), thing=thing)
    glass = Polygon((x - 0.017, top - 0.040), (x + 0.017, top - 0.040), (x + 0.010, top), (x - 0.010, top))
    scene.paint(replace(iron, rgb=(0.90, 0.90, 0.84), emission=rgb), glass, thing=thing)
    scene.lamps.append(Lamp(x, top - 0.02, foot, rgb))


def _arm(scene: Scene, x: float, high: float, rgb: RGB) -> None:
    """A tall post with an arm over the road."""
    thing, foot, iron = scene.thing(), scene.kerb - 0.012, Surface("lamp", (0.40, 0.42, 0.44), depth=0.15)
    top, reach = foot - 1.15 * high, 0.07 if x < 0.5 else -0.07
    post = Box(x - 0.0045, top, x + 0.0045, foot), Box(x - 0.008, foot - 0.05, x + 0.008, foot)
    end = x + reach
    scene.paint(iron, *post, Box(min(x, end), top - 0.006, max(x, end), top + 0.003), thing=thing)
    scene.paint(iron, Disc(end, top, 0.026, 0.010), thing=thing)
    bulb = replace(iron, rgb=(0.92, 0.92, 0.88), emission=rgb)
    scene.paint(bulb, Box(end - 0.018, top + 0.001, end + 0.018, top + 0.009), thing=thing)
    scene.lamps.append(Lamp(end, top + 0.005, foot, rgb))
