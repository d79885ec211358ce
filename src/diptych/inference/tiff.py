"""TIFFs that are larger than memory: read region by region, translated tile by tile, written row by row."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diptych import images
from diptych.errors import ConfigError, DataError, OutputError, need
from diptych.images import Picture
from diptych.images.colour import CONVERTED
from diptych.images.metadata import Tag, add_tags, tiff_tags
from diptych.model.card import Domain
from diptych.model.preparing import bounded, note_outside, outside, with_neighbours
from diptych.model.tiles import rows_of
from diptych.model.translator import Translator
from diptych.storage.files import storing, unfinished

if TYPE_CHECKING:
    from diptych.provenance import Sealer

TYPES = {"uchar": "uint8", "ushort": "uint16", "short": "int16", "float": "float32"}
FORMATS = {name: own for own, name in TYPES.items()}
"""libvips' names."""
SUFFIXES = (".tif", ".tiff")
EXTRA_SAMPLES = 338
"""TIFF's tag."""
STRIP = 256
"""Rows that are read at once where all of a picture is looked at."""
Read = Callable[[int, int, int, int], Picture]
"""What a picture shows from top to bottom and from left to right."""


def is_large(path: Path, limit_mp: float) -> bool:
    """Whether a file is a TIFF of more pixels than are decoded at once. Raises DataError where it is no picture."""
    if images.FORMATS.get(path.suffix.lower(), "TIFF") != "TIFF":
        return False
    header = images.header(path)
    return header.format == "TIFF" and header.width * header.height * max(1, header.channels / 4) > 1e6 * limit_mp


