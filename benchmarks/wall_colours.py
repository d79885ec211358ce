"""How many of the colours that a label map leaves open do a model's answers show? Measured on the sample streets.

A street's label map says where walls are and nothing of their colour: the samples draw the same labels with any number
of looks. For each test scene the mean colour of its walls is taken in LOOKS true pictures, and in each answer of the
model. A true colour is covered where an answer's lies within RADIUS of it, a distance in CIELAB (5 is plain to see).
Coverage is the share of true colours that are covered, a mean over scenes, with its 95 % interval.

Run:  python benchmarks/wall_colours.py MODEL [MODEL ...] [--answers 10] [--scenes 30] [--size 64]
"""

from __future__ import annotations

import argparse

import numpy as np

from diptych import Translator
from diptych.data.samples.scene import IDS
from diptych.data.samples.street import street
from diptych.metrics.interval import bootstrap

LOOKS, RADIUS = 20, 10.0
FIRST = 10_000_000
"""Scenes from this seed on are in no sample folder of seeds 0 to 9."""


def lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB in 0..255, `... 3`, to CIELAB (D65)."""
    linear = np.where(rgb / 255 <= 0.04045, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ matrix.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def wall_colour(picture: np.ndarray, walls: np.ndarray) -> np.ndarray:
    """The mean colour of the walls, in CIELAB."""
    return lab(picture[walls].astype(np.float64).mean(0))


def covered(true: np.ndarray, answers: np.ndarray) -> float:
    """The share of true colours, `N 3`, that an answer's, `M 3`, comes near."""
    distance = np.linalg.norm(true[:, None] - answers[None], axis=2)
    return float((distance.min(1) <= RADIUS).mean())


def line(name: str, shares: list[float]) -> str:
    value, low, high = bootstrap(shares)
    return f"{name:40} coverage {value:.3f} ({low:.3f} to {high:.3f}), {len(shares)} scenes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--answers", type=int, default=10)
    parser.add_argument("--scenes", type=int, default=30)
    parser.add_argument("--size", type=int, default=64)
    asked = parser.parse_args()
    scenes = []
    for number in range(asked.scenes):
        looks = [street(FIRST + number, asked.size, look=look) for look in range(LOOKS)]
        walls = looks[0].labels == IDS["wall"]
        if walls.any():
            scenes.append((looks[0].label_picture, walls, np.stack([wall_colour(one.day, walls) for one in looks])))
    chance = [covered(true, true[:1]) for *_, true in scenes]
    ceiling = [covered(true[:-10], true[-10:]) for *_, true in scenes]
    print(line("one true picture", chance))
    print(line("ten other true pictures", ceiling))
    for path in asked.models:
        translator, shares = Translator.load(path), []
        count = asked.answers if translator.answers else 1
        for labels, walls, true in scenes:
            outputs = translator.samples(labels, count) if count > 1 else [translator(labels)]
            shares.append(covered(true, np.stack([wall_colour(output.array, walls) for output in outputs])))
        print(line(f"{path}, {count} answer(s)", shares), flush=True)


if __name__ == "__main__":
    main()
