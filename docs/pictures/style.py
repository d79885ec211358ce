"""Lays paintings, and under them a photo and what becomes of it in each of their styles: the picture of docs/style.md.

Run:  python docs/pictures/style.py PHOTO... --out docs/pictures/style.jpg
Photos are cut to a square; the paintings are made up.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from laying import sheet, square

from diptych import images, stylize
from diptych.data.samples import painting

SIDE, SHOWN = 512, 224


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()

    arts = [painting(seed, SIDE) for seed in range(3)]
    rows = [[np.full((SIDE, SIDE, 3), 255, np.uint8), *arts]]
    for path in asked.photos:
        photo = square(images.read(path).array, SIDE)
        rows.append([photo, *(stylize(photo, art).array for art in arts)])
    sheet(rows, SHOWN).save(asked.out, quality=66)


if __name__ == "__main__":
    main()
