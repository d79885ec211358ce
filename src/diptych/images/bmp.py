"""BMP by Pillow, but for 2 and 4 bits of grey, of which Pillow takes the bytes for pixels."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

import numpy as np

from diptych.images import pillow
from diptych.images.metadata import NOTHING, Metadata, per_metre
from diptych.images.stored import Stored, whole_file

HEAD = 512
INFO = 40
"""The size of the second header, from which on colours have four bytes."""


def probe(file: BinaryIO, indices: bool) -> Stored:
    head = file.read(HEAD)
    file.seek(0)
    step = _step(head)
    if not step:
        return pillow.probe(file, "BMP", indices)._replace(metadata=_density(head))
    data = bytearray(whole_file(file))
    data[_palette(head)] ^= 1  # a colour that is not quite grey: Pillow reads indices then
    stored = pillow.probe(io.BytesIO(bytes(data)), "BMP", indices=True)
    times = np.uint8(1 if indices else step)
    return stored._replace(
        header=stored.header._replace(palette=None), decode=lambda: stored.decode() * times, metadata=_density(head)
    )


def _density(head: bytes) -> Metadata:
    """The pixels in a metre, which the second header has."""
    if len(head) < 54 or int.from_bytes(head[14:18], "little") < INFO:
        return NOTHING
    return per_metre(*struct.unpack_from("<ii", head, 38))


def _palette(head: bytes) -> int:
    """Where the palette begins."""
    return 14 + int.from_bytes(head[14:18], "little")


def _step(head: bytes) -> int:
    """How far apart the greys are, where the palette has all of 2 or 4 bits in order: 1, or spread over 8 bits."""
    if len(head) < 54 or int.from_bytes(head[14:18], "little") < INFO:
        return 0
    bits, colours = struct.unpack_from("<H", head, 28)[0], struct.unpack_from("<I", head, 46)[0]
    if bits not in (2, 4) or colours not in (0, 2**bits):
        return 0
    palette = head[_palette(head) :][: 4 << bits]
    greys = {step: b"".join(bytes([step * n] * 3 + [0]) for n in range(2**bits)) for step in (1, 255 // (2**bits - 1))}
    return next((step for step, grey in greys.items() if palette == grey), 0)
