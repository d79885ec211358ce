"""Files that hold many images: each has an address, as if its file were a folder.

`head.nii.gz/k0012` is slice 12 of a NIfTI along its third axis, `cells.tif/p0003` page 3 of a TIFF, `heart.dcm/f0007`
frame 7 of a DICOM.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePath

from diptych.errors import DataError
from diptych.images import dicom, frames, nifti, tiff
from diptych.images.formats import FORMATS
from diptych.images.neighbours import along
from diptych.images.stored import Stored

SLICE = re.compile(r"([ijkpf])(\d{4,})")
COUNTED = 4096
"""Files whose number of images is remembered, at most."""


def is_slice(path: PurePath) -> bool:
    if SLICE.fullmatch(path.name) is None:
        return False
    if path.name[0] == "f":  # a DICOM may have any name
        return FORMATS.get(path.parent.suffix.lower()) == "DICOM" or Path(path.parent).is_file()
    return nifti.is_volume(path.parent) or _is_tiff(path.parent)


def file_of(path: Path) -> Path:
    """The file that an image is read from: of an address the one that it lies in."""
    return path.parent if is_slice(path) else path


def slices(path: Path, axis: str = "k") -> list[Path]:
    """The addresses of all images in a file. axis: of a NIfTI, as `data.axis`. Raises DataError, ConfigError."""
    if nifti.is_volume(path):
        try:
            volume = nifti.open_volume(path, axis)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        return [path / f"{nifti.AXES[volume.axis]}{number:04d}" for number in range(len(volume))]
    letter = "p" if _is_tiff(path) else "f"
    return [path / f"{letter}{number:04d}" for number in range(_count(path))]


def is_stack(path: Path) -> bool:
    """Whether a file is a TIFF or DICOM of several images; of one that cannot be read it is said when it is."""
    try:
        return may_be_stack(path) and path.is_file() and _count(path) > 1
    except DataError:
        return False


def may_be_stack(path: PurePath) -> bool:
    """The same by the name alone: no other file is one."""
    suffix = path.suffix.lower()
    return FORMATS.get(suffix, "DICOM") in ("TIFF", "DICOM") and not nifti.is_volume(path)


@contextmanager
def stored(path: Path, indices: bool) -> Iterator[Stored]:
    """The image at an address, not decoded yet. Raises DataError."""
    letter, number = _parts(path)
    if nifti.is_volume(path.parent):
        volume = nifti.open_volume(path.parent, letter)
        _check(number, len(volume), f"slices along {letter}")
        yield volume.stored(number)
        return
    _check(number, _count(path.parent), "images")
    with path.parent.open("rb") as file:
        if letter == "f":
            yield frames.open_frames(path.parent).stored(file, number)
        else:
            yield tiff.Stack(file).stored(number, indices)


def around(path: Path, neighbours: int) -> list[Path]:
    """The addresses of a slice and of so many on either side of it, in order; the first and the last are repeated.

    Slices of one time have neighbours of that time alone. Raises DataError.
    """
    letter, number = _parts(path)
    if nifti.is_volume(path.parent):
        numbers = nifti.open_volume(path.parent, letter).around(number, neighbours)
    else:
        numbers = along(number, *_sizes(path.parent), neighbours)
    return [path.with_name(f"{letter}{one:04d}") for one in numbers]


def _parts(path: Path) -> tuple[str, int]:
    """The letter and the number of an address."""
    found = SLICE.fullmatch(path.name)
    assert found
    return found[1], int(found[2])


def _check(number: int, count: int, what: str) -> None:
    if number >= count:
        raise DataError(f"is none of the {count} {what}")


def _is_tiff(path: PurePath) -> bool:
    return FORMATS.get(path.suffix.lower()) == "TIFF"


def _count(path: Path) -> int:
    return math.prod(_sizes(path)[0])


def _sizes(path: Path) -> tuple[tuple[int, ...], int]:
    """How many images a TIFF or a DICOM holds along each axis, and along which they are neighbours; else one image."""
    try:
        stat = path.stat()
        return _counted(path, stat.st_size, stat.st_mtime_ns)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # tifffile and pydicom raise what they like
        why = str(error) or type(error).__name__
        raise DataError(f"{path}: is damaged or cut short ({why}): replace or remove it") from None


@lru_cache(maxsize=COUNTED)
def _counted(path: Path, size: int, changed: int) -> tuple[tuple[int, ...], int]:
    """`_sizes`, which takes long of a TIFF: all of its pages are looked at."""
    with path.open("rb") as file:
        if _is_tiff(path):
            return tiff.Stack(file).sizes
        start = file.read(dicom.PREAMBLE + len(dicom.MAGIC))
        if start[dicom.PREAMBLE :] != dicom.MAGIC:
            return (1,), 0
        file.seek(0)
        tags = dicom.library().dcmread(file, stop_before_pixels=True, specific_tags=["NumberOfFrames"])
        return (dicom.count(tags),), 0
