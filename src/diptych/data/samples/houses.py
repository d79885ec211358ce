"""House fronts: a shell, storeys of windows, and a door or a shop at street level."""

from __future__ import annotations

from dataclasses import replace

from diptych.data.samples.fronts import door, shop
from diptych.data.samples.roofs import shell
from diptych.data.samples.scene import Bounds, Box, Scene, Surface
from diptych.data.samples.style import Style, style
from diptych.data.samples.windows import balcony, opening


def house(scene: Scene, x0: float, x1: float, *, scale: float) -> None:
    """One house from x0 to x1 on the ground line, with as many storeys as fit below the upper edge of the picture.

    `scale` is the size of a storey and of a bay: 1 is a far view, 1.3 a close one.
    """
    layout = scene.layout
    made = style(layout, scene.look)
    storey = scale * layout.between(0.100, 0.138)
    street_level = storey * layout.between(1.15, 1.40)
    pitch = min(layout.between(0.09, 0.17), 0.42 * (x1 - x0))
    storeys = max(1, min(layout.whole(1, 4), int((scene.ground - street_level - pitch - 0.04) / storey)))
    eaves = scene.ground - street_level - storeys * storey
    bays = max(1, round((x1 - x0) / (scale * layout.between(0.088, 0.125))))
    made = replace(made, wall=replace(made.wall, cells=(bays, storeys)))
    shell(scene, made, Bounds(x0, eaves, x1, scene.ground), pitch)
    for row in range(storeys):
        _storey(scene, made, Bounds(x0, eaves + row * storey, x1, eaves + (row + 1) * storey), bays, row)
    _street_level(scene, made, Bounds(x0, scene.ground - street_level, x1, scene.ground), bays)


def _storey(scene: Scene, made: Style, row: Bounds, bays: int, level: int) -> None:
    """One row of windows, with balconies on some; a band below it."""
    bay, (wide, high) = row.width / bays, made.window
    if made.bands:
        band = Surface("ledge", made.trim, "plaster", depth=0.006)
        scene.paint(band, Box(row.x0, row.y1 - 0.008, row.x1, row.y1))
    for number in range(bays):
        x, bottom = row.x0 + (number + 0.5) * bay, row.y1 - 0.17 * row.height
        box = Bounds(x - wide * bay / 2, bottom - high * row.height, x + wide * bay / 2, bottom)
        if _has_balcony(scene, made, number, bays, level):
            balcony(scene, made, Bounds(box.x0, box.y0, box.x1, row.y1 - 0.018))
        else:
            opening(scene, made, box)


def _has_balcony(scene: Scene, made: Style, number: int, bays: int, level: int) -> bool:
    some = scene.layout.chance(0.3)
    return {
        "none": False,
        "middle": bays % 2 == 1 and number == bays // 2,
        "some": some,
        "all": level % 2 == 1,
    }[made.balconies]


def _street_level(scene: Scene, made: Style, row: Bounds, bays: int) -> None:
    """A shop front, or a door between windows."""
    if row.width > 0.24 and scene.layout.chance(0.45):
        shop(scene, made, row)
        return
    bay, (wide, high) = row.width / bays, made.window
    entrance = scene.layout.whole(0, bays - 1)
    for number in range(bays):
        x = row.x0 + (number + 0.5) * bay
        if number == entrance:
            door(scene, made, x, row)
        else:
            bottom = row.y1 - 0.27 * row.height
            opening(
                scene, made, Bounds(x - wide * bay / 2, bottom - 0.9 * high * row.height, x + wide * bay / 2, bottom)
            )
