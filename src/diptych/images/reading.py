"""Files and bytes to pictures: whatever they hold, a picture or a DataError that names the file comes out."""

from __future__ import annotations

import importlib.util
import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from PIL import Image

from diptych.errors import DataError, DiptychError
from diptych.images import avif, bmp, colour, dicom, jpeg, nifti, npy, npz, pillow, png, slices, tiff
from diptych.images.formats import FORMATS, LIMIT_MP
from diptych.images.metadata import Metadata, per_inch
from diptych.images.picture import Header, Picture
from diptych.images.stored import Stored, native
from diptych.storage import shards
from diptych.storage.files import irregular

Source = Path | str | bytes
BEGINNING = dicom.PREAMBLE + len(dicom.MAGIC)
"""Bytes of a file that say what it is."""
STARTS_OF_VOLUMES = (b"\x1f\x8b", b"\x5c\x01\0\0", b"\0\0\x01\x5c", b"\x1c\x02\0\0", b"\0\0\x02\x1c")
"""How packed files begin, and NIfTI's of both versions and orders of bytes."""
READING = 4
"""Grows when the same file becomes another array: what was decoded before is decoded again."""


def header(source: Source, *, limit_mp: float = math.inf) -> Header:
    """Read a picture's size and kind without decoding it.

    Raises DataError where the file is no picture, or one of more than `limit_mp` million pixels.
    """
    with _opened(source) as stored:
        _refuse_a_bomb(stored.header, limit_mp)
        return _upright_header(_described(stored))


def format_of(data: bytes) -> str:
    """The format of a picture file, by its first bytes. Raises DataError where it is none."""
    with _told("the picture"):
        return _sniff(data[:BEGINNING])


def read(source: Source, *, limit_mp: float = LIMIT_MP, indices: bool = False) -> Picture:
    """Decode a picture from a path or from bytes, upright, at its own bit depth, its colours as sRGB.

    indices: read numbers, which no colour profile changes: of a palette those of its colours, and the palette beside
    them; of 1, 2 and 4 bits as they are stored, which pictures have spread over 8.

    Palette, CMYK and YCbCr become RGB; of an animation the first frame is read; `notes` says so. Integers other than
    uint8 and uint16 become float32. Raises DataError, which names the file, for anything that cannot be decoded
    wholly, and for more than `limit_mp` million pixels (of up to four channels), before decoding.
    """
    with _opened(source, indices) as stored:
        _refuse_a_bomb(stored.header, limit_mp)
        return replace(_finished(stored, indices), metadata=stored.metadata.turned(stored.header.orientation))


def read_metadata(source: Source) -> Metadata:
    """What a picture's file says beside its pixels, without decoding it. Raises DataError where it is no picture."""
    with _opened(source) as stored:
        return stored.metadata.turned(stored.header.orientation)


