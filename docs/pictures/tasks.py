"""Lays what tasks are given over what their models make of it, and that over the photo: the picture of docs/tasks.md.

Run:  python docs/pictures/tasks.py MODEL=PHOTO... --out docs/pictures/tasks.jpg
A MODEL is a run of a task, or a ready model; a PHOTO is what it should come to. Photos are cut to a square.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from laying import sheet, square

from diptych import Translator, images
from diptych.images import Picture

SIDE, SHOWN = 384, 236


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shown", metavar="MODEL=PHOTO", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()

    columns = []
    for words in asked.shown:
        model, _, photo = words.partition("=")
        translator = Translator.load(model, device="cpu")
        whole = square(images.read(photo).array, SIDE)
        target = Picture(whole, span=(0.0, 255.0))
        source, _ = translator.task.pair({"source": target, "target": target}, np.random.default_rng(1))
        made = translator(Picture(source.array, prepared=True, span=(0.0, 255.0)))
        given = source.array[..., :3] if source.array.shape[2] > 2 else np.repeat(source.array[..., :1], 3, axis=2)
        columns.append([given, made.array, whole])
    sheet(list(zip(*columns, strict=True)), SHOWN).save(asked.out, quality=66)


if __name__ == "__main__":
    main()
