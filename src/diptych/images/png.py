"""PNG: chunk by chunk, so that a damaged text or profile costs no picture, and every depth keeps its transparency."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from PIL import PngImagePlugin

from diptych.errors import DataError
from diptych.images import colour, exif
from diptych.images.metadata import NOTHING, Metadata, per_metre
from diptych.images.picture import Header
from diptych.images.stored import Stored, notes_of, whole_file

Chunks = Mapping[bytes, bytes]

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6  # colour types
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
DEPTHS = {GREY: (1, 2, 4, 8, 16), PALETTE: (1, 2, 4, 8)}
WANTED = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"cICP", b"gAMA", b"cHRM", b"sRGB", b"eXIf", b"acTL", b"pHYs")
TEXTS = (b"Raw profile type exif", b"XML:com.adobe.xmp")  # where orientation may stand, too
MOST = 1 << 24
"""Bytes of metadata that are looked at."""


def probe(file: BinaryIO, indices: bool) -> Stored:
    chunks = _before_the_pixels(file)
    width, height, bits, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    if bits not in DEPTHS.get(kind, (8, 16)) or kind not in SAMPLES:
        raise DataError(f"is damaged (colour type {kind} of {bits} bits): replace or remove it")
    key, faults = _transparency(chunks, kind, bits)
    meta = _exif(chunks)
    as_indices = indices and kind == PALETTE
    profile, damaged = _profile(chunks)
    converted = "P" if kind == PALETTE and not indices else ""
    frames = struct.unpack(">I", chunks[b"acTL"][:4])[0] if len(chunks.get(b"acTL", b"")) == 8 else 1
    header = Header(
        width,
        height,
        channels=1 if as_indices or kind in (GREY, GREY_ALPHA) else 3,
        dtype="uint16" if bits == 16 else "uint8",
        format="PNG",
        alpha=not as_indices and (kind in (GREY_ALPHA, RGB_ALPHA) or key is not None),
        orientation=meta.orientation,
        notes=(*notes_of(converted, frames, meta.orientation), *meta.notes, *faults, *damaged),
        palette=chunks.get(b"PLTE", b"") if as_indices else None,
    )

    def decode() -> np.ndarray:
        samples = _samples(_stripped(whole_file(file)), kind, bits)
        if as_indices:
            return samples
        if kind == PALETTE:
            return _in_colours(samples, chunks.get(b"PLTE", b""), key)
        if key is not None:
            opaque = (samples.reshape(*samples.shape[:2], -1) != key).any(axis=2)
            samples = np.dstack([samples, opaque * samples.dtype.type(2**bits - 1)])
        return samples if indices or bits >= 8 else samples * np.uint8(255 // (2**bits - 1))

    by_exif = meta.adobe and not profile and b"sRGB" not in chunks
    density = _density(chunks) if b"pHYs" in chunks else meta.metadata
    return Stored(header, decode, colour.adobe() if by_exif else profile, metadata=density)


def _before_the_pixels(file: BinaryIO) -> dict[bytes, bytes]:
    """The chunks that are wanted of those before the pixels; only the first of each counts."""
    chunks: dict[bytes, bytes] = {}
    file.seek(8)
    while len(start := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", start)
        if kind == b"IDAT" and len(chunks.get(b"IHDR", b"")) == 13:
            return chunks
        follows = file.tell() + length + 4
        if kind in WANTED and kind not in chunks and length <= MOST:
            chunks[kind] = file.read(length)
        elif kind in (b"tEXt", b"zTXt", b"iTXt") and length <= MOST:
            text = file.read(length)
            keyword = text[:80].partition(b"\0")[0]
            if keyword in TEXTS:
                chunks[keyword] = kind + text[len(keyword) + 1 :]
        file.seek(follows)
    raise DataError("is damaged or cut short (no pixels): replace or remove it")


def _density(chunks: Chunks) -> Metadata:
    """The pixels in a metre (PNG 3, 11.3.4.3)."""
    if len(stored := chunks[b"pHYs"]) != 9:
        return NOTHING
    x, y, unit = struct.unpack(">IIB", stored)
    return per_metre(x, y) if unit == 1 else NOTHING


def _transparency(chunks: Chunks, kind: int, bits: int) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The samples that are transparent, or of a palette the alpha of each colour."""
    stored = chunks.get(b"tRNS")
    if stored is None or kind in (GREY_ALPHA, RGB_ALPHA):
        return None, ()
    if kind == PALETTE:
        return np.frombuffer(stored[:256].ljust(256, b"\xff"), np.uint8), ()
    if len(stored) != 2 * SAMPLES[kind]:
        return None, ("damaged transparency left out",)
    return np.frombuffer(stored, ">u2") & (2**bits - 1), ()