def in_parts(source: Path | str, *, indices: bool = False, straight: bool = False) -> Callable[[np.ndarray], Picture]:
    """For who decodes a TIFF part by part: makes of the samples `H W S` of a part, upright, what `read` would.

    Of a palette the samples are its colours, whatever `indices` says. straight: premultiplied colours have been divided
    by alpha already. Raises DataError, and so does what is returned.
    """
    with _opened(source) as found:
        stored = found
    stored = stored._replace(premultiplied=stored.premultiplied and not straight)
    expected = (4 if stored.cmyk else stored.header.channels) + stored.header.alpha

    def finished(samples: np.ndarray) -> Picture:
        if samples.shape[2] != expected:
            raise DataError(
                f"{source}: has {samples.shape[2]} bands, not {expected}: convert it to grey, RGB or planes"
            )
        try:
            return _of_samples(stored, samples // np.uint8(stored.spread) if indices else samples, indices)
        except DataError as error:
            raise DataError(f"{source}: {error}") from None

    return finished


def from_pillow(image: Image.Image, *, indices: bool = False) -> Picture:
    """A Pillow image, upright, as `read` would deliver its file; modes I and F keep their depth."""
    picture = _finished(pillow.from_memory(image, indices), indices)
    dpi = image.info.get("dpi")
    return replace(picture, metadata=per_inch(*dpi)) if isinstance(dpi, tuple) and len(dpi) == 2 else picture


def from_array(array: np.ndarray) -> Picture:
    """An array `H W`, `H W C` or `C H W` of numbers, as `read` would deliver its .npy. Raises DataError."""
    try:
        picture = _finished(npy.stored(array.shape, array.dtype, lambda: array), indices=False)
        return replace(picture, format="PNG")
    except DataError as error:
        raise DataError(f"the array {error}") from None


@contextmanager
def _opened(source: Source, indices: bool = False) -> Iterator[Stored]:
    """The picture of a file, which stays open; what goes wrong meanwhile becomes a DataError that names the file."""
    with _told("the picture" if isinstance(source, bytes) else str(source)):
        path = None if isinstance(source, bytes) else Path(source)
        if path and slices.is_slice(path):
            with slices.stored(path, indices) as stored:
                yield stored
            return
        if path and nifti.is_volume(path):
            raise DataError(f"is a volume: diptych translate takes it as it is; its first slice is {path}/k0000")
        if path and (kind := irregular(path)):
            raise DataError(f"is {kind}: name a file")
        with shards.opened(path) if path else io.BytesIO(cast(bytes, source)) as file:
            yield _probe(file, indices)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Whatever a decoder raises becomes a DataError that begins with a name."""
    try:
        yield
    except DiptychError as error:
        raise type(error)(f"{name}: {error}") from None
    except Exception as error:  # decoders raise what they like: SyntaxError, struct.error, zlib.error, ...
        if isinstance(error, OSError) and error.strerror:  # the system's, not a decoder's
            raise DataError(f"{name}: cannot be read ({error.strerror}): check the path and its permissions") from error
        why = str(error) or type(error).__name__
        raise DataError(f"{name}: is damaged or cut short ({why}): replace or remove it") from error


def _probe(file: BinaryIO, indices: bool = False) -> Stored:
    start = file.read(BEGINNING)
    file.seek(0)
    match format := _sniff(start):
        case "PNG":
            return png.probe(file, indices)
        case "JPEG":
            return jpeg.probe(file, indices)
        case "TIFF":
            return tiff.probe(file, indices)
        case "AVIF":
            return avif.probe(file, indices)
        case "BMP":
            return bmp.probe(file, indices)
        case "NPY":
            return npy.probe(file)
        case "NPZ":
            return npz.probe(file)
        case "DICOM":
            return dicom.probe(file)
        case _:
            return pillow.probe(file, format, indices)


def _sniff(start: bytes) -> str:
    """The format by its first bytes: a file's suffix may lie."""
    if not start:
        raise DataError("is empty: replace or remove it")
    if start[dicom.PREAMBLE :] == dicom.MAGIC:  # first: before it a DICOM may have the beginning of a TIFF
        return "DICOM"
    for magic, format in {
        b"\x89PNG\r\n\x1a\n": "PNG",
        b"\xff\xd8\xff": "JPEG",
        b"GIF8": "GIF",
        b"BM": "BMP",
        b"\x93NUMPY": "NPY",
        **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    }.items():
        if start.startswith(magic):
            return format
    if npz.begins(start):
        return "NPZ"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:12] in (b"ftypavif", b"ftypavis") and importlib.util.find_spec("PIL.AvifImagePlugin"):
        return "AVIF"
    if start.startswith(STARTS_OF_VOLUMES):
        raise DataError("is a volume, or a packed file: diptych translate takes volumes, called .nii or .nii.gz")
    raise DataError(f"is not a picture that can be read ({', '.join(sorted(set(FORMATS.values())))}): remove it")


def _described(stored: Stored) -> Header:
    """The header with what becomes of the colours."""
    header = stored.header
    samples = 4 if stored.cmyk else header.channels
    return header._replace(notes=(*header.notes, *colour.note(stored.profile, samples, header.dtype)))


def _finished(stored: Stored, indices: bool) -> Picture:
    """The decoded picture: alpha beside it, its colours straight and sRGB, upright."""
    picture = _of_samples(stored, stored.decode(), indices)
    turn = stored.header.orientation
    if turn == 1 and picture.alpha is None and picture.array.flags.c_contiguous:
        return picture
    alpha = None if picture.alpha is None else np.ascontiguousarray(_upright(picture.alpha, turn))
    return replace(picture, array=np.ascontiguousarray(_upright(picture.array, turn)), alpha=alpha)


def _of_samples(stored: Stored, samples: np.ndarray, indices: bool) -> Picture:
    """What the samples of a picture, or of a part of it, show."""
    raw = stored.header if indices else _described(stored)
    array, alpha = native(samples), None
    if np.isinf(array).any() or np.isnan(array).all():
        raise DataError("holds values that are not finite numbers: replace them by numbers, or where nothing is by NaN")
    if raw.alpha:
        array, alpha = array[..., :-1], array[..., -1]
        array = colour.straight(array, alpha, stored.full) if stored.premultiplied else array
    array = colour.to_srgb(array, b"" if indices else stored.profile, stored.full, inks=stored.cmyk)
    palette = None if raw.palette is None else png.colours(raw.palette)[: max(1, len(raw.palette) // 3)]
    return Picture(array, alpha, raw.format, raw.notes, palette)


def _refuse_a_bomb(raw: Header, limit_mp: float) -> None:
    if raw.width < 1 or raw.height < 1 or raw.channels < 1:
        raise DataError("has no pixels: replace or remove it")
    mp = raw.width * raw.height * max(1.0, raw.channels / 4) / 1e6
    if mp > limit_mp:
        size = f"{raw.width}x{raw.height}, {mp:.1f} megapixels"
        raise DataError(f"is {size}, over the limit of {limit_mp:g}: make it smaller, or raise limit_mp to trust it")


def _upright_header(raw: Header) -> Header:
    return raw._replace(width=raw.height, height=raw.width) if raw.orientation > 4 else raw


def _upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Undo EXIF's orientation, 1..8 (Exif 2.3, tag 0x0112)."""
    if orientation > 4:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return array[:, ::-1] if orientation in (2, 3, 6, 7) else array
