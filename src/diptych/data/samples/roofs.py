"""The shell of a house: its wall, the five ways to end it above, chimneys, dormers and ledges."""

from __future__ import annotations

from dataclasses import replace

from diptych.data.samples.scene import Bounds, Box, Form, Polygon, Scene, Surface
from diptych.data.samples.style import Style, darker
from diptych.data.samples.windows import eye, window


def shell(scene: Scene, made: Style, body: Bounds, pitch: float) -> None:
    """The wall `body` under a roof that rises by about `pitch`, with its cornice, its base and its corners."""
    wall = scene.thing()
    ROOFS[made.roof](scene, made, body, pitch, wall)
    x0, y0, x1, y1 = body
    if made.roof in ("slope", "mansard", "flat"):
        scene.paint(_stone(made), Box(x0 - 0.006, y0 - 0.006, x1 + 0.006, y0 + 0.010))
    base = y1 - scene.layout.between(0.018, 0.030)
    scene.paint(replace(made.wall, rgb=darker(made.trim, 0.74), texture="stone"), Box(x0, base, x1, y1), thing=wall)
    if scene.layout.chance(0.3):
        corners = Box(x0, y0 + 0.010, x0 + 0.020, base), Box(x1 - 0.020, y0 + 0.010, x1, base)
        scene.paint(replace(made.wall, rgb=made.trim, texture="quoins", depth=0.004), *corners, thing=wall)


def _stone(made: Style) -> Surface:
    return Surface("ledge", made.trim, "plaster", depth=0.012)


def _body(scene: Scene, made: Style, wall: int, *forms: Form) -> None:
    scene.paint(replace(made.wall, outlined=True), *forms, thing=wall)


def _slope(scene: Scene, made: Style, body: Bounds, pitch: float, wall: int) -> None:
    """A roof that slopes towards the street; its ends straight or hipped."""
    left, right, eaves, ridge = body.x0 - 0.012, body.x1 + 0.012, body.y0, body.y0 - pitch
    hip = scene.layout.pick((0.0, 0.2, 0.5)) * pitch
    _chimneys(scene, body, ridge)
    corners = (left + hip, ridge), (right - hip, ridge), (right, eaves), (left, eaves)
    scene.paint(made.cover, Polygon(*corners), thing=scene.thing())
    _dormers(scene, made, body, pitch)
    _body(scene, made, wall, Box(*body))


def _mansard(scene: Scene, made: Style, body: Bounds, pitch: float, wall: int) -> None:
    """A steep slope below a flat one."""
    left, right, eaves, ridge = body.x0, body.x1, body.y0, body.y0 - pitch
    fold, thing = eaves - 0.72 * pitch, scene.thing()
    _chimneys(scene, body, ridge)
    upper = (left + 0.07, ridge), (right - 0.07, ridge), (right - 0.016, fold), (left + 0.016, fold)
    lower = (left + 0.016, fold), (right - 0.016, fold), (right, eaves), (left, eaves)
    scene.paint(replace(made.cover, rgb=darker(made.cover.rgb, 0.82)), Polygon(*upper), thing=thing)
    scene.paint(made.cover, Polygon(*lower), thing=thing)
    _dormers(scene, made, body, pitch)
    _body(scene, made, wall, Box(*body))


def _gable(scene: Scene, made: Style, body: Bounds, pitch: float, wall: int) -> None:
    """The wall rises to a point between two slopes seen from their ends."""
    left, right, eaves, middle = body.x0, body.x1, body.y0, (body.x0 + body.x1) / 2
    peak, rim = eaves - 1.25 * pitch, 0.020
    _chimneys(scene, body, eaves - 0.5 * pitch)
    _body(scene, made, wall, Box(*body), Polygon((middle, peak), (right, eaves), (left, eaves)))
    foot = eaves + rim * 1.25 * pitch / body.width
    slopes = (
        Polygon(
            (left - rim, foot - rim), (middle, peak - rim), (middle, peak + 0.2 * rim), (left - rim, foot + 0.2 * rim)
        ),
        Polygon(
            (middle, peak - rim), (right + rim, foot - rim), (right + rim, foot + 0.2 * rim), (middle, peak + 0.2 * rim)
        ),
    )
    scene.paint(replace(made.cover, depth=0.02), *slopes, thing=scene.thing())
    eye(scene, made, middle, eaves - 0.42 * pitch, min(0.30 * pitch, 0.038))


