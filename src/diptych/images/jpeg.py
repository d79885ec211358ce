"""JPEG: plain ones by libjpeg-turbo, in half of Pillow's time; Pillow decides on what that refuses."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from diptych.images import pillow
from diptych.images.metadata import per_inch
from diptych.images.stored import Stored, whole_file

UNITS = {1: 1.0, 2: 2.54}
"""JFIF's units of density: how many of them are an inch."""


def probe(file: BinaryIO, indices: bool) -> Stored:
    image = pillow.opened(file, "JPEG")
    stored = pillow.from_file(image, "JPEG", indices)
    if (unit := image.info.get("jfif_unit")) in UNITS:  # JFIF comes before EXIF
        stored = stored._replace(metadata=per_inch(*(value * UNITS[unit] for value in image.info["jfif_density"])))
    if image.mode not in ("L", "RGB"):
        return stored

    def decode() -> np.ndarray:
        import simplejpeg

        position = file.tell()
        try:
            return simplejpeg.decode_jpeg(whole_file(file), "GRAY" if image.mode == "L" else "RGB")
        except (ValueError, RuntimeError):
            file.seek(position)  # Pillow goes on reading from here
            return np.asarray(image)

    return stored._replace(decode=decode)
