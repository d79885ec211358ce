"""What content credentials cost, and whether every change of a picture is found: `python benchmarks/provenance.py`."""

from __future__ import annotations

import statistics
import time

import numpy as np

from diptych import images
from diptych.card import Card, Side
from diptych.images import Picture
from diptych.provenance import MEDIA_TYPES, Sealer, verify

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
        sealed = sealer.seal(plain, format, {"seed": number, "to": "zebras", "style_strength": 0.5})
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


def main() -> None:
    sides = {"source": Side(name="horses", channels=3), "target": Side(name="zebras", channels=3)}
    sealer = Sealer(Card(method="cyclegan", options={}, **sides), "0123456789ab", model="horse2zebra")
    print("| format | kB more | ms more | intact |\n|---|---|---|---|")
    for format in MEDIA_TYPES:
        size, milliseconds, intact = cost(sealer, format)
        print(f"| {format} | {size / 1e3:.2f} | {milliseconds:.2f} | {intact} of {ROUNDS} |")
    print(f"\nchanged bytes found: {changes_found(sealer)} of {CHANGES}")


if __name__ == "__main__":
    main()
