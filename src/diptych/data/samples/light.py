"""Day and night: the same surfaces under the sun, or under lamps and lit windows.

Light is worked out on the fine map, what is smooth by nature on the coarse one; all in float32 and without a
function that machines round differently.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from diptych.data.samples.canvas import Canvas, Field, Planes, Spot, blur, mean, refine, slide
from diptych.data.samples.scene import RGB, Dice
from diptych.data.samples.textures import GLOWS, TEXTURES


class Weather(NamedTuple):
    sun: RGB
    ambient: RGB
    zenith: RGB
    horizon: RGB
    clouds: float  # 0 none .. 1 all over


class Darkness(NamedTuple):
    ambient: RGB
    zenith: RGB
    horizon: RGB
    stars: float


WEATHERS = (
    Weather((0.62, 0.59, 0.52), (0.50, 0.53, 0.60), (0.26, 0.50, 0.84), (0.72, 0.86, 0.95), 0.35),  # fair
    Weather((0.60, 0.57, 0.51), (0.50, 0.53, 0.59), (0.34, 0.58, 0.88), (0.82, 0.90, 0.95), 0.55),  # cloudy
    Weather((0.66, 0.62, 0.54), (0.46, 0.50, 0.58), (0.18, 0.42, 0.78), (0.62, 0.80, 0.94), 0.12),  # clear
    Weather((0.12, 0.12, 0.12), (0.80, 0.82, 0.86), (0.62, 0.66, 0.71), (0.83, 0.85, 0.87), 0.95),  # overcast
    Weather((0.72, 0.50, 0.28), (0.46, 0.44, 0.52), (0.36, 0.46, 0.70), (0.99, 0.76, 0.50), 0.45),  # evening
    Weather((0.56, 0.48, 0.44), (0.52, 0.50, 0.56), (0.50, 0.60, 0.82), (0.97, 0.82, 0.78), 0.40),  # morning
)
NIGHTS = (
    Darkness((0.19, 0.235, 0.40), (0.020, 0.030, 0.095), (0.13, 0.15, 0.29), 1.0),  # deep
    Darkness((0.22, 0.28, 0.44), (0.030, 0.055, 0.150), (0.17, 0.22, 0.38), 1.0),  # moonlit
    Darkness((0.24, 0.25, 0.40), (0.060, 0.080, 0.230), (0.52, 0.32, 0.38), 0.4),  # nightfall
    Darkness((0.22, 0.215, 0.32), (0.050, 0.045, 0.110), (0.28, 0.20, 0.25), 0.6),  # over a city
)


class Shading(NamedTuple):
    """What day and night share; planes and fields are fine."""

    own: Planes  # own colours
    open: Field  # 1 in the open, less in recesses and where walls meet the ground
    depth: Field
    sky: np.ndarray  # flat indices of the pixels of the sky


def shading(canvas: Canvas) -> Shading:
    own = np.empty((3, canvas.side * canvas.side), np.float32)
    for name, pixels in canvas.groups([part.surface.texture for part in canvas.scene.parts]):
        own[:, pixels] = TEXTURES[name](canvas.spot(pixels))
    depth = canvas.map(canvas.table["depth"])
    sky = np.flatnonzero(canvas.parts == 0)
    return Shading(np.clip(own, 0.02, 1.0).reshape(3, canvas.side, canvas.side), _open(canvas, depth), depth, sky)


def day(canvas: Canvas, shade: Shading, dice: Dice) -> Planes:
    """By day, `3 H W` of the picture's size, 0..1 and a little over."""
    weather, slope = dice.pick(WEATHERS), dice.pick((-1.0, 1.0)) * dice.between(0.35, 1.1)
    sunny = (1.0 - _shadow(canvas, shade.depth, slope)) * shade.open
    picture = np.empty_like(shade.own)
    for channel, (sun, ambient) in enumerate(zip(weather.sun, weather.ambient, strict=True)):
        picture[channel] = shade.own[channel] * (sun * sunny + ambient * shade.open)
    picture.reshape(3, -1)[:, shade.sky] = _sky(canvas.spot(shade.sky), weather, canvas.scene.ground)
    return mean(picture)


def night(canvas: Canvas, shade: Shading, dice: Dice) -> Planes:
    """By night, `3 H W` of the picture's size, 0..1 and a little over."""
    darkness, light, lamps = dice.pick(NIGHTS), _emission(canvas), _lamplight(canvas)
    picture = np.empty_like(shade.own)
    for channel, ambient in enumerate(darkness.ambient):
        picture[channel] = shade.own[channel] * (ambient * shade.open + lamps[channel]) + light[channel]
    picture.reshape(3, -1)[:, shade.sky] = _night_sky(canvas.spot(shade.sky), darkness, canvas.scene.ground, dice)
    return _bloom(canvas, mean(picture), mean(light))


