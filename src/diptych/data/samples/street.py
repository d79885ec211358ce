"""A street scene in five pictures of exactly the same geometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diptych.data.samples import canvas as maps
from diptych.data.samples import light
from diptych.data.samples.layout import compose
from diptych.data.samples.scene import Dice
from diptych.errors import ConfigError

SMALLEST, LARGEST = 32, 1024


@dataclass(frozen=True)
class Street:
    """One scene; all arrays show the same pixels.

    labels         `H W` uint8, ids of CLASSES
    label_picture  `H W 3` uint8, the labels in the colours of CLASSES
    day, night     `H W 3` uint8
    edges          `H W 1` uint8, contours in black (0) on white (255); every border between labels or things is inked
    instances      `H W` uint16, one id for every window, shutter, door, house wall, roof, plant, lamp, car, ...; 0 for
                   sky, ledges, pavement and road. Ids are those of the scene, the same at every size; what is hidden
                   or smaller than a pixel is missing.
    """

    labels: np.ndarray
    label_picture: np.ndarray
    day: np.ndarray
    night: np.ndarray
    edges: np.ndarray
    instances: np.ndarray


def street(seed: int, size: int = 128, *, look: int = 0) -> Street:
    """Draw the street of this seed (0, 1, 2, ...), `size` x `size` pixels (32 to 1024).

    `seed` sets what the labels show. `look` sets what they leave open: colours, materials, weather, which windows are
    lit. Streets that differ in `look` alone have equal labels, edges and instances, and other days and nights.
    The same arguments give the same bytes on every machine.

    Raises ConfigError if an argument is out of its range.
    """
    if seed < 0 or look < 0:
        raise ConfigError(f"a street's seed and look are 0 or more, not {seed} and {look}")
    if not SMALLEST <= size <= LARGEST:
        raise ConfigError(f"a street of size {size} cannot be drawn: choose a size from {SMALLEST} to {LARGEST}")
    canvas = maps.Canvas(compose(Dice(seed, 0), Dice(seed, 1, look)), size)
    shade, dice, ids = light.shading(canvas), Dice(seed, 2, look), maps.labels(canvas)
    return Street(
        labels=ids,
        label_picture=maps.label_picture(ids),
        day=light.quantise(light.day(canvas, shade, dice), dice),
        night=light.quantise(light.night(canvas, shade, dice), dice),
        edges=maps.edges(canvas),
        instances=maps.instances(canvas),
    )
