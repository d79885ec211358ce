"""Free photographs for ready models, as tiles of about 512 pixels: Kodak's, and those that packages bring along.

    python recipes/ready/photos.py --kodak FOLDER --out FOLDER [--packages FOLDER]

Kodak's 24 photographs (01.png to 24.png, released for unrestricted usage) lie in the first folder. 05, 08, 19 and 23
become OUT/photos/test, and cuttings of them, as users may have them, OUT/examples; all others OUT/photos/train.
Packages are downloaded by apt-get and pip, or lie in the third folder.
Each photograph is reduced until the marks of its compression are gone, and cut into at most eight tiles that show
something. Names, authors and licences are below: public domain, CC0, CC BY.
"""

from __future__ import annotations

import argparse
import bz2
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

LARGEST, TILE, MOST = 2048, 512, 8
HELD_OUT = ("05", "08", "19", "23")
BY, NONE = "CC BY 4.0", "CC0"


class Photo(NamedTuple):
    name: str
    package: str  # of Debian bookworm, or pypi:NAME
    path: str
    author: str
    licence: str
    side: int = LARGEST  # of the longer side, at most


def lomiri(name: str, file: str, author: str, licence: str = BY) -> Photo:
    return Photo(f"lomiri_{name}", "lomiri-wallpapers-16.04", f"usr/share/backgrounds/{file}.jpg", author, licence)


def skimage(name: str, author: str, licence: str = NONE, side: int = LARGEST, suffix: str = "png") -> Photo:
    return Photo(f"skimage_{name}", "pypi:scikit-image", f"skimage/data/{name}.{suffix}", author, licence, side)


def sklearn(name: str, author: str) -> Photo:
    place = f"sklearn/datasets/images/{name}.jpg"
    return Photo(f"sklearn_{name}", "pypi:scikit-learn", place, author, "CC BY 2.0", 512)


MALDIVES = "usr/share/sddm/themes/maldives/background.jpg"
RACCOON = "usr/lib/python3/dist-packages/scipy/misc/face.dat"
PHOTOS = (
    lomiri("aitzgorri", "aitzgorri_by_Aitzol_Berasategi", "Aitzol Berasategi"),
    lomiri("brushes", "Picture_1A_by_freespace", 'Trevor "Freespace"'),
    lomiri("fig", "Picture_0B_by_freespace", 'Trevor "Freespace"'),
    lomiri("friends", "friends_by_Aitzol_Berasategi", "Aitzol Berasategi"),
    lomiri("life", "life_by_Aitzol_Berasategi", "Aitzol Berasategi"),
    lomiri("picos", "picosdeeuropa_by_Aitzol_Berasategi", "Aitzol Berasategi"),
    lomiri("seeding", "seeding_by_Clements_Engelhardt", "Clemens Engelhardt", NONE),
    lomiri("sunset", "sunset_by_Aitzol_Berasategi", "Aitzol Berasategi"),
    lomiri("wine", "Wine_by_Jakkub_Mede", "Jakub Mede"),
    Photo("maldives", "sddm-theme-maldives", MALDIVES, "Nevit Dilmen", "CC BY 3.0"),
    Photo("scipy_face", "python3-scipy", RACCOON, "public-domain-image.com", "public domain"),
    skimage("astronaut", "NASA", "public domain"),
    skimage("camera", "Lav Varshney"),
    skimage("chelsea", "Stefan van der Walt"),
    skimage("coffee", "Rachel Michetti"),
    skimage("rocket", "SpaceX", "public domain", 512, "jpg"),
    sklearn("china", "danielbuechele"),
    sklearn("flower", "vultilion"),
)
LEFT_OUT = ("lomiri_wine_01", "lomiri_wine_02", "maldives_01")
"""Tiles that show next to nothing, or nothing sharp."""


def unpacked(package: str, packages: Path) -> Path:
    """The folder with a package's files, downloaded and unpacked where it is not there."""
    name = package.removeprefix("pypi:")
    python = name != package
    pattern = f"{name.replace('-', '_')}-*.whl" if python else f"{name}_*.deb"
    if not list(packages.glob(pattern)):
        pip = [sys.executable, "-m", "pip", "-q", "download", "--no-deps", name]
        subprocess.run(pip if python else ["apt-get", "-q", "download", name], cwd=packages, check=True)
    file = max(packages.glob(pattern))
    place = packages / f"{file.stem}.unpacked"
    if not place.exists():
        if python:
            zipfile.ZipFile(file).extractall(place)
        else:
            subprocess.run(["dpkg", "-x", file, place], check=True)
    return place