def _stepped(scene: Scene, made: Style, body: Bounds, pitch: float, wall: int) -> None:
    """A gable of steps, each under a capstone."""
    left, right, eaves, steps = body.x0, body.x1, body.y0, scene.layout.whole(3, 5)
    rise, inset = 1.2 * pitch / steps, 0.42 * body.width / steps
    tiers = [Box(left + n * inset, eaves - n * rise, right - n * inset, eaves) for n in range(1, steps + 1)]
    _body(scene, made, wall, Box(*body), *tiers)
    for tier in (body, *tiers[:-1]):
        ends = (tier.x0, tier.x0 + inset), (tier.x1 - inset, tier.x1)
        scene.paint(_stone(made), *(Box(x0, tier.y0 - 0.007, x1, tier.y0) for x0, x1 in ends))
    top = tiers[-1]
    scene.paint(_stone(made), Box(top.x0 - 0.003, top.y0 - 0.007, top.x1 + 0.003, top.y0))
    eye(scene, made, (left + right) / 2, eaves - 0.45 * pitch, min(0.28 * pitch, 0.038))


def _flat(scene: Scene, made: Style, body: Bounds, pitch: float, wall: int) -> None:
    """A parapet instead of a roof."""
    top = body.y0 - 0.28 * pitch
    _chimneys(scene, body, top)
    _body(scene, made, wall, Box(body.x0, top, body.x1, body.y1))
    scene.paint(_stone(made), Box(body.x0 - 0.008, top - 0.010, body.x1 + 0.008, top))


ROOFS = {"slope": _slope, "mansard": _mansard, "gable": _gable, "stepped": _stepped, "flat": _flat}


def _chimneys(scene: Scene, body: Bounds, ridge: float) -> None:
    for _ in range(scene.layout.pick((0, 1, 1, 2))):
        x = scene.layout.between(body.x0 + 0.15 * body.width, body.x1 - 0.15 * body.width)
        top, wide, thing = ridge - scene.layout.between(0.015, 0.040), scene.layout.between(0.022, 0.036), scene.thing()
        brick = Surface("chimney", scene.look.near((0.58, 0.34, 0.28)), "brick", (0.60, 0.55, 0.50), depth=0.006)
        scene.paint(brick, Box(x, top, x + wide, ridge + 0.09), thing=thing)
        cap = Surface("chimney", (0.45, 0.40, 0.38), depth=0.010)
        scene.paint(cap, Box(x - 0.004, top - 0.008, x + wide + 0.004, top), thing=thing)


def _dormers(scene: Scene, made: Style, body: Bounds, pitch: float) -> None:
    """Small gabled windows in the roof, evenly spaced."""
    count = scene.layout.whole(0, max(1, int(body.width / 0.13)))
    high, wide = 0.62 * pitch, min(0.065, 0.55 * pitch)
    for number in range(count):
        x, y = body.x0 + (number + 0.5) * body.width / count, body.y0 - 0.10 * pitch
        cheek = Surface("wall", made.trim, "plaster", depth=0.02, outlined=True)
        scene.paint(cheek, Box(x - wide / 2, y - high, x + wide / 2, y), thing=scene.thing())
        peak = Polygon((x, y - high - 0.6 * wide), (x + 0.62 * wide, y - high), (x - 0.62 * wide, y - high))
        scene.paint(replace(made.cover, depth=0.03), peak, thing=scene.thing())
        pane = Bounds(x - 0.32 * wide, y - 0.92 * high, x + 0.32 * wide, y - 0.12 * high)
        window(scene, replace(made, panes=(2, 2)), pane, depth=0.02)
