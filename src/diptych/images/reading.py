"""Files and bytes to pictures: whatever they hold, a picture or a DataError that names the file comes out."""

from __future__ import annotations

import importlib.util
import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image

from diptych.errors import DataError, DiptychError
from diptych.files import irregular
from diptych.images.formats import FORMATS, LIMIT_MP
from diptych.images.picture import Header, Picture

Source = Path | str | bytes
Decode = Callable[[], np.ndarray]

GREY = ("1", "L", "LA", "La")  # Pillow's modes
ORIENTATION = 0x0112  # EXIF's and TIFF's tag


def header(source: Source, *, limit_mp: float = math.inf) -> Header:
    """Read a picture's size and kind without decoding it.

    Raises DataError where the file is no picture, or one of more than `limit_mp` million pixels.
    """
    with _opened(source) as file:
        raw, _ = _probe(file)
        _refuse_a_bomb(raw, limit_mp)
        return _upright_header(raw)


def format_of(data: bytes) -> str:
    """The format of a picture file, by its first bytes. Raises DataError where it is none."""
    with _opened(data):
        return _sniff(data[:16])


def read(source: Source, *, limit_mp: float = LIMIT_MP, indices: bool = False) -> Picture:
    """Decode a picture from a path or from bytes, upright, at its own bit depth.

    indices: of a palette picture give the numbers of its colours, and the palette beside them.

    Palette, CMYK and YCbCr become RGB; of an animation the first frame is read; `notes` says so. Integers other than
    uint8 and uint16 become float32. Raises DataError, which names the file, for anything that cannot be decoded
    wholly, and for more than `limit_mp` million pixels (of up to four channels), before decoding.
    """
    with _opened(source) as file:
        raw, decode = _probe(file, indices)
        _refuse_a_bomb(raw, limit_mp)
        array = _upright(_native(decode()), raw.orientation)
        if not np.isfinite(array).all():
            raise DataError("holds values that are not finite numbers: replace them by numbers")
        picture = _picture(array, raw.alpha, raw.format, raw.notes)
        return picture if raw.palette is None else replace(picture, palette=_colours(raw.palette))


def from_pillow(image: Image.Image, *, indices: bool = False) -> Picture:
    """A Pillow image, upright, as `read` would deliver its file; modes I and F keep their depth."""
    orientation = _valid(image.getexif().get(ORIENTATION, 1))
    if indices and image.mode == "P":
        palette = _colours(bytes(image.getpalette("RGB") or b""))
        return Picture(_upright(_native(np.asarray(image)), orientation), palette=palette)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        array, alpha = _native(np.asarray(image)), False
    else:
        target, alpha = _target(image, image.mode in GREY)
        array = _native(np.asarray(image.convert(target)))
    return _picture(_upright(array, orientation), alpha, image.format or "PNG", _notes(image.mode, 1, orientation))


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    """The open file; whatever a decoder raises meanwhile becomes a DataError that names the file."""
    name = "the picture" if isinstance(source, bytes) else str(source)
    try:
        if not isinstance(source, bytes) and (kind := irregular(Path(source))):
            raise DataError(f"is {kind}: name a file")
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
            yield cast(BinaryIO, file)
    except DiptychError as error:
        raise type(error)(f"{name}: {error}") from None
    except Exception as error:  # decoders raise what they like: SyntaxError, struct.error, zlib.error, ...
        if isinstance(error, OSError) and error.strerror:  # the system's, not a decoder's
            raise DataError(f"{name}: cannot be read ({error.strerror}): check the path and its permissions") from error
        why = str(error) or type(error).__name__
        raise DataError(f"{name}: is damaged or cut short ({why}): replace or remove it") from error


def _colours(palette: bytes) -> np.ndarray:
    """The colours of a palette, `256 3`; those that it lacks are black."""
    return np.frombuffer(palette.ljust(768, b"\0")[:768], np.uint8).reshape(256, 3)


