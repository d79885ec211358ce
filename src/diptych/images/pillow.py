"""What Pillow decodes by itself: BMP, GIF, WebP, AVIF of 8 bits, unusual JPEG and TIFF; and its images in memory."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageCms

from diptych.images import colour, exif
from diptych.images.picture import Header
from diptych.images.stored import Stored, notes_of

GREY = ("1", "L", "LA", "La")  # modes
DEEP = {"F": "float32", "I": "float32", **dict.fromkeys(("I;16", "I;16L", "I;16B", "I;16N"), "uint16")}
"""What modes of more than 8 bits become."""


def probe(file: BinaryIO, format: str, indices: bool) -> Stored:
    return from_file(opened(file, format), format, indices)


def opened(file: BinaryIO, format: str) -> Image.Image:
    # The plugin itself and not Image.open, whose limit of pixels is one setting for the whole process.
    image: Image.Image = _plugins()[format][0](file, "")
    return image


@cache
def _plugins() -> dict[str, Any]:
    Image.init()
    return Image.OPEN


def from_file(image: Image.Image, format: str, indices: bool) -> Stored:
    """A Pillow image whose pixels are not decoded yet."""
    meta = exif.Exif() if format == "TIFF" else exif.of_file(image.info)  # Pillow turns a TIFF by itself
    return _stored(image, format, indices, meta)


def from_memory(image: Image.Image, indices: bool) -> Stored:
    meta = exif.Exif() if image.format == "TIFF" else exif.of_image(image)
    return _stored(image, image.format or "PNG", indices, meta)


def _stored(image: Image.Image, format: str, indices: bool, meta: exif.Exif) -> Stored:
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # a phone's MPO adds a preview
    numbers = indices and image.mode == "P"
    target, alpha = (image.mode, False) if numbers else _target(image, bits=indices)
    header = Header(
        image.width,
        image.height,
        channels=1 if numbers or image.mode in GREY or image.mode in DEEP else 3,
        dtype=DEEP.get(image.mode, "uint8"),
        format=format,
        alpha=alpha,
        orientation=meta.orientation,
        notes=(*notes_of("" if numbers else image.mode, frames, meta.orientation), *meta.notes),
        palette=bytes(image.getpalette("RGB") or b"") if numbers else None,
    )
    profile = image.info.get("icc_profile", b"")
    if profile is None:  # a part of it is missing, in a JPEG
        header = header._replace(notes=(*header.notes, colour.DAMAGED))
    profile = b"" if image.mode == "LAB" else profile or (colour.adobe() if meta.adobe else b"")
    spread = _spread(image)

    def decode() -> np.ndarray:
        array = _samples(image, target)
        return array // np.uint8(spread) if indices and target == "L" else array

    return Stored(header, decode, profile, cmyk=target == "CMYK", spread=spread, metadata=meta.metadata)


def _spread(image: Image.Image) -> int:
    """By what Pillow multiplies samples of fewer than 8 bits; once it has decoded an image, that is not known."""
    if image.mode == "1":
        return 255
    rawmode = next(
        (str(tile[3] if isinstance(tile[3], str) else tile[3][0]) for tile in getattr(image, "tile", ())), ""
    )
    found = re.match(r"L;([124])", rawmode)
    return 255 // (2 ** int(found[1]) - 1) if found else 1


def _target(image: Image.Image, *, bits: bool) -> tuple[str, bool]:
    """The mode to convert to, and whether its last channel is alpha; bits: single bits stay 0 and 1."""
    if image.mode in DEEP or image.mode == "CMYK":
        return image.mode, False
    alpha = image.has_transparency_data
    if image.mode == "1" and bits and not alpha:
        return "1", False
    return ("L" if image.mode in GREY else "RGB") + ("A" if alpha else ""), alpha


def _samples(image: Image.Image, target: str) -> np.ndarray:
    if image.mode == "LAB":
        srgb = ImageCms.createProfile("sRGB")
        return np.asarray(ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), srgb, outputMode="RGB"))
    array = np.asarray(image if image.mode == target else image.convert(target))
    return array.astype(np.uint8) if target == "1" else array
