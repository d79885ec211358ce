"""Pictures to files: the suffix decides on the format, and a format that would lose bits or channels is refused."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from diptych.errors import DataError
from diptych.images import derived, npz
from diptych.images.formats import FORMATS, SUFFIX_OF, SUFFIXES
from diptych.images.metadata import NOTHING, Metadata, tiff_tags, with_resolution
from diptych.images.picture import Picture
from diptych.images.values import match_channels
from diptych.storage.files import write_bytes

_EIGHT, _SIXTEEN, _ALL = ("uint8",), ("uint8", "uint16"), ("uint8", "uint16", "int16", "float32")
_LOSSY = ("JPEG", "WEBP", "AVIF")
_COLOURS, _ANY = (1, 3), range(1, 1 << 16)
_HOLDS: tuple[tuple[str, tuple[str, ...], Sequence[int], bool], ...] = (  # format, dtypes, channels, alpha
    ("PNG", _SIXTEEN, _COLOURS, True),
    ("JPEG", _EIGHT, _COLOURS, False),
    ("WEBP", _EIGHT, _COLOURS, True),
    ("AVIF", _EIGHT, _COLOURS, True),
    ("BMP", _EIGHT, _COLOURS, False),
    ("GIF", _EIGHT, _COLOURS, True),
    ("TIFF", _ALL, _ANY, True),
    ("NPY", _ALL, _ANY, False),
    ("NPZ", _ALL, _ANY, False),
    ("DICOM", _ALL, (1,), False),
    ("DICOM", _EIGHT, (3,), False),
)


def write(
    path: Path | str,
    array: np.ndarray,
    *,
    alpha: np.ndarray | None = None,
    palette: np.ndarray | None = None,
    metadata: Metadata = NOTHING,
    quality: int = 95,
) -> Path:
    """Write `H W C` in the format that the suffix names: the whole file appears at once, or nothing does.

    Folders on the way are made. Raises DataError where the format cannot hold the array, and says which can;
    StorageError where the disk cannot.
    """
    path = Path(path)
    format = FORMATS.get(path.suffix.lower())
    if format is None:
        suffix = path.suffix or "no suffix"
        raise DataError(f"{path}: {suffix} names no format: use one of {' '.join(sorted(SUFFIXES))}")
    try:
        data = encode(array, format, alpha=alpha, palette=palette, metadata=metadata, quality=quality)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    write_bytes(path, data, durable=False)  # a picture can be made again: a folder of them should not wait for the disk
    return path


def can_hold(suffix: str, dtype: np.dtype | str, channels: int, *, alpha: bool = False, exact: bool = False) -> bool:
    """Whether the format of files that end in `suffix` has room for such pictures; exact: and keeps every bit."""
    format = FORMATS[suffix.lower()]
    return not (exact and format in _LOSSY) and any(
        name == format and np.dtype(dtype).name in dtypes and channels in counts and (transparent or not alpha)
        for name, dtypes, counts, transparent in _HOLDS
    )


def lost(format: str, picture: Picture) -> tuple[str, ...]:
    """What a format with room for a picture does not keep of it, in words."""
    if format == "DICOM" and picture.array.dtype.kind == "f":
        return derived.rounded(picture.array, picture.metadata)
    if format != "GIF" or (picture.array.shape[2] == 1 and picture.alpha is None):
        return ()
    found = ["its colours are the nearest of 256"] if picture.array.shape[2] == 3 else []
    found += ["its transparency is all or none"] if picture.alpha is not None else []
    return (f"written as GIF: {' and '.join(found)}",)


def encode(
    array: np.ndarray,
    format: str,
    *,
    alpha: np.ndarray | None = None,
    palette: np.ndarray | None = None,
    metadata: Metadata = NOTHING,
    quality: int = 95,
) -> bytes:
    """The bytes of a file of that format (PNG, JPEG, WEBP, AVIF, BMP, GIF, TIFF, NPY, NPZ, DICOM); quality is 1..100.

    palette: colours `N 3` for the numbers of a single channel, which a PNG of 8 bits carries; others leave them out.
    metadata: PNG, JPEG, BMP and TIFF have room for a resolution, TIFF and DICOM for coordinates; others leave them out.
    """
    array = array if array.ndim == 3 else array[..., None]
    _check_it_fits(array, alpha, format)
    data = _encoded(array, format, alpha, palette, metadata, quality)
    return with_resolution(data, format, metadata.dpi) if metadata.dpi else data


def _encoded(
    array: np.ndarray,
    format: str,
    alpha: np.ndarray | None,
    palette: np.ndarray | None,
    metadata: Metadata,
    quality: int,
) -> bytes:
    if palette is not None and format == "PNG" and array.dtype == np.uint8:
        return _encode_palette(array, palette)
    if format == "DICOM":
        return derived.encode(array, metadata)
    if format == "NPZ":
        return npz.encode(array, metadata)
    if format == "NPY":
        stream = io.BytesIO()
        np.save(stream, array, allow_pickle=False)
        return stream.getvalue()
    if format == "PNG":
        return _encode_png(array if alpha is None else np.dstack([array, alpha.astype(array.dtype)]))
    if format == "TIFF":
        return _encode_tiff(array, alpha, metadata)
    return _encode_pillow(array, alpha, format, quality)


def _check_it_fits(array: np.ndarray, alpha: np.ndarray | None, format: str) -> None:
    def fits(name: str) -> bool:
        return can_hold(SUFFIX_OF[name], array.dtype, array.shape[2], alpha=alpha is not None)

    if not fits(format):
        what = f"{array.shape[2]} channel(s) of {array.dtype}" + (" with alpha" if alpha is not None else "")
        able = ", ".join(name for name in SUFFIX_OF if fits(name))
        raise DataError(f"{format} cannot hold {what}: " + (f"use {able}" if able else f"convert it to one of {_ALL}"))


def _encode_palette(array: np.ndarray, palette: np.ndarray) -> bytes:
    image = Image.fromarray(np.ascontiguousarray(array[..., 0]), "P")
    image.putpalette(palette.tobytes())
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _encode_png(array: np.ndarray) -> bytes:
    import imagecodecs

    plane = array[..., 0] if array.shape[2] == 1 else array  # it refuses an axis of one that numpy has only thought of
    quick = {"level": 1, "strategy": imagecodecs.PNG.STRATEGY.RLE, "filter": imagecodecs.PNG.FILTER.PAETH}
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(plane), **quick))


def tiff_page(array: np.ndarray, alpha: np.ndarray | None, metadata: Metadata) -> dict[str, Any]:
    """An image as tifffile is given it."""
    base = 3 if array.shape[2] == 3 else 1
    extra = ["unspecified"] * (array.shape[2] - base) + ["unassalpha"] * (alpha is not None)
    joined = array if alpha is None else np.dstack([array, alpha.astype(array.dtype)])
    return {
        "data": joined if joined.shape[2] > 1 else joined[..., 0],
        "photometric": "rgb" if base == 3 else "minisblack",
        "planarconfig": "contig" if joined.shape[2] > 1 else None,
        "extrasamples": extra or None,
        "compression": "zlib",
        "resolution": metadata.dpi,
        "resolutionunit": "INCH" if metadata.dpi else None,
        "extratags": [(*tag, True) for tag in tiff_tags(metadata)],
        "metadata": None,
    }


def _encode_tiff(array: np.ndarray, alpha: np.ndarray | None, metadata: Metadata) -> bytes:
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(stream, **tiff_page(array, alpha, metadata))
    return stream.getvalue()


def _encode_pillow(array: np.ndarray, alpha: np.ndarray | None, format: str, quality: int) -> bytes:
    if array.shape[2] == 1 and (alpha is not None or format in ("WEBP", "AVIF")):  # they have no grey
        array = match_channels(array, 3)
    joined = array.squeeze(2) if array.shape[2] == 1 else array if alpha is None else np.dstack([array, alpha])
    options = {"subsampling": 0} if format == "JPEG" else {}
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(joined)).save(stream, format, quality=quality, **options)
    return stream.getvalue()
