"""AVIF: 8 bits by Pillow, 10 and 12 bits by imagecodecs, which keeps them."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from diptych.images import colour, pillow
from diptych.images.picture import Header
from diptych.images.stored import Stored, whole_file

HEAD = 1 << 16
"""Bytes in which the boxes that describe the picture are looked for."""


def probe(file: BinaryIO, indices: bool) -> Stored:
    head = file.read(HEAD)
    file.seek(0)
    stored = pillow.probe(file, "AVIF", indices)
    if not stored.profile and (at := head.find(b"colrnclx")) >= 0:
        codes = head[at + 8 : at + 12]
        profile, notes = colour.of_code_points(codes[1], codes[3])
        stored = stored._replace(profile=profile, header=_noted(stored, *notes))
    bits = _bits(head)
    if bits == 8:
        return stored
    header = _noted(stored, f"{bits} bits spread over 16")._replace(dtype="uint16")

    def decode() -> np.ndarray:
        import imagecodecs

        array = np.atleast_3d(imagecodecs.avif_decode(whole_file(file), 0))
        count = 3 if array.shape[2] > 2 else 1
        colours, alpha = array[..., :count], array[..., count:]
        colours = colours.repeat(max(1, header.channels // count), axis=2)[..., : header.channels]
        if header.alpha:
            opaque = np.full((*array.shape[:2], 1), 2**bits - 1, array.dtype)
            colours = np.dstack([colours, alpha if alpha.shape[2] else opaque])
        return (colours * (65535 / (2**bits - 1))).round().astype(np.uint16)

    return stored._replace(header=header, decode=decode)


def _noted(stored: Stored, *notes: str) -> Header:
    return stored.header._replace(notes=(*stored.header.notes, *notes))


def _bits(head: bytes) -> int:
    """Of a sample, by the flags of the AV1 configuration (AV1 Codec ISO Media File Format Binding, 2.3.3)."""
    at = head.find(b"av1C")
    flags = head[at + 6] if 0 <= at < len(head) - 6 else 0
    return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