def _probe(file: BinaryIO, indices: bool = False) -> tuple[Header, Decode]:
    """The header as stored, before rotation, and the function that decodes the rest to `H W C`."""
    start = file.read(16)
    file.seek(0)
    match format := _sniff(start):
        case "NPY":
            return _probe_npy(file)
        case "TIFF":
            return _probe_tiff(file, indices)
        case _:
            return _probe_pillow(file, format, indices)


def _sniff(start: bytes) -> str:
    """The format by its first bytes: a file's suffix may lie."""
    if not start:
        raise DataError("is empty: replace or remove it")
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
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:12] in (b"ftypavif", b"ftypavis") and importlib.util.find_spec("PIL.AvifImagePlugin"):
        return "AVIF"
    raise DataError(f"is not a picture that can be read ({', '.join(sorted(set(FORMATS.values())))}): remove it")


@cache
def _plugins() -> dict[str, Any]:
    Image.init()
    return Image.OPEN


def _probe_pillow(file: BinaryIO, format: str, indices: bool = False) -> tuple[Header, Decode]:
    # The plugin itself and not Image.open, whose limit of pixels is one setting for the whole process.
    image = _plugins()[format][0](file, "")
    if indices and image.mode == "P":
        palette = bytes(image.getpalette("RGB") or b"")
        return Header(image.width, image.height, 1, "uint8", format, palette=palette), lambda: np.asarray(image)
    bits, png_colour = _png_kind(file) if format == "PNG" else (8, 0)
    grey = png_colour in (0, 4) if bits == 16 else image.mode in GREY
    target, alpha = _target(image, grey)
    # The base class: PNG's own getexif would decode the picture. Pillow turns a TIFF upright by itself.
    orientation = 1 if format == "TIFF" else _valid(Image.Image.getexif(image).get(ORIENTATION, 1))
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # a phone's MPO adds a preview
    raw = Header(
        image.width,
        image.height,
        channels=1 if grey else 3,
        dtype="uint16" if bits == 16 else "uint8",
        format=format,
        alpha=alpha,
        orientation=orientation,
        notes=_notes(image.mode, frames, orientation),
    )
    if bits == 16:  # Pillow makes 8 bits of a 16-bit colour PNG
        return raw, lambda: _whole_file(file, _decode_png)
    if format in _QUICK and image.mode == target and target in ("L", "RGB"):
        return raw, lambda: _decode_quickly(file, image, _QUICK[format])
    return raw, lambda: np.asarray(image.convert(target))


def _target(image: Image.Image, grey: bool) -> tuple[str, bool]:
    """The mode to convert to, and whether its last channel is alpha."""
    alpha = image.has_transparency_data
    return ("L" if grey else "RGB") + ("A" if alpha else ""), alpha


def _picture(array: np.ndarray, alpha: bool, format: str, notes: tuple[str, ...]) -> Picture:
    if alpha:
        return Picture(np.ascontiguousarray(array[..., :-1]), np.ascontiguousarray(array[..., -1]), format, notes)
    return Picture(np.ascontiguousarray(array), None, format, notes)


def _notes(mode: str, frames: int, orientation: int) -> tuple[str, ...]:
    converted = {"P": "palette", "PA": "palette", "CMYK": "CMYK", "YCbCr": "YCbCr", "HSV": "HSV"}.get(mode)
    said = [f"{converted} converted to RGB"] if converted else []
    said += [f"first of {frames} frames"] if frames > 1 else []
    said += [f"turned upright (EXIF {orientation})"] if orientation > 1 else []
    return tuple(said)


def _valid(orientation: object) -> int:
    return orientation if isinstance(orientation, int) and orientation in range(1, 9) else 1


def _png_kind(file: BinaryIO) -> tuple[int, int]:
    """Bits and colour type (0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha) of the IHDR chunk."""
    position = file.tell()  # Pillow goes on reading from here
    file.seek(24)
    bits, colour = file.read(2)
    file.seek(position)
    return bits, colour


