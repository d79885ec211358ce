"""What content credentials cost, whether every change of a picture is found, and what a mark survives.

`python benchmarks/provenance.py [FOLDER OF PHOTOS]`; the mark is tried on the middle of each photo.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import numpy as np

from diptych import images
from diptych.images import Picture
from diptych.model.card import Card, Domain
from diptych.provenance import SEALABLE, Sealer, verify
from diptych.provenance.mark import embed, extract

ROUNDS, CHANGES, SIZE = 50, 1000, 256


def photo() -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE]
    waves = [128 + 90 * np.sin((x * (channel + 1) + y * 2) / 9) for channel in range(3)]
    return np.stack(waves, axis=2).astype(np.uint8)


def cost(sealer: Sealer, format: str) -> tuple[int, float, int]:
    """Bytes and median milliseconds that credentials add, and how many of the files verify."""
    taken, intact = [], 0
    for number in range(ROUNDS):
        plain = images.encode(photo(), format)
        start = time.perf_counter()
        sealed = sealer.seal(plain, format, {"seed": number, "to": "b", "style_strength": 0.5}, source=plain)
        taken.append(time.perf_counter() - start)
        intact += verify(sealed).state == "intact"
    return len(sealed) - len(plain), 1e3 * statistics.median(taken), intact


def changes_found(sealer: Sealer) -> int:
    """How many are found of PNGs with one bit changed, each in another byte of the pixels' data."""
    sealed = sealer.encode(Picture(photo()), "PNG")
    places = np.random.default_rng(0).permutation(np.arange(sealed.index(b"IDAT") + 4, sealed.rindex(b"IEND") - 8))
    found = 0
    for place in places[:CHANGES]:
        changed = bytearray(sealed)
        changed[place] ^= 1 << int(place) % 8
        found += verify(bytes(changed)).state == "changed"
    return found


def marks_read(photos: list[np.ndarray], version: str) -> None:
    """How many marks can still be read, by size, and how much they change a picture."""
    print(
        "\n| pixels | as PNG | JPEG 75 | JPEG 50 | at 90 % size | and back | PSNR, dB |\n|---|---|---|---|---|---|---|"
    )
    for size in (64, 128, 256, 512):
        found, quality = np.zeros(5, int), []
        for photo in photos:
            top, left = ((length - size) // 2 for length in photo.shape[:2])
            part = photo[top : top + size, left : left + size]
            marked = embed(part, version)
            jpegs = [images.read(images.encode(marked, "JPEG", quality=q)).array for q in (75, 50)]
            small = images.resize(marked, size * 9 // 10, size * 9 // 10)
            again = images.resize(small, size, size)
            found += [extract(one) == version for one in (marked, *jpegs, small, again)]
            quality.append(10 * np.log10(255**2 / np.mean((marked - part.astype(float)) ** 2)))
        print(f"| {size} | {' | '.join(f'{n} of {len(photos)}' for n in found)} | {np.mean(quality):.1f} |")


def main() -> None:
    sides = {"source": Domain(name="horses", channels=3), "target": Domain(name="zebras", channels=3)}
    sealer = Sealer(Card(method="cyclegan", options={}, **sides), "0123456789ab", model="horse2zebra")
    print("| format | kB more | ms more | intact |\n|---|---|---|---|")
    for format in sorted(set(SEALABLE) - {"MP4", "MOV"}):
        size, milliseconds, intact = cost(sealer, format)
        print(f"| {format} | {size / 1e3:.2f} | {milliseconds:.2f} | {intact} of {ROUNDS} |")
    print(f"\nchanged bytes found: {changes_found(sealer)} of {CHANGES}")
    for folder in sys.argv[1:]:
        photos = [images.read(path).array for path in sorted(Path(folder).iterdir()) if path.suffix in images.SUFFIXES]
        marks_read([photo for photo in photos if min(photo.shape[:2]) >= 512], "a3f19c0b72de")


if __name__ == "__main__":
    main()
