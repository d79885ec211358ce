"""Parked cars, seen from their sides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from diptych.data.samples.scene import RGB, Disc, Polygon, Scene, Surface
from diptych.data.samples.style import OFF, PAINT

Points = tuple[tuple[float, float], ...]

LACQUER: tuple[RGB, ...] = (
    (0.70, 0.12, 0.12),
    (0.16, 0.28, 0.50),
    (0.86, 0.86, 0.86),
    (0.20, 0.22, 0.24),
    (0.90, 0.70, 0.16),
    (0.28, 0.46, 0.40),
    (0.56, 0.70, 0.80),
    (0.88, 0.80, 0.66),
)


class Model(NamedTuple):
    """A silhouette facing right: along from -1 (rear) to 1 (front), up in lengths of the car; clockwise."""

    cabin: Points
    hull: Points
    windows: tuple[Points, ...]


MODELS = (
    Model(  # saloon
        ((-0.56, 0.33), (0.16, 0.33), (0.50, 0.20), (-0.78, 0.20)),
        ((-0.96, 0.21), (0.52, 0.21), (0.94, 0.165), (1.0, 0.06), (-1.0, 0.06)),
        (
            ((-0.50, 0.31), (-0.20, 0.31), (-0.20, 0.215), (-0.66, 0.215)),
            ((-0.15, 0.31), (0.12, 0.31), (0.38, 0.215), (-0.15, 0.215)),
        ),
    ),
    Model(  # small car
        ((-0.66, 0.40), (0.10, 0.40), (0.46, 0.235), (-0.92, 0.235)),
        ((-0.95, 0.245), (0.48, 0.245), (0.90, 0.19), (0.98, 0.06), (-0.98, 0.06)),
        (
            ((-0.64, 0.375), (-0.26, 0.375), (-0.26, 0.25), (-0.80, 0.25)),
            ((-0.20, 0.375), (0.06, 0.375), (0.33, 0.25), (-0.20, 0.25)),
        ),
    ),
    Model(  # van
        ((-0.94, 0.44), (0.46, 0.44), (0.74, 0.24), (-0.96, 0.24)),
        ((-0.97, 0.26), (0.72, 0.26), (0.96, 0.20), (1.0, 0.06), (-1.0, 0.06)),
        (((0.20, 0.41), (0.43, 0.41), (0.64, 0.265), (0.20, 0.265)),),
    ),
)


@dataclass(frozen=True)
class Place:
    """Where a car stands: its middle, its foot, its length, and whether it faces right (1) or left (-1)."""

    x: float
    foot: float
    length: float
    ahead: float

    def at(self, along: float, up: float) -> tuple[float, float]:
        return self.x + self.ahead * along * self.length / 2, self.foot - up * self.length

    def polygon(self, points: Points) -> Polygon:
        corners = [self.at(*point) for point in points]
        return Polygon(*(corners if self.ahead > 0 else corners[::-1]))

    def disc(self, along: float, up: float, rx: float, ry: float) -> Disc:
        return Disc(*self.at(along, up), rx * self.length, ry * self.length)


def car(scene: Scene, x: float) -> None:
    """One car on the road whose middle is at x."""
    layout, look, thing = scene.layout, scene.look, scene.thing()
    model = layout.pick(MODELS)
    foot = scene.kerb + layout.between(0.035, 0.060)
    place = Place(x, foot, layout.between(0.26, 0.33), layout.pick((1.0, -1.0)))
    scene.feet.append(Disc(x, foot, 0.60 * place.length, 0.035))
    body = Surface("car", look.near(look.pick((*LACQUER, *PAINT)), 0.03), "lacquer", depth=0.3)
    scene.paint(body, place.polygon(model.cabin), place.polygon(model.hull), thing=thing)
    glass = replace(body, rgb=(0.30, 0.36, 0.42))
    for points in model.windows:
        scene.paint(glass, place.polygon(points), thing=thing)
    _fittings(scene, place, thing)


def _fittings(scene: Scene, place: Place, thing: int) -> None:
    """Wheels and lights."""
    dark = Surface("car", (0.05, 0.05, 0.06), depth=0.3)
    for along in (-0.60, 0.60):
        scene.paint(dark, place.disc(along, 0.075, 0.090, 0.090), thing=thing)
        scene.paint(replace(dark, rgb=(0.66, 0.67, 0.68)), place.disc(along, 0.075, 0.048, 0.048), thing=thing)
    on = scene.look.chance(0.5)
    head = replace(dark, rgb=(0.94, 0.93, 0.86), emission=(1.0, 0.95, 0.80) if on else OFF)
    tail = replace(dark, rgb=(0.66, 0.10, 0.08), emission=(0.90, 0.10, 0.06) if on else OFF)
    scene.paint(head, place.disc(0.92, 0.14, 0.040, 0.030), thing=thing)
    scene.paint(tail, place.disc(-0.95, 0.165, 0.026, 0.036), thing=thing)
