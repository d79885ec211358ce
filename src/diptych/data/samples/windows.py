"""Windows and what belongs to them: frames, panes, shutters, sills, flower boxes, balconies."""

from __future__ import annotations

from dataclasses import replace

from diptych.data.samples.scene import Bounds, Box, Disc, Form, Scene, Surface
from diptych.data.samples.style import FLOWERS, LIGHTS, OFF, Style, darker


def eye(scene: Scene, made: Style, x: float, y: float, radius: float) -> None:
    """A round window."""
    thing = scene.thing()
    scene.paint(Surface("window", made.trim, depth=0.004), Disc(x, y, radius, radius), thing=thing)
    scene.paint(glass(scene, replace(made, panes=(2, 2))), Disc(x, y, 0.76 * radius, 0.76 * radius), thing=thing)


def glass(scene: Scene, made: Style, depth: float = -0.010) -> Surface:
    lit = scene.look.chance(made.waking)
    light = scene.look.pick(LIGHTS) if lit else OFF
    strength = scene.look.between(0.55, 1.0)
    return Surface(
        "window", (0.10, 0.12, 0.15), "glass", made.frame, made.panes, depth, emission=darker(light, strength)
    )


def arched(box: Bounds, head: float) -> tuple[Form, ...]:
    """The opening `box` under an arch that rises by `head` halves of its width."""
    rise = head * box.width / 2
    if not rise:
        return (Box(*box),)
    return (
        Box(box.x0, box.y0 + rise, box.x1, box.y1),
        Disc((box.x0 + box.x1) / 2, box.y0 + rise, box.width / 2, rise),
    )


def window(scene: Scene, made: Style, box: Bounds, depth: float = 0.0) -> None:
    """A frame and its panes."""
    thing = scene.thing()
    scene.paint(Surface("window", made.frame, depth=depth - 0.003), *arched(box, made.head), thing=thing)
    scene.paint(glass(scene, made, depth - 0.010), *arched(box.inset(0.0055), made.head), thing=thing)


def opening(scene: Scene, made: Style, box: Bounds) -> None:
    """A window with its surround, shutters, sill and flower box."""
    if made.surround:
        rim = Bounds(box.x0 - 0.008, box.y0 - 0.010, box.x1 + 0.008, box.y1)
        scene.paint(Surface("ledge", made.trim, "plaster", depth=0.004), *arched(rim, made.head))
    window(scene, made, box)
    if made.shutters:
        wide, top = 0.40 * box.width, box.y0 + made.head * box.width / 2
        leaf = Surface("shutter", made.shutter, "slats", depth=0.007)
        for x in (box.x0 - wide, box.x1):
            scene.paint(leaf, Box(x, top, x + wide, box.y1), thing=scene.thing())
    scene.paint(Surface("ledge", made.trim, depth=0.014), Box(box.x0 - 0.010, box.y1, box.x1 + 0.010, box.y1 + 0.009))
    if scene.layout.chance(made.boxes):
        _flowers(scene, box)


def _flowers(scene: Scene, box: Bounds) -> None:
    """A row of blooms along the lower edge of a window."""
    thing, count = scene.thing(), max(3, int(box.width / 0.011))
    bloom = Surface("plant", scene.look.near((0.30, 0.46, 0.18)), "flowers", scene.look.pick(FLOWERS), depth=0.024)
    step = box.width / count
    tops = [scene.layout.between(0.009, 0.015) for _ in range(count)]
    discs = [Disc(box.x0 + (n + 0.5) * step, box.y1 - 0.002, 0.75 * step, top) for n, top in enumerate(tops)]
    scene.paint(bloom, *discs, thing=thing)


def balcony(scene: Scene, made: Style, box: Bounds) -> None:
    """A glazed door behind a railing on a slab."""
    window(scene, replace(made, panes=(2, 3)), box)
    thing, wide, rail = scene.thing(), 0.26 * box.width, 0.40 * box.height
    front = Box(box.x0 - wide, box.y1 - rail, box.x1 + wide, box.y1)
    back = made.wall.rgb if made.wall.texture != "timber" else (0.8, 0.78, 0.7)
    scene.paint(Surface("balcony", made.rail, "railing", darker(back, 0.55), depth=0.028), front, thing=thing)
    slab = Surface("balcony", darker(made.trim, 0.9), depth=0.034)
    scene.paint(slab, Box(front.x0 - 0.004, box.y1, front.x1 + 0.004, box.y1 + 0.010), thing=thing)
