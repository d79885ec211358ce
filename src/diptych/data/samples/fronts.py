"""What a house shows at street level: its door, or a shop."""

from __future__ import annotations

from dataclasses import replace

from diptych.data.samples.scene import RGB, Bounds, Box, Polygon, Scene, Surface
from diptych.data.samples.style import CLOTHS, LIGHTS, OFF, PAINT, Style, darker
from diptych.data.samples.windows import arched, glass

INKS: tuple[RGB, ...] = ((0.96, 0.92, 0.80), (0.95, 0.80, 0.40), (0.10, 0.10, 0.12))


def door(scene: Scene, made: Style, x: float, row: Bounds) -> None:
    """A step, a surround, the leaf with its panels, and a pane over it that may be lit."""
    thing, wide, tall = scene.thing(), scene.layout.between(0.046, 0.060), min(0.78 * row.height, 0.15)
    head = scene.layout.pick((0.0, made.head, 1.0))
    leaf = Bounds(x - wide / 2, row.y1 - tall, x + wide / 2, row.y1 - 0.006)
    rim = Bounds(leaf.x0 - 0.010, leaf.y0 - 0.012, leaf.x1 + 0.010, leaf.y1)
    paint, inner, pane = scene.look.near(scene.look.pick(PAINT)), leaf.inset(0.006), leaf.y0 + 0.24 * leaf.height
    scene.paint(Surface("ledge", made.trim, "plaster", depth=0.008), *arched(rim, head))
    scene.paint(Surface("door", darker(paint, 0.8), depth=-0.010), *arched(leaf, head), thing=thing)
    fanlight = replace(glass(scene, replace(made, waking=0.5, panes=(3, 1))), label="door", depth=-0.014)
    scene.paint(fanlight, *arched(Bounds(inner.x0, inner.y0, inner.x1, pane), head), thing=thing)
    panels = Surface("door", paint, "panels", darker(paint, 0.6), scene.look.pick(((2, 3), (2, 2), (1, 3))), -0.012)
    scene.paint(panels, Box(inner.x0, pane + 0.003, inner.x1, leaf.y1), thing=thing)
    step = Surface("ledge", darker(made.trim, 0.8), "plaster", depth=0.020)
    scene.paint(step, Box(rim.x0 - 0.006, row.y1 - 0.007, rim.x1 + 0.006, row.y1))


def shop(scene: Scene, made: Style, row: Bounds) -> None:
    """Show windows and a glass door under a sign, often with an awning."""
    thing, paint = scene.thing(), scene.look.near(scene.look.pick(PAINT))
    light = scene.look.pick(LIGHTS[:4]) if scene.look.chance(0.75) else OFF
    front = Bounds(row.x0 + 0.025, row.y0 + 0.012, row.x1 - 0.025, row.y1)
    lintel = front.y0 + 0.24 * front.height
    scene.paint(Surface("shop", paint, depth=0.006, outlined=True), Box(*front), thing=thing)
    entrance = front.x0 + scene.layout.between(0.15, 0.70) * (front.width - 0.07)
    show = Surface("shop", (0.16, 0.15, 0.14), "display", depth=-0.012, emission=light, outlined=True)
    for x0, x1 in ((front.x0 + 0.008, entrance - 0.006), (entrance + 0.066, front.x1 - 0.008)):
        if x1 - x0 > 0.03:
            scene.paint(show, Box(x0, lintel + 0.012, x1, front.y1 - 0.028), thing=thing)
    _shop_door(scene, made, Bounds(entrance, lintel + 0.012, entrance + 0.060, row.y1), darker(paint, 0.7), light)
    ink, dim = scene.look.pick(INKS), darker(light, 0.35)
    sign = Surface("shop", darker(paint, 0.85), "sign", ink, depth=0.014, emission=dim, outlined=True)
    scene.paint(sign, Box(front.x0, front.y0, front.x1, lintel), thing=thing)
    if scene.layout.chance(0.6):
        _awning(scene, front, lintel)


def _shop_door(scene: Scene, made: Style, leaf: Bounds, paint: RGB, light: RGB) -> None:
    thing, inner = scene.thing(), leaf.inset(0.008)
    scene.paint(Surface("door", paint, depth=-0.012), Box(*leaf), thing=thing)
    pane = replace(glass(scene, replace(made, panes=(1, 1))), label="door", emission=light, depth=-0.016)
    scene.paint(pane, Box(inner.x0, inner.y0, inner.x1, leaf.y1 - 0.020), thing=thing)


def _awning(scene: Scene, front: Bounds, y: float) -> None:
    """A striped cloth that spreads towards the street and shades the front."""
    thing, drop, flare = scene.thing(), y + 0.30 * front.height, 0.014
    cloth = Surface("awning", scene.look.near(scene.look.pick(CLOTHS)), "stripes", (0.94, 0.92, 0.86), depth=0.055)
    corners = (front.x0, y), (front.x1, y), (front.x1 + flare, drop), (front.x0 - flare, drop)
    scene.paint(cloth, Polygon(*corners), thing=thing)
    valance = replace(cloth, rgb=darker(cloth.rgb, 0.84), second=darker(cloth.second, 0.85))
    scene.paint(valance, Box(front.x0 - flare, drop, front.x1 + flare, drop + 0.012), thing=thing)
