"""Emoji as pairs of pictures: silhouette, flat colours and shading of one drawing, all from Fluent emoji (MIT)."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from PIL import Image

from diptych.data.samples.fluent import Drawings, Package, fetched, found, framed
from diptych.data.samples.write import folder_made_whole
from diptych.errors import ConfigError, DataError, need
from diptych.storage.files import write_text
from diptych.storage.prefetch import ahead

PACKAGES: Mapping[str, Package] = {
    "silhouette": Package(
        "fluent-emoji-high-contrast", "1.2.6", "0b92d48c90d2200bd499e3cdd09a127ca6a8c8ddefd34c35eb5a1e4994012ae0"
    ),
    "flat": Package("fluent-emoji-flat", "1.2.6", "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175"),
    "shaded": Package("fluent-emoji", "1.2.7", "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b"),
}
"""The sides, and the packages that hold their drawings."""
TONES = re.compile(r"(-(medium-light|medium-dark|light|medium|dark))+$")
PEOPLE = re.compile(r"^(man|woman|person|men|women|people)-")
ALIKE = {
    "cat-face": "grinning-cat",
    "optical-disk": "dvd",
    "black-medium-square": "white-square-button",
    "large-blue-diamond": "large-orange-diamond",
    "small-orange-diamond": "small-blue-diamond",
}
"""Emoji that are one drawing on some side: the second's split is the first's too."""
FINE = 3
"""What has filters, which leave steps at edges, is drawn so many times as fine."""
LICENCE = """The pictures in this folder are drawn from Fluent Emoji, https://github.com/microsoft/fluentui-emoji

MIT License

Copyright (c) Microsoft Corporation.

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


def write_emoji(
    out: Path | str,
    *,
    size: int = 128,
    sides: Sequence[str] = ("silhouette", "flat"),
    count: int | None = None,
    source: Path | str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Write pairs to OUT/{train,val,test}/{side}/NAME.png, and return how many there are of each split.

    sides: two or all of silhouette (black on white, one channel), flat and shaded; an emoji is taken if it is drawn on
    each of them. count: at most so many emoji. source: a folder of the packages instead of npm's registry.

    One emoji in all its skin tones, as a man, a woman or a person, is in one split alone: its name decides, so that the
    splits are the same for all sides, sizes and counts. LICENCE.txt and origin.json say where the pictures come from.

    Nothing appears in OUT before all is drawn. Raises ConfigError for an argument out of its range or where the library
    that draws is missing, DataError if the drawings cannot be had or OUT is not empty, StorageError.
    """
    _check(sides, size, count)
    resvg = need("resvg_py", extra="emoji")
    with folder_made_whole(out) as work:
        drawings = {side: _drawings(PACKAGES[side], source) for side in sides}
        names = _chosen(drawings, count)
        for split, side in {(split_of(name), side) for name in names for side in sides}:
            (work / split / side).mkdir(parents=True, exist_ok=True)

        def draw(name: str) -> None:
            svgs = framed([drawings[side].by_name[name] for side in sides])
            for side, svg in zip(sides, svgs, strict=True):
                drawn(resvg, svg, size, grey=side == "silhouette").save(work / split_of(name) / side / f"{name}.png")

        for number, _ in enumerate(ahead(draw, names, threads=2), start=1):
            if progress is not None:
                progress(number, len(names))
        splits = {split: sum(split_of(name) == split for name in names) for split in ("train", "val", "test")}
        write_text(work / "LICENCE.txt", LICENCE)
        write_text(work / "origin.json", json.dumps(_origin(resvg, drawings, size, splits), indent=2) + "\n")
    return splits


def emoji_of(name: str) -> str:
    """What all skin tones of an emoji are called, and it as a man, a woman or a person, and one that is drawn alike.

    >>> emoji_of("woman-cook-medium-dark"), emoji_of("cook")
    ('cook', 'cook')
    """
    plain = PEOPLE.sub("", TONES.sub("", name))
    return ALIKE.get(plain, plain)


def split_of(name: str) -> str:
    """Of twenty emoji, two are for the test, and one for validation."""
    return {0: "test", 1: "test", 2: "val"}.get(_chance(emoji_of(name)) % 20, "train")


def drawn(resvg: ModuleType, svg: str, size: int, *, grey: bool = False) -> Image.Image:
    """An SVG as a picture of `size` pixels a side, on white. Raises DataError."""
    fine = FINE if "<filter" in svg else 1
    try:
        png = resvg.svg_to_bytes(
            svg_string=svg, width=size * fine, height=size * fine, background="#fff", skip_system_fonts=True
        )
    except ValueError as error:
        raise DataError(f"a drawing is no SVG that can be drawn ({error}): fetch the packages anew") from None
    picture = Image.open(io.BytesIO(png)).convert("L" if grey else "RGB")
    return picture.reduce(fine) if fine > 1 else picture


def _check(sides: Sequence[str], size: int, count: int | None) -> None:
    if unknown := [side for side in sides if side not in PACKAGES]:
        raise ConfigError(f"there is no side {unknown[0]!r} of emoji; there are: {', '.join(PACKAGES)}")
    if isinstance(sides, str) or len(sides) < 2 or len(set(sides)) < len(sides):
        raise ConfigError(f"sides are {sides!r}: choose two or more different ones of: {', '.join(PACKAGES)}")
    if not 16 <= size <= 2048:
        raise ConfigError(f"size is {size}: choose 16 to 2048 pixels")
    if count is not None and count < 1:
        raise ConfigError(f"count is {count}: choose a number of emoji from 1 on, or none for all")


def _drawings(package: Package, source: Path | str | None) -> Drawings:
    return fetched(package) if source is None else found(package, Path(source))


def _chosen(drawings: Mapping[str, Drawings], count: int | None) -> list[str]:
    """The names that all sides have, in the order of the alphabet; a larger count adds some and changes none."""
    names = set.intersection(*(set(some.by_name) for some in drawings.values()))
    if not names:
        raise DataError(f"no emoji is drawn in all of {', '.join(drawings)}: are these packages of one collection?")
    return sorted(sorted(names, key=lambda name: (_chance(f"{name} in turn"), name))[:count])


def _chance(text: str) -> int:
    """A number that is the same for a text everywhere and always."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _origin(resvg: ModuleType, drawings: Mapping[str, Drawings], size: int, splits: Mapping[str, int]) -> object:
    return {
        "work": "Fluent Emoji, Microsoft Corporation, https://github.com/microsoft/fluentui-emoji",
        "licence": "MIT (see LICENCE.txt)",
        "sides": {side: dict(some.origin) for side, some in drawings.items()},
        "drawn by": f"resvg {resvg.__resvg_version__}, on white, {size} pixels a side",
        "pairs": dict(splits),
        "splits": "by the sha256 of the name without skin tone and man, woman or person; emoji drawn alike together",
    }