def _whole_file(file: BinaryIO, decode: Callable[[bytes], np.ndarray]) -> np.ndarray:
    file.seek(0)
    return decode(file.read())


def _decode_png(data: bytes) -> np.ndarray:
    import imagecodecs

    return imagecodecs.png_decode(data)


def _decode_jpeg(data: bytes, mode: str) -> np.ndarray:
    """In half of Pillow's time."""
    import simplejpeg

    return simplejpeg.decode_jpeg(data, "GRAY" if mode == "L" else "RGB")


_QUICK: dict[str, Callable[[bytes, str], np.ndarray]] = {
    "JPEG": _decode_jpeg,
    "PNG": lambda data, mode: _decode_png(data),  # spares a small picture a third of the time
}


def _decode_quickly(file: BinaryIO, image: Image.Image, decode: Callable[[bytes, str], np.ndarray]) -> np.ndarray:
    """By a decoder that makes the same of it as Pillow, but is stricter: Pillow judges what it refuses."""
    position = file.tell()
    try:
        return _whole_file(file, lambda data: decode(data, image.mode))
    except (ValueError, RuntimeError):
        file.seek(position)
        return np.asarray(image)


def _probe_npy(file: BinaryIO) -> tuple[Header, Decode]:
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if len(shape) not in (2, 3):
        raise DataError(f"is an array of {len(shape)} dimensions: a picture is `H W` or `H W C`")
    height, width, channels = (*shape, 1)[:3]
    raw = Header(width, height, channels, _native_dtype(dtype), "NPY", notes=_dtype_note(dtype))
    return raw, lambda: _whole_file(file, lambda data: np.load(io.BytesIO(data), allow_pickle=False))


def _probe_tiff(file: BinaryIO, indices: bool) -> tuple[Header, Decode]:
    """Grey and RGB of any depth, and any number of channels, by tifffile; palette, CMYK and 1 bit by Pillow."""
    import tifffile

    tiff = tifffile.TiffFile(file)
    page = tiff.pages.first
    if page.photometric.name not in ("RGB", "MINISBLACK") or page.bitspersample % 8:
        file.seek(0)
        return _probe_pillow(file, "TIFF", indices)
    extra = [int(sample) for sample in page.extrasamples]  # 0: a further channel of data, 1 and 2: alpha
    orientation = _valid(page.tags.valueof(ORIENTATION, 1))
    alpha = sum(extra) > 0 and not any(extra[:-1])
    raw = Header(
        page.imagewidth,
        page.imagelength,
        page.samplesperpixel - alpha,
        _native_dtype(page.dtype),
        "TIFF",
        alpha,
        orientation,
        (*_dtype_note(page.dtype), *_notes("", len(tiff.pages), orientation)),
    )
    return raw, lambda: _channels_last(page.asarray(maxworkers=1), page.axes)


def _channels_last(array: np.ndarray, axes: str) -> np.ndarray:
    if axes not in ("YX", "YXS", "SYX"):
        raise DataError(f"is a TIFF with the axes {axes}: a picture has height, width and channels")
    return np.moveaxis(array, 0, -1) if axes == "SYX" else array


def _native_dtype(dtype: np.dtype | None) -> str:
    """uint8, uint16 and float32 stay; truth values become uint8 (0, 255), other numbers float32."""
    if dtype is None or dtype.kind not in "buif":
        raise DataError(f"holds values of type {dtype}: a picture holds numbers")
    if dtype.kind == "b":
        return "uint8"
    return dtype.newbyteorder("=").name if dtype.kind == "u" and dtype.itemsize < 4 else "float32"


def _dtype_note(dtype: np.dtype) -> tuple[str, ...]:
    native = _native_dtype(dtype)
    return () if dtype.newbyteorder("=").name == native else (f"{dtype.name} converted to {native}",)


def _native(array: np.ndarray) -> np.ndarray:
    array = array * np.uint8(255) if array.dtype.kind == "b" else array
    array = array if array.ndim == 3 else array[..., None]
    return array.astype(_native_dtype(array.dtype), copy=False)


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
