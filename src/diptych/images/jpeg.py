"""JPEG: plain ones by libjpeg-turbo, in half of Pillow's time; Pillow judges what that refuses."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from diptych.images import pillow
from diptych.images.stored import Stored, whole_file


def probe(file: BinaryIO, indices: bool) -> Stored:
    image = pillow.opened(file, "JPEG")
    stored = pillow.from_file(image, "JPEG", indices)
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
