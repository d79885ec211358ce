"""A street as a list of flat parts, painted back to front: every picture of the scene is a look-up in that one list.

Lengths are fractions of the picture (x to the right, y down, both 0..1), so that a scene has no resolution. Chance
comes from `Dice`, which asks the generator for nothing but uniform doubles: their bits are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

RGB = tuple[float, float, float]  # 0..1
T = TypeVar("T")


class Kind(NamedTuple):
    """One class of the label map; its id is its place in CLASSES."""

    name: str
    rgb: tuple[int, int, int]


CLASSES = (
    Kind("sky", (112, 176, 232)),
    Kind("wall", (196, 164, 132)),
    Kind("roof", (156, 62, 52)),
    Kind("chimney", (96, 56, 72)),
    Kind("window", (24, 88, 200)),
    Kind("shutter", (36, 168, 148)),
    Kind("door", (240, 120, 24)),
    Kind("ledge", (244, 228, 180)),
    Kind("balcony", (148, 72, 196)),
    Kind("shop", (232, 64, 128)),
    Kind("awning", (252, 196, 36)),
    Kind("pavement", (176, 176, 180)),
    Kind("road", (72, 72, 80)),
    Kind("plant", (60, 148, 48)),
    Kind("lamp", (255, 255, 120)),
    Kind("car", (204, 28, 36)),
)
IDS = {kind.name: number for number, kind in enumerate(CLASSES)}


class Dice:
    """Repeatable chance: the same on every machine and in every release of numpy."""

    def __init__(self, *entropy: int) -> None:
        self.rng = np.random.Generator(np.random.PCG64(list(entropy)))

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.rng.random()

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int((high - low + 1) * self.rng.random())

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, options: Sequence[T]) -> T:
        return options[self.whole(0, len(options) - 1)]

    def near(self, rgb: RGB, spread: float = 0.05) -> RGB:
        """A colour close to `rgb`: a little lighter or darker, a little warmer or cooler."""
        light, warm = self.between(-spread, spread), self.between(-spread, spread) / 2
        red, green, blue = rgb
        return red + light + warm, green + light, blue + light - warm


class Bounds(NamedTuple):
    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    def inset(self, margin: float) -> Bounds:
        return Bounds(self.x0 + margin, self.y0 + margin, self.x1 - margin, self.y1 - margin)


class Form(Protocol):
    """A flat outline. `covers` takes x as a row and y as a column of points and answers for every pair of them."""

    @property
    def bounds(self) -> Bounds: ...
    def covers(self, x: np.ndarray, y: np.ndarray) -> np.ndarray | bool: ...


class Box(Bounds):
    @property
    def bounds(self) -> Bounds:
        return self

    def covers(self, x: np.ndarray, y: np.ndarray) -> bool:
        return True


class Disc(NamedTuple):
    """An upright ellipse."""

    x: float
    y: float
    rx: float
    ry: float

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.x - self.rx, self.y - self.ry, self.x + self.rx, self.y + self.ry)

    def covers(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        across, down = (x - self.x) / self.rx, (y - self.y) / self.ry
        return across * across + down * down <= 1.0


class Polygon:
    """A convex polygon, its corners in clockwise order as seen on the screen."""

    def __init__(self, *corners: tuple[float, float]) -> None:
        self.corners = corners

    @property
    def bounds(self) -> Bounds:
        xs, ys = zip(*self.corners, strict=True)
        return Bounds(min(xs), min(ys), max(xs), max(ys))

    def covers(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        inside = np.ones((y.shape[0], x.shape[1]), bool)
        for (x0, y0), (x1, y1) in zip(self.corners, self.corners[1:] + self.corners[:1], strict=True):
            inside &= (x1 - x0) * (y - y0) >= (y1 - y0) * (x - x0)
        return inside


@dataclass(frozen=True)
class Surface:
    """What a part is made of. `depth` is how far it stands in front of the facades; below zero: a recess."""

    label: str
    rgb: RGB
    texture: str = "plain"
    second: RGB = (0.0, 0.0, 0.0)  # mortar, glazing bars, stripes, ...
    cells: tuple[int, int] = (1, 1)  # panes, panels or bays across and down
    depth: float = 0.0
    emission: RGB = (0.0, 0.0, 0.0)  # light given off by night
    outlined: bool = False  # has its own contour in the edges, also against parts of the same thing


class Part(NamedTuple):
    surface: Surface
    forms: tuple[Form, ...]
    thing: int  # instance id, 0: none
    seed: float  # 0..1, what makes it differ from others of its surface

    @property
    def bounds(self) -> Bounds:
        x0, y0, x1, y1 = zip(*(form.bounds for form in self.forms), strict=True)
        return Bounds(min(x0), min(y0), max(x1), max(y1))


class Lamp(NamedTuple):
    """A street lamp's light: where it hangs, and where its post meets the ground."""

    x: float
    y: float
    foot: float
    rgb: RGB


@dataclass
class Scene:
    """Parts in painting order; `layout` throws what labels show, `look` throws all that they leave open."""

    layout: Dice
    look: Dice
    ground: float = 0.82  # where the facades meet the pavement
    kerb: float = 0.90  # where the pavement meets the road
    parts: list[Part] = field(default_factory=list)
    lamps: list[Lamp] = field(default_factory=list)
    feet: list[Disc] = field(default_factory=list)  # where things shade the ground under them
    things: int = 0

    def thing(self) -> int:
        """A new instance id."""
        self.things += 1
        return self.things

    def paint(self, surface: Surface, *forms: Form, thing: int = 0) -> None:
        """Put one part in front of all others."""
        self.parts.append(Part(surface, forms, thing, self.look.between(0, 1)))
