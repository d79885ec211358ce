"""What surfaces look like close up: each texture turns the place of a pixel on its part into a colour.

Only + - * /, square roots and comparisons are used: those round alike on every machine, sines and powers do not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from diptych.data.samples.canvas import Field, Planes, Spot


def _mix(a: Planes, b: Planes, share: Field) -> Planes:
    mixed: Planes = a + (b - a) * share
    return mixed


def _rest(x: Field) -> Field:
    rest: Field = x - np.floor(x)
    return rest


def plain(s: Spot) -> Planes:
    return s.of("rgb")


def plaster(s: Spot) -> Planes:
    stains = s.grain.smooth(s.x * 9.0 + 40.0 * s.of("seed"), s.y * 5.0)
    return s.of("rgb") * (0.88 + 0.12 * stains + 0.07 * s.grain.smooth(s.x * 110.0, s.y * 110.0))


def _courses(s: Spot, high: float, wide: float, joint: float) -> tuple[Field, Field]:
    """Blocks laid in a running bond: a chance for each block, and where the joints are."""
    row = np.floor(s.y / high)
    across = s.x / wide + 0.5 * (row % 2.0) + s.of("seed")
    down = s.y / high - row
    joints = (_rest(across) * wide < joint) | (down * high < joint)
    return s.grain.cell(row, np.floor(across)), joints


def brick(s: Spot) -> Planes:
    chance, joints = _courses(s, 0.0150, 0.036, 0.0030)
    return np.where(joints, s.of("second") * 0.92, s.of("rgb") * (0.76 + 0.42 * chance))


def stone(s: Spot) -> Planes:
    chance, joints = _courses(s, 0.034, 0.075, 0.0030)
    tone = (0.84 + 0.22 * chance) * (0.94 + 0.12 * s.grain.smooth(s.x * 90.0, s.y * 90.0))
    return s.of("rgb") * np.where(joints, 0.72, tone)


def quoins(s: Spot) -> Planes:
    row = np.floor(s.y / 0.026)
    joints = s.y / 0.026 - row < 0.12
    return s.of("rgb") * np.where(joints, 0.66, 0.86 + 0.10 * (row % 2.0))


def timber(s: Spot) -> Planes:
    """Half-timbering: posts between the bays, rails between the storeys, braces in some fields."""
    across, down = s.u * s.of("cells")[0], s.v * (s.of("cells")[1] + 1.25)
    wide, high = s.of("width") / s.of("cells")[0], s.of("height") / (s.of("cells")[1] + 1.25)
    u, v = _rest(across), _rest(down)
    post = np.minimum(u, 1.0 - u) * wide < 0.0055
    rail = np.minimum(v, 1.0 - v) * high < 0.0055
    chance = s.grain.cell(np.floor(down) + 7.0 * np.floor(20.0 * s.of("seed")), np.floor(across))
    brace = (np.abs(np.where(chance < 0.5, u, 1.0 - u) - v) * high < 0.007) & (np.abs(chance - 0.5) > 0.1)
    grain = 0.85 + 0.3 * s.grain.smooth(s.x * 120.0, s.y * 120.0)
    return np.where(post | rail | brace, s.of("second") * grain, plaster(s))


def tiles(s: Spot) -> Planes:
    row = np.floor(s.y / 0.0165)
    down, across = s.y / 0.0165 - row, s.x / 0.017 + 0.5 * (row % 2.0)
    bow = np.abs(_rest(across) - 0.5)
    shade = np.where(down > 0.80 - 0.9 * bow * bow, 0.66, 0.88 + 0.2 * down)
    return s.of("rgb") * shade * (0.84 + 0.32 * s.grain.cell(row, np.floor(across)))


def slate(s: Spot) -> Planes:
    chance, joints = _courses(s, 0.015, 0.024, 0.0025)
    return s.of("rgb") * np.where(joints, 0.74, 0.82 + 0.36 * chance)


def seams(s: Spot) -> Planes:
    across = _rest(s.x / 0.022)
    sheen = 0.92 + 0.16 * s.grain.smooth(s.x * 14.0, s.y * 6.0)
    return s.of("rgb") * sheen * np.where(across < 0.14, 0.70, np.where(across < 0.30, 1.14, 1.0))


def slats(s: Spot) -> Planes:
    edge = np.minimum(s.u, 1.0 - s.u) * s.of("width") < 0.0028
    return s.of("rgb") * np.where(edge, 1.05, 0.72 + 0.40 * _rest(s.y / 0.0090))


def panels(s: Spot) -> Planes:
    u, v = _rest(s.u * s.of("cells")[0]), _rest(s.v * s.of("cells")[1])
    inside = (np.abs(u - 0.5) < 0.33) & (np.abs(v - 0.5) < 0.36)
    knob = (np.abs(s.u - 0.86) * s.of("width") < 0.003) & (np.abs(s.v - 0.45) * s.of("height") < 0.004)
    return np.where(knob, np.float32(0.85), np.where(inside, s.of("second") * (0.9 + 0.4 * v), s.of("rgb")))


def railing(s: Spot) -> Planes:
    bars = (np.abs(_rest(s.x / 0.0120) - 0.5) < 0.22) | (s.v * s.of("height") < 0.006)
    return np.where(bars, s.of("rgb"), s.of("second"))


def stripes(s: Spot) -> Planes:
    folds = _rest(s.u * np.floor(s.of("width") / 0.042) + 0.25)
    return np.where(folds < 0.5, s.of("rgb"), s.of("second")) * (1.04 - 0.10 * s.v)


def sign(s: Spot) -> Planes:
    """A board with a word on it that cannot be read."""
    across = s.x / 0.0115
    letter = s.grain.cell(np.floor(across), np.floor(60.0 * s.of("seed")))
    reach = 0.16 + 0.22 * s.of("seed")
    inked = (_rest(across) < 0.72) & (np.abs(s.v - 0.52) < 0.14 + 0.12 * letter) & (np.abs(s.u - 0.5) < reach)
    hole = (np.abs(_rest(across) - 0.36) < 0.15) & (np.abs(s.v - 0.46 - 0.1 * letter) < 0.06)
    return np.where(inked & ~hole & (letter > 0.12), s.of("second"), s.of("rgb"))


def display(s: Spot) -> Planes:
    """A show window: goods of all colours on shelves, sky in the upper glass."""
    row = np.floor(s.v * 3.0)
    column = np.floor(s.x / 0.013)
    chance, hue = s.grain.cell(row + 9.0, column), s.grain.cell(column + 3.0, row + 31.0)
    goods = (_rest(s.v * 3.0) > 0.30 + 0.5 * chance) & (_rest(s.x / 0.013) > 0.12) & (_rest(s.v * 3.0) < 0.92)
    colour = np.stack([0.25 + 0.65 * hue, 0.25 + 0.55 * _rest(hue * 3.0), 0.2 + 0.5 * _rest(hue * 5.0)])
    inside = np.where(goods, colour, s.of("rgb") * 1.6)
    return _mix(inside, _sky_in_glass(s), 0.30 + 0.25 * _streaks(s))


def _streaks(s: Spot) -> Field:
    """Slanting reflections, 0 or 1."""
    slant = _rest((s.x + 0.55 * s.y) / 0.11 + s.of("seed"))
    return ((slant < 0.22) | (np.abs(slant - 0.34) < 0.04)).astype(np.float32)


def _sky_in_glass(s: Spot) -> Planes:
    shade = 0.72 + 0.3 * (s.of("seed") - s.v)
    return np.stack([0.62 * shade, 0.76 * shade, 0.92 * shade])


def _bars(s: Spot) -> np.ndarray:
    """Where the glazing bars are."""
    hits = np.zeros(s.x.shape, bool)
    for along, size, count in zip((s.u, s.v), (s.of("width"), s.of("height")), s.of("cells"), strict=True):
        line = np.floor(along * count + 0.5)
        near = np.abs(along * count - line) * size < 0.0026 * count
        hits |= near & (line > 0.5) & (line < count - 0.5)
    return hits


def _curtain(s: Spot) -> np.ndarray:
    """Where cloth hangs behind the panes: at the sides, half way up, from above, or nowhere."""
    seed, u, v = s.of("seed"), s.u, s.v
    sides = (np.abs(u - 0.5) > 0.24 + 0.10 * v) & (seed < 0.35)
    cafe = (v > 0.56) & (seed > 0.35) & (seed < 0.50)
    blind = (v < 2.0 * (seed - 0.45)) & (seed > 0.50) & (seed < 0.75)
    return sides | cafe | blind


def glass(s: Spot) -> Planes:
    """A window: a dark room, curtains, the sky in the panes, and glazing bars."""
    folds = 0.70 + 0.25 * _rest(s.u * 7.0 + s.of("seed") * 9.0)
    tint = _rest(s.of("seed") * 31.0)
    cloth = np.stack([folds * (0.86 + 0.1 * tint), folds * (0.90 - 0.2 * tint), folds * (0.86 - 0.34 * tint)])
    room = np.where(_curtain(s), cloth * 0.85, s.of("rgb"))
    pane = _mix(room, _sky_in_glass(s), 0.30 + 0.24 * _streaks(s))
    return np.where(_bars(s), s.of("second"), pane)


def glow(s: Spot) -> Planes:
    """What lit glass gives off by night: brightest near the ceiling lamp, dimmed by curtains, cut by bars."""
    u, v = s.u - 0.5, s.v - 0.25
    light = 0.70 + 0.45 / (1.0 + 6.0 * (u * u + v * v))
    return s.of("emission") * np.where(_bars(s), 0.12, np.where(_curtain(s), 0.62 * light, light))


def shown(s: Spot) -> Planes:
    """What a lit show window gives off: light on the goods."""
    return s.of("emission") * (0.55 + 0.55 * display(s))


def lettered(s: Spot) -> Planes:
    return s.of("emission") * (0.35 + sign(s))


def foliage(s: Spot) -> Planes:
    """Leaves: clumps lit from above, specks of light and gaps of dark between them."""
    seed = s.of("seed") * 64.0
    clump = s.grain.smooth(s.x * 26.0 + seed, s.y * 26.0)
    leaf = s.grain.smooth(s.x * 95.0, s.y * 95.0 + seed)
    light = 0.95 * clump + 0.75 * leaf - 0.45 - 0.55 * (s.v - 0.35) - 0.25 * np.abs(s.u - 0.45)
    return _mix(s.of("rgb") * 0.42, s.of("second"), np.clip(light, 0.0, 1.0))


def flowers(s: Spot) -> Planes:
    bloom = s.grain.cell(np.floor(s.y / 0.0052), np.floor(s.x / 0.0062)) > 0.45
    return np.where(bloom & (s.v < 0.72), s.of("second"), s.of("rgb"))


def bark(s: Spot) -> Planes:
    return s.of("rgb") * (0.75 + 0.5 * s.grain.smooth(s.x * 160.0, s.y * 30.0)) * (1.15 - 0.4 * s.u)


def _plan(s: Spot) -> tuple[Field, Field]:
    """Where a pixel is on the ground, across and away, under a horizon a little above the ground line."""
    near = 0.20 / (s.y - (s.scene.ground - 0.16))
    return (s.x - 0.5) * near, near


def slabs(s: Spot) -> Planes:
    across, away = _plan(s)
    row = np.floor(away * 11.0)
    along = across * 13.0 + 0.5 * (row % 2.0)
    joint = (_rest(along) < 0.05) | (_rest(away * 11.0) < 0.10)
    tone = 0.88 + 0.16 * s.grain.cell(row, np.floor(along)) + 0.05 * s.grain.smooth(s.x * 120.0, s.y * 120.0)
    return s.of("rgb") * np.where(joint, 0.76, tone)


def kerb(s: Spot) -> Planes:
    across, _ = _plan(s)
    return s.of("rgb") * np.where(_rest(across * 9.0) < 0.03, 0.76, 1.0)


def asphalt(s: Spot) -> Planes:
    worn, patches = s.grain.smooth(s.x * 130.0, s.y * 130.0), s.grain.smooth(s.x * 7.0, s.y * 30.0)
    return s.of("rgb") * (0.88 + 0.14 * worn + 0.10 * patches)


def _marked(s: Spot, marks: np.ndarray) -> Planes:
    """Asphalt under white paint that wears thin here and there."""
    paint = 0.70 + 0.20 * s.grain.smooth(s.x * 60.0, s.y * 90.0)
    return np.where(marks, paint, asphalt(s))


def dashed(s: Spot) -> Planes:
    across, _ = _plan(s)
    return _marked(s, (np.abs(s.y - s.scene.kerb - 0.055) < 0.006) & (_rest(across * 3.6 + s.of("seed")) < 0.55))


def zebra(s: Spot) -> Planes:
    across, _ = _plan(s)
    return _marked(s, (np.abs(across - 0.3 * (s.of("seed") - 0.5)) < 0.22) & (_rest(across * 16.0) < 0.5))


def lacquer(s: Spot) -> Planes:
    """Car paint: lighter where it faces the sky."""
    return s.of("rgb") * (1.12 - 0.5 * s.v) + np.where(np.abs(s.v - 0.22) < 0.06, 0.22, 0.0)


Texture = Callable[[Spot], Planes]
TEXTURES: dict[str, Texture] = {
    texture.__name__: texture
    for texture in (
        plain, plaster, brick, stone, quoins, timber, tiles, slate, seams, slats, panels, railing, stripes, sign,
        display, glass, foliage, flowers, bark, slabs, kerb, asphalt, dashed, zebra, lacquer,
    )
}  # fmt: skip
GLOWS: dict[str, Texture] = {"glass": glow, "display": shown, "sign": lettered}