def opened(path: Path) -> Image.Image:
    if path.suffix == ".dat":  # scipy's raccoon
        return Image.frombytes("RGB", (1024, 768), bz2.decompress(path.read_bytes()))
    return Image.open(path)


def clean_side(image: Image.Image) -> int:
    """The longer side at which the marks of compression are averaged away, by its JPEG's tables."""
    tables = getattr(image, "quantization", None)
    coarse = sum(tables[0]) / 64 if tables else 0
    factor = 1.0 if coarse <= 3 else 1.5 if coarse <= 12 else 1.9 if coarse <= 20 else 2.2
    return min(LARGEST, round(max(image.size) / factor))


def reduced(image: Image.Image, side: int) -> Image.Image:
    width, height = image.size
    factor = max(width, height) / side
    if factor <= 1:
        return image
    image = image.reduce(int(factor)) if factor >= 2 else image
    return image.resize((round(width / factor), round(height / factor)), Image.Resampling.LANCZOS)


def tiles(image: Image.Image) -> list[Image.Image]:
    """At most eight tiles of 512 to 768 pixels a side that show something; of a small image itself."""
    width, height = image.size
    if max(width, height) <= 768:
        boxes = [(0, 0, width, height)]
    else:
        across, down = max(1, width // TILE), max(1, height // TILE)
        w, h = min(768, width // across), min(768, height // down)
        left, top = (width - across * w) // 2, (height - down * h) // 2
        boxes = [
            (left + x * w, top + y * h, left + x * w + w, top + y * h + h) for y in range(down) for x in range(across)
        ]
    parts = [(number, image.crop(box), detail(image.crop(box))) for number, box in enumerate(boxes)]
    showing = sorted((one for one in parts if one[2] >= 0.15), key=lambda one: -one[2])[:MOST]
    return [part for _, part, _ in sorted(showing, key=lambda one: one[0])]


def detail(tile: Image.Image) -> float:
    """The share of its 16x16 blocks that have any; 0 where it is all of one brightness."""
    grey = np.asarray(tile.convert("L"), np.float32)
    middle = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    height, width = (side // 16 * 16 for side in middle.shape)
    blocks = np.abs(middle[:height, :width]).reshape(height // 16, 16, width // 16, 16).mean((1, 3))
    return float((blocks > 4).mean()) if grey.std() >= 8 else 0.0


CUTTINGS = {"23": (160, 130), "08": (340, 210), "05": (290, 170)}
"""Of photographs to test with, the upper left corners of what is shown."""
SIDE = 192
"""Its pixels a side."""


def write_examples(test: Path, out: Path) -> None:
    """What there is to try ready models on: small, noisy, and compressed."""
    out.mkdir()
    rng = np.random.default_rng(0)
    for name, (left, top) in CUTTINGS.items():
        image = Image.open(test / f"{name}.png").convert("RGB").crop((left, top, left + SIDE, top + SIDE))
        image.resize((SIDE // 2, SIDE // 2), Image.Resampling.BICUBIC).save(out / f"enlarge-{name}.png")
        noise = rng.normal(0, 25, (SIDE, SIDE, 3))
        noisy = (np.asarray(image) + noise).clip(0, 255).round().astype(np.uint8)
        Image.fromarray(noisy).save(out / f"denoise-{name}.png")
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=20)
        Image.open(buffer).save(out / f"dejpeg-{name}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kodak", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--packages", type=Path, default=Path("runs/packages"))
    asked = parser.parse_args()
    asked.packages.mkdir(parents=True, exist_ok=True)
    train, test = asked.out / "photos" / "train", asked.out / "photos" / "test"
    for folder in (train, test):
        folder.mkdir(parents=True)
    found = {}
    for path in sorted(asked.kodak.glob("*.png")):
        if path.stem in HELD_OUT:
            (test / path.name).write_bytes(path.read_bytes())
        else:
            found[f"kodak{path.stem}"] = Image.open(path).convert("RGB")
    for photo in PHOTOS:
        image = opened(unpacked(photo.package, asked.packages) / photo.path)
        side = photo.side if photo.side < LARGEST else clean_side(image)
        found[photo.name] = reduced(ImageOps.exif_transpose(image).convert("RGB"), side)
    for name, image in found.items():
        for number, tile in enumerate(tiles(image)):
            if f"{name}_{number:02d}" not in LEFT_OUT:
                tile.save(train / f"{name}_{number:02d}.png")
    write_examples(test, asked.out / "examples")
    print(f"{len(list(train.iterdir()))} tiles of {len(found)} photographs, {len(list(test.iterdir()))} to test with")


if __name__ == "__main__":
    main()
