"""Lays paintings, and under them a photo and what becomes of it in each of their styles: the picture of docs/style.md.

Run:  python docs/pictures/style.py PHOTO... --out docs/pictures/style.jpg
Photos are cut to a square; the paintings are made up.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from diptych import images, stylize
from diptych.data.samples import painting

SIDE, SHOWN, GAP = 512, 224, 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()

    arts = [painting(seed, SIDE) for seed in range(3)]
    rows = [[np.full((SIDE, SIDE, 3), 255, np.uint8), *arts]]
    for path in asked.photos:
        photo = square(images.read(path).array)
        rows.append([photo, *(stylize(photo, art).array for art in arts)])
    sheet = Image.new("RGB", tuple(count * (SHOWN + GAP) - GAP for count in (len(rows[0]), len(rows))), "white")
    for row, pictures in enumerate(rows):
        for place, array in enumerate(pictures):
            small = Image.fromarray(array).resize((SHOWN, SHOWN), Image.Resampling.LANCZOS)
            sheet.paste(small, (place * (SHOWN + GAP), row * (SHOWN + GAP)))
    sheet.save(asked.out, quality=66)


def square(array: np.ndarray) -> np.ndarray:
    """The middle of a picture, 512 pixels a side."""
    side = min(array.shape[:2])
    top, left = ((length - side) // 2 for length in array.shape[:2])
    return images.resize(array[top : top + side, left : left + side], SIDE, SIDE)


if __name__ == "__main__":
    main()
