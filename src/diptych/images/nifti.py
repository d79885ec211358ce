"""NIfTI: a volume as the images of its slices, each as a radiologist sees it. The header is read by nibabel.

NIfTI-1.1 and NIfTI-2, nifti.nimh.nih.gov. Its three axes are called i, j and k.
"""

from __future__ import annotations

import gzip
import math
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path, PurePath
from typing import Any, BinaryIO

import numpy as np

from diptych.errors import ConfigError, DataError, need
from diptych.images.formats import VOLUMES
from diptych.images.neighbours import along
from diptych.images.picture import Header
from diptych.images.stored import Stored, dtype_note, native_dtype

AXES = "ijk"
PLANES = {"axial": "SI", "coronal": "AP", "sagittal": "LR"}
"""Of each plane, the directions that its slices follow."""
ACROSS, SHOWN = ("LR", "AP", "SI"), "LPI"
"""What runs across an image rather than down, and where to: left, back and down of who lies there, as DICOM has it."""
DAMAGED = "is damaged or cut short: replace or remove it"
BLOCK = 1 << 20
OPEN = 4
"""Volumes that stay unpacked, at most."""
opening = threading.Lock()


@dataclass(frozen=True)
class Volume:
    """A volume that was opened: its slices lie along `axis`; of a fourth dimension one time follows the other."""

    image: Any  # nibabel's
    data: np.ndarray  # as stored
    axis: int
    turn: tuple[tuple[int, int], tuple[int, int]]  # of the rows and the columns of an image: the axis, and -1 if turned

    def __len__(self) -> int:
        return self.data.shape[self.axis] * math.prod(self.data.shape[3:])

    @property
    def scale(self) -> tuple[float, float]:
        """Slope and intercept of the stored numbers."""
        slope, intercept = float(self.image.dataobj.slope), float(self.image.dataobj.inter)
        return (slope, intercept) if slope and math.isfinite(slope) else (1.0, 0.0)

    @property
    def dtype(self) -> str:
        """Of the measured numbers."""
        return native_dtype(self.data.dtype) if self.scale == (1, 0) else "float32"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a slice."""
        (rows, _), (columns, _) = self.turn
        return self.data.shape[rows], self.data.shape[columns]

    @property
    def notes(self) -> tuple[str, ...]:
        return dtype_note(self.data.dtype) if self.scale == (1, 0) else ()

    def plane(self, number: int, of: np.ndarray | None = None) -> np.ndarray:
        """A view of the stored numbers of a slice, `H W` as it is seen; of another array of the same shape."""
        time, place = divmod(number, self.data.shape[self.axis])
        index: list[Any] = [slice(None)] * 3
        index[self.axis] = place
        array = (self.data if of is None else of)[(*index, *np.unravel_index(time, self.data.shape[3:], order="F"))]
        (rows, down), (columns, right) = self.turn
        return (array if rows < columns else array.T)[::down, ::right]

    def around(self, number: int, neighbours: int) -> list[int]:
        """The numbers of a slice and of so many on either side, of one time."""
        return along(number, (math.prod(self.data.shape[3:]), self.data.shape[self.axis]), 1, neighbours)

    def stored(self, number: int) -> Stored:
        """A slice, not decoded yet."""
        height, width = self.size
        slope, intercept = self.scale

        def decode() -> np.ndarray:
            plane = np.ascontiguousarray(self.plane(number))
            return plane if self.scale == (1, 0) else (plane.astype(np.float64) * slope + intercept).astype(np.float32)

        return Stored(Header(width, height, 1, self.dtype, "NIFTI", notes=self.notes), decode)


def is_volume(path: PurePath) -> bool:
    return path.name.lower().endswith(VOLUMES)


def open_volume(path: Path, axis: str = "k") -> Volume:
    """A volume with its slices along an axis (i, j, k) or in a plane (axial, coronal, sagittal). Raises DataError.

    A packed one is unpacked into a file without a name; the last few stay there.
    """
    if axis not in (*AXES, *PLANES):
        raise ConfigError(f"axis={axis}: there are {', '.join(AXES)}, and {', '.join(PLANES)}")
    try:
        stat = path.stat()
        with opening:
            return _opened(path, axis, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error}): check the path and its permissions") from None


@lru_cache(maxsize=OPEN)
def _opened(path: Path, axis: str, size: int, changed: int) -> Volume:
    image = _image(path)
    shape, dtype = image.shape, image.get_data_dtype()
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (3, 4) or 0 in shape:
        raise DataError(
            f"is a NIfTI of {len(image.shape)} dimensions ({'x'.join(map(str, image.shape))}): 3 or 4 are read"
        )
    if dtype.names or dtype.kind not in "buif":
        raise DataError(f"is a NIfTI of {dtype.names or dtype} for each voxel: store one number for each")
    offset = int(image.dataobj.offset)
    with path.open("rb") as file:
        if path.name.lower().endswith(".gz"):
            file = _unpacked(file, offset + math.prod(shape) * dtype.itemsize)
        try:
            data = np.memmap(file, dtype, "r", offset, shape, "F")
        except ValueError:  # it is shorter
            raise DataError(DAMAGED) from None
    number, turn = layout(_codes(image), axis)
    return Volume(image, data, number, turn)


def _image(path: Path) -> Any:
    """What nibabel knows of a volume, whose numbers are not read."""
    nibabel = library()
    try:
        return (
            nibabel.Nifti1Image.from_filename(path) if _version(path) == 1 else nibabel.Nifti2Image.from_filename(path)
        )
    except OSError:
        raise
    except Exception as error:  # nibabel raises what it likes
        raise DataError(
            f"is no NIfTI, or damaged ({str(error) or type(error).__name__}): replace or remove it"
        ) from None


def _version(path: Path) -> int:
    """By the size of the header, in either order of bytes."""
    open_it: Callable[..., Any] = gzip.open if path.name.lower().endswith(".gz") else open
    with open_it(path, "rb") as file:
        start = file.read(4)
    return 2 if 540 in (int.from_bytes(start, "little"), int.from_bytes(start, "big")) else 1


def _unpacked(file: BinaryIO, expected: int) -> Any:
    """A temporary file of so many bytes, and no more: a packed file may hold any number."""
    plain = tempfile.TemporaryFile(prefix="diptych-")  # noqa: SIM115
    try:
        with gzip.open(file) as packed:
            while expected and (block := packed.read(min(BLOCK, expected))):
                plain.write(block)
                expected -= len(block)
    except (EOFError, gzip.BadGzipFile, gzip.zlib.error) as error:  # type: ignore[attr-defined]
        raise DataError(f"is damaged or cut short ({error}): replace or remove it") from None
    if expected:
        raise DataError(DAMAGED)
    plain.flush()
    return plain


@cache
def library() -> Any:
    """nibabel. Raises DataError where it is not installed."""
    try:
        return need("nibabel", extra="nifti")
    except ConfigError as error:
        raise DataError(f"is NIfTI: {error}") from None


def _codes(image: Any) -> tuple[str, ...]:
    """Where the three axes lead: ("R", "A", "S") to the right, to the front, upwards."""
    from nibabel.orientations import aff2axcodes

    codes = aff2axcodes(image.affine)
    return codes if None not in codes else ("R", "A", "S")


def layout(codes: tuple[str, ...], axis: str) -> tuple[int, tuple[tuple[int, int], tuple[int, int]]]:
    """The number of the axis along which slices lie, and of the rows and columns of an image which axis they follow.

    >>> layout(("R", "A", "S"), "k")
    (2, ((1, -1), (0, -1)))
    >>> layout(("R", "A", "S"), "sagittal")
    (0, ((2, -1), (1, -1)))
    """
    groups = [next(group for group in ACROSS if code in group) for code in codes]
    number = groups.index(PLANES[axis]) if axis in PLANES else AXES.index(axis)
    columns, rows = sorted((one for one in range(3) if one != number), key=lambda one: ACROSS.index(groups[one]))

    def way(one: int) -> int:
        return 1 if codes[one] in SHOWN else -1

    return number, ((rows, way(rows)), (columns, way(columns)))
