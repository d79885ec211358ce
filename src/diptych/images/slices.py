"""Files that hold many images: each has an address, as if its file were a folder.

`head.nii.gz/k0012` is slice 12 of a NIfTI along its third axis, `cells.tif/p0003` page 3 of a TIFF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from diptych.errors import DataError
from diptych.images import nifti, tiff
from diptych.images.formats import FORMATS
from diptych.images.stored import Stored

SLICE = re.compile(r"([ijkp])(\d{4,})")


def is_slice(path: PurePath) -> bool:
    return SLICE.fullmatch(path.name) is not None and (nifti.is_volume(path.parent) or _is_tiff(path.parent))


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
    return [path / f"p{number:04d}" for number in range(_pages(path))]


def is_stack(path: Path) -> bool:
    """Whether a file is a TIFF of several images. Raises DataError where it cannot be read."""
    return _is_tiff(path) and path.is_file() and _pages(path) > 1


@contextmanager
def stored(path: Path, indices: bool) -> Iterator[Stored]:
    """The image at an address, not decoded yet. Raises DataError."""
    found = SLICE.fullmatch(path.name)
    assert found
    number = int(found[2])
    if nifti.is_volume(path.parent):
        volume = nifti.open_volume(path.parent, found[1])
        _check(number, len(volume), f"slices along {found[1]}")
        yield volume.stored(number)
        return
    with path.parent.open("rb") as file:
        stack = tiff.Stack(file)
        _check(number, len(stack), "images")
        yield stack.stored(number, indices)


def _check(number: int, count: int, what: str) -> None:
    if number >= count:
        raise DataError(f"is none of the {count} {what}")


def _is_tiff(path: PurePath) -> bool:
    return FORMATS.get(path.suffix.lower()) == "TIFF"


def _pages(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return len(tiff.Stack(file))
    except Exception as error:  # tifffile raises what it likes
        why = str(error) or type(error).__name__
        raise DataError(f"{path}: is damaged or cut short ({why}): replace or remove it") from None