def quantise(picture: Planes, dice: Dice) -> np.ndarray:
    """Light `3 H W` to `H W 3` uint8: highlights rolled off, and a little sensor noise."""
    over = np.maximum(picture - 0.75, 0.0)
    noise = 0.02 * (dice.rng.random(picture.shape[1:]).astype(np.float32) - 0.5)
    level = picture - over + over / (1.0 + 1.6 * over) + noise
    return np.floor(np.clip(level, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8).transpose(1, 2, 0)


def _open(canvas: Canvas, depth: Field) -> Field:
    relief = np.minimum(depth, 0.03)
    hollow = np.clip(refine(blur(mean(relief), canvas.size / 90)) - relief, 0.0, 0.02)
    foot = canvas.y - canvas.scene.ground
    corner = 1.0 - 0.24 / (1.0 + 900.0 * foot * foot)
    openness: Field = (1.0 - 20.0 * hollow) * corner * _contact(canvas)
    return openness


def _contact(canvas: Canvas) -> Field:
    """The dark under what stands on the street."""
    field = np.ones((canvas.side, canvas.side), np.float32)
    first = math.floor((canvas.scene.ground - 0.01) * canvas.side)
    for foot in canvas.scene.feet:
        across, down = (canvas.x - foot.x) / foot.rx, (canvas.y[first:] - foot.y) / foot.ry
        field[first:] *= 1.0 - 0.55 * np.maximum(1.0 - across * across - down * down, 0.0)
    return field


def _shadow(canvas: Canvas, depth: Field, slope: float) -> Field:
    """0 in sunlight, 1 in shadow; the sun is behind the viewer, and its light falls down and to `slope`'s side."""
    standing = depth >= 0.1
    relief = np.where(standing, 0.0, depth).astype(np.float32)
    highest = relief - 1.0
    for step in range(1, 11):  # how high what shades stands over what is shaded
        lift = 0.0075 * step
        np.maximum(highest, _shifted(relief, slope * lift * canvas.side, lift * canvas.side) - lift, out=highest)
    cast = np.clip((highest - relief) * 160.0, 0.0, 1.0)
    far = blur(
        _shifted(mean(standing.astype(np.float32)), slope * 0.1 * canvas.size, 0.05 * canvas.size), canvas.size / 90
    )
    on_wall = np.where(canvas.y < canvas.scene.ground, 0.75, 0.0) * np.where(standing, 0.3, 1.0)
    shadow: Field = np.maximum(cast, refine(far) * on_wall.astype(np.float32))
    return shadow


def _shifted(field: Field, across: float, down: float) -> Field:
    """`field` moved by a number of pixels, rounded; its border repeated."""
    x, y = math.floor(across + 0.5), math.floor(down + 0.5)
    padded = np.pad(field, ((max(y, 0), max(-y, 0)), (max(x, 0), max(-x, 0))), "edge")
    top, left = max(-y, 0), max(-x, 0)
    return padded[top : top + field.shape[0], left : left + field.shape[1]]


def _column(rgb: RGB) -> np.ndarray:
    return np.array(rgb, np.float32)[:, None]


def _sky(s: Spot, weather: Weather, ground: float) -> Planes:
    """A gradient from the zenith to the horizon, and clouds."""
    down = np.clip(s.y / (ground - 0.15), 0.0, 1.0)
    zenith, horizon = _column(weather.zenith), _column(weather.horizon)
    clear = zenith + (horizon - zenith) * down
    thick = s.grain.cloudy(s.x * 3.0, s.y * 6.5, 4)
    cover = np.clip((thick - 0.80 + 0.55 * weather.clouds) * 4.5, 0.0, 1.0) * 0.92
    bright = 0.82 + 0.20 * s.grain.smooth(s.x * 9.0 + 3.0, s.y * 16.0 - 0.5)
    sky: Planes = clear + ((0.55 + 0.45 * horizon) * bright - clear) * cover
    return sky


def _night_sky(s: Spot, darkness: Darkness, ground: float, dice: Dice) -> Planes:
    """A deep gradient, veils of cloud, stars and the moon."""
    down = np.clip(s.y / ground, 0.0, 1.0)
    zenith, horizon = _column(darkness.zenith), _column(darkness.horizon)
    veiled = (zenith + (horizon - zenith) * (down * down)) * (0.75 + 0.6 * s.grain.cloudy(s.x * 2.5, s.y * 6.0, 3))
    chance = s.grain.cell(np.floor(s.y * 48.0), np.floor(s.x * 48.0))
    u, v = s.x * 48.0 - np.floor(s.x * 48.0) - 0.5, s.y * 48.0 - np.floor(s.y * 48.0) - 0.5
    twinkle = np.maximum(chance - 0.94, 0.0) * (14.0 * darkness.stars) * (1.0 - down)
    sky: Planes = veiled + np.where(u * u + v * v < 0.02, twinkle, 0.0) + _moon(s, dice)
    return sky


def _moon(s: Spot, dice: Dice) -> Planes:
    """A disc, bitten to a crescent or whole, and its halo."""
    x, y, radius = dice.between(0.08, 0.92), dice.between(0.05, 0.20), dice.between(0.022, 0.034)
    bite = dice.pick((0.4, 0.7, 1.0, 2.5)) * radius
    across, down = s.x - x, s.y - y
    distance = across * across + down * down
    beside, above = across - bite, down + 0.3 * bite
    bright = (distance < radius * radius) & (beside * beside + above * above >= radius * radius)
    return _column((0.95, 0.93, 0.82)) * (np.where(bright, 0.9, 0.0) + 0.00035 / (distance + 0.0035))


def _emission(canvas: Canvas) -> Planes:
    """Light given off by lit glass, signs, lamps and cars, fine."""
    light = np.zeros((3, canvas.side * canvas.side), np.float32)
    surfaces = [part.surface for part in canvas.scene.parts]
    for name, pixels in canvas.groups([surface.texture if any(surface.emission) else "" for surface in surfaces]):
        spot = canvas.spot(pixels)
        light[:, pixels] = GLOWS[name](spot) if name in GLOWS else spot.of("emission")
    return light.reshape(3, canvas.side, canvas.side)


def _lamplight(canvas: Canvas) -> Planes:
    """Light of the street lamps that falls on walls and, as pools, on the ground; fine."""
    total = np.zeros((3, canvas.side, canvas.side), np.float32)
    for lamp in canvas.scene.lamps:
        across, down, below = canvas.x - lamp.x, canvas.y - lamp.y, canvas.y - lamp.foot
        wall = 0.0150 / (across * across + down * down + 0.016) * np.where(down > 0, 1.0, 0.55).astype(np.float32)
        pool = 0.0240 / (across * across + 9.0 * below * below + 0.024)
        light = np.where(canvas.y > canvas.scene.ground, pool, wall)
        for channel, share in enumerate(lamp.rgb):
            total[channel] += share * light
    return total


def _bloom(canvas: Canvas, picture: Planes, light: Planes) -> Planes:
    """Light that spreads in the air, stands in cones under the lamps and shines back from the road; coarse."""
    near, far = blur(light, canvas.size / 70), blur(light, canvas.size / 18)
    rows = mean(np.broadcast_to(canvas.y, (canvas.side, canvas.side)))[:, :1]
    columns = mean(np.broadcast_to(canvas.x, (canvas.side, canvas.side)))[:1]
    ground = canvas.scene.ground
    mirrored = np.clip(((2.0 * ground - 0.02 - rows[:, 0]) * canvas.size).astype(np.int32), 0, canvas.size - 1)
    share = np.where(rows > ground, 0.28 + 0.9 * (rows - ground), 0.0)
    shine = slide(near + 1.6 * far, max(1, canvas.size // 24), -2)[:, mirrored] * share
    spread: Planes = picture + 0.30 * near + 0.60 * far + shine + _cones(canvas, rows, columns)
    return spread


def _cones(canvas: Canvas, rows: Field, columns: Field) -> Planes:
    """Haze lit by the street lamps, a cone from each down to the ground; coarse."""
    total = np.zeros((3, canvas.size, canvas.size), np.float32)
    for lamp in canvas.scene.lamps:
        fall = np.clip((rows - lamp.y) / (lamp.foot - lamp.y), 0.0, 1.0)
        half = 0.012 + 0.085 * fall
        beam = np.clip(1.6 - 1.6 * np.abs(columns - lamp.x) / half, 0.0, 1.0)
        lit = np.where((rows > lamp.y) & (rows < lamp.foot), beam * (0.16 - 0.13 * fall), 0.0).astype(np.float32)
        total += _column(lamp.rgb)[..., None] * lit
    return total