def _in_colours(indices: np.ndarray, palette: bytes, alpha: np.ndarray | None) -> np.ndarray:
    table = colours(palette)
    return (table if alpha is None else np.dstack([table[None], alpha[None, :, None]])[0])[indices]


def colours(palette: bytes) -> np.ndarray:
    """The colours of a palette, `256 3`; those that it lacks are black."""
    return np.frombuffer(palette.ljust(768, b"\0")[:768], np.uint8).reshape(256, 3)


def _samples(data: bytes, kind: int, bits: int) -> np.ndarray:
    """The samples as they are stored: of 1, 2 and 4 bits not spread over 8."""
    import imagecodecs

    if kind != PALETTE and bits >= 8:
        try:  # spares a small picture a third of the time
            return imagecodecs.png_decode(data)
        except (ValueError, RuntimeError):  # it is stricter than Pillow, which makes 8 bits of 16
            if bits == 16:
                raise
    image = PngImagePlugin.PngImageFile(io.BytesIO(data))
    array = np.asarray(image)
    if image.mode == "1":
        return array.astype(np.uint8)
    return array // np.uint8(255 // (2**bits - 1)) if kind == GREY else array


def _stripped(data: bytes) -> bytes:
    """The file with nothing but what its samples need: decoders stumble over what they do not."""
    kept, at = [data[:8]], 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            kept.append(data[at : at + 12 + length])
        at += 12 + length
    return b"".join(kept)


def _exif(chunks: Chunks) -> exif.Exif:
    """By the three places that Pillow knows."""
    info: dict[str, Any] = {name.decode(): _text(chunks[name]) for name in TEXTS if name in chunks}
    return exif.of_file(info | ({"exif": chunks[b"eXIf"]} if b"eXIf" in chunks else {}))


def _text(chunk: bytes) -> str:
    kind, rest = chunk[:4], chunk[4:]
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    elif packed:
        rest = rest[1:]
    return (_inflated(rest) if packed else rest).decode("utf-8", "replace")


def _inflated(data: bytes) -> bytes:
    """Unpacked; nothing where it is damaged or would be very large."""
    try:
        inflater = zlib.decompressobj()
        out = inflater.decompress(data, MOST)
    except zlib.error:
        return b""
    return out if inflater.eof else b""


def _profile(chunks: Chunks) -> tuple[bytes, tuple[str, ...]]:
    """What the colours mean, by the first of the chunks that says it (PNG 3, 4.3)."""
    if len(cicp := chunks.get(b"cICP", b"")) == 4:
        return colour.of_code_points(*cicp[:2])
    if b"iCCP" in chunks:
        packed = chunks[b"iCCP"].partition(b"\0")[2][1:]
        profile = _inflated(packed)
        return profile, () if profile else (colour.DAMAGED,)
    if b"sRGB" in chunks or len(chunks.get(b"gAMA", b"")) != 4:
        return b"", ()
    (gamma,), points = struct.unpack(">I", chunks[b"gAMA"]), chunks.get(b"cHRM", b"")
    primaries = [point / 1e5 for point in struct.unpack(">8I", points)] if len(points) == 32 else colour.PRIMARIES[1]
    return colour.of_gamma(gamma / 1e5, primaries)
