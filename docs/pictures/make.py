"""Lays a translator's pictures under its inputs, and the true ones under them: the pictures of README.

Run:  python docs/pictures/make.py MODEL DATA SOURCE TARGET NAME... --out docs/pictures/street.jpg
SOURCE and TARGET are folders in DATA/test; a label map is shown in its colours. --seeds 0 1 2 3 shows so many answers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from diptych import Translator

GAP = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("model", "data", "source", "target"):
        parser.add_argument(name)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", help="several answers, one under the other")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()

    translator = Translator.load(asked.model)
    folders = [Path(asked.data) / "test" / side for side in (asked.source, asked.target)]
    columns = []
    for name in asked.names:
        source, target = (Image.open(folder / name).convert("RGB") for folder in folders)
        controls = [{"seed": seed} for seed in asked.seeds] if asked.seeds else [{}]
        made = [Image.fromarray(translator(folders[0] / name, **chosen).array) for chosen in controls]
        columns.append([source, *made, target])
    (width, height), rows = columns[0][0].size, len(columns[0])
    sheet = Image.new("RGB", (len(columns) * (width + GAP) - GAP, rows * (height + GAP) - GAP), "white")
    for place, column in enumerate(columns):
        for row, picture in enumerate(column):
            sheet.paste(picture, (place * (width + GAP), row * (height + GAP)))
    sheet.save(asked.out, quality=92)


if __name__ == "__main__":
    main()