def translate_large(
    translator: Translator,
    source: Path,
    target: Path,
    controls: Mapping[str, Any],
    *,
    sealer: Sealer | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[str, ...]:
    """Translate a TIFF into a TIFF, without ever holding the whole of either; notes on it.

    controls: as `Translator.checked` gives them. sealer: gives the result credentials. The resolution, alpha and a
    pyramid are kept, and a colour profile that was not applied in reading. Raises DataError for what cannot be read in
    parts, ConfigError for a target that is no TIFF, StorageError when the disk is full; nothing half is left.
    """
    vips = need("pyvips", extra="large")
    if not translator.task.in_parts:
        task = translator.card.task
        raise ConfigError(f"{source}: is not translated in parts, as {task} looks at the whole of a picture: cut it up")
    if target.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{target}: a picture as large as {source} is written as .tif: give such a name")
    vips.cache_set_max_mem(2**25)  # regions are asked for once
    vips._remove_log_handler()  # an interruption that came while it ran would be lost
    raw, new = unfinished(target.with_suffix(".raw")), unfinished(target)
    try:
        image = vips.Image.new_from_file(str(source), access="random", fail_on="error").autorot()
        side, target_side = translator.ends(controls.get("to"))
        read = reader(image, translator, side, source)
        notes = () if side.legend else images.header(source).notes
        notes += within_range(read, image.height, image.width, side, source)

        def given(*edges: int) -> Picture:
            return translator.given(read(*edges), controls)

        outputs = rows_of(translator, given, image.height, image.width, controls, progress=progress)
        rows = finished(translator, controls, outputs, given, read, image.width)
        with storing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            dtype, channels, alpha = append(rows, raw)
            made = vips.Image.rawload(str(raw), image.width, image.height, channels + alpha, format=FORMATS[dtype])
            save(described(made, image, channels, source), new, image)
            tags = tiff_tags(images.read_metadata(source).held_by(dtype, ids=target_side.legend is not None))
            add_tags(new, [*tags, *extra_samples(channels - (2 if is_colour(made, channels) else 0), alpha)])
            if sealer:
                sealer.seal_file(new, "TIFF", controls, source=source)
            os.replace(new, target)
    except OutputError as error:
        raise OutputError(error.reason, image=str(source)) from None
    except vips.Error as error:
        reason = str(error).strip().splitlines()[-1]
        remedy = "write it as a TIFF of 8 or 16 bits, or raise --limit-mp if memory allows"
        raise DataError(f"{source}: cannot be translated in parts ({reason}): {remedy}") from None
    finally:
        raw.unlink(missing_ok=True)
        new.unlink(missing_ok=True)
    return notes


def reader(image: Any, translator: Translator, side: Domain, source: Path) -> Read:
    """What a picture shows, region by region, as the translator wants it. Raises DataError for types it cannot hold."""
    if image.format not in TYPES:
        raise DataError(f"{source}: holds values of type {image.format}: {', '.join(TYPES)} can be read in parts")
    found = images.read_metadata(source)
    shown = images.in_parts(source, indices=side.legend is not None, straight=divides_by_alpha())

    def region(top: int, bottom: int, left: int, right: int) -> Picture:
        seen = image.crop(left, top, right - left, bottom - top).numpy()
        picture = replace(shown(seen.reshape(bottom - top, right - left, image.bands)), metadata=found)
        if side.legend:
            return translator.opened(picture, side, str(source))
        try:
            return translator.spanned(with_neighbours(picture, side))
        except DataError as error:
            raise DataError(f"{source} {error}") from None

    return region


def within_range(read: Read, height: int, width: int, side: Domain, source: Path) -> tuple[str, ...]:
    """A note where values lie outside the range that the model knows; that of all numbers of a type is known as such.

    The file is read once more for it. Raises DataError where most of its pixels do.
    """
    if not bounded(side):
        return ()
    count = sum(outside(read(top, min(top + STRIP, height), 0, width), side) for top in range(0, height, STRIP))
    try:
        note = note_outside(count, height * width, side)
    except DataError as error:
        raise DataError(f"{source} {error}") from None
    return (note,) if note else ()


def finished(
    translator: Translator,
    controls: Mapping[str, Any],
    outputs: Iterable[Picture],
    given: Read,
    read: Read,
    width: int,
) -> Iterator[Picture]:
    """The rows as the task finishes them, each with what the networks were given and the user's picture beside it."""
    top = 0
    for output in outputs:
        bottom = top + output.array.shape[0]
        yield translator.finish(output, given(top, bottom, 0, width), read(top, bottom, 0, width), controls)
        top = bottom


@cache
def divides_by_alpha() -> bool:
    """Whether this libvips makes premultiplied colours straight: since 8.18 it does."""
    import pyvips
    import tifffile

    stream = io.BytesIO()
    pixel = np.full((1, 1, 4), 100, np.uint8)
    tifffile.imwrite(
        stream, pixel, photometric="rgb", planarconfig="contig", extrasamples=["assocalpha"], metadata=None
    )
    return bool(pyvips.Image.new_from_buffer(stream.getvalue(), "").numpy()[0, 0, 0] > 100)


def append(rows: Iterable[Picture], raw: Path) -> tuple[str, int, bool]:
    """Write rows as they come; the type of their values, their channels, and whether alpha follows those."""
    dtype, channels, alpha = "", 0, False
    with raw.open("xb") as file:
        for band in rows:
            dtype, channels = band.array.dtype.name, band.array.shape[2]
            array = band.array
            if band.alpha is not None:
                array, alpha = np.dstack([array, band.alpha]), True
            file.write(np.ascontiguousarray(array).data)
    return dtype, channels, alpha


def is_colour(made: Any, channels: int) -> bool:
    """Whether the channels are red, green and blue."""
    return channels == 3 and made.format in ("uchar", "ushort")


def extra_samples(channels: int, alpha: bool) -> list[Tag]:
    """The tag that says what the samples beside the first channel are: further channels, and alpha."""
    kinds = (0,) * (channels - 1) + (2,) * alpha
    return [Tag(EXTRA_SAMPLES, "H", len(kinds), kinds)] if kinds else []


def described(made: Any, image: Any, channels: int, source: Path) -> Any:
    """The result with the meaning of its bands, and with its source's resolution and the profile that still holds."""
    colour = is_colour(made, channels)
    plain = "grey16" if made.format == "ushort" else "b-w"
    rgb = {"uchar": "srgb", "ushort": "rgb16"}.get(made.format, "b-w")
    from pyvips import GValue

    made = made.copy(interpretation=rgb if colour else plain, xres=image.xres, yres=image.yres)
    converted = any(note.startswith(CONVERTED) for note in images.header(source).notes)
    if "icc-profile-data" in image.get_fields() and image.bands == made.bands and not converted:
        made.set_type(GValue.blob_type, "icc-profile-data", image.get("icc-profile-data"))
    return made


def save(made: Any, new: Path, image: Any) -> None:
    fields = image.get_fields()
    pyramid = "n-subifds" in fields or (image.get("n-pages") if "n-pages" in fields else 1) > 1
    made.tiffsave(
        str(new), compression="deflate", tile=True, tile_width=256, tile_height=256, pyramid=pyramid, bigtiff=True
    )
