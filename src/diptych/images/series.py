"""A folder of DICOM files of one series as a volume: its slices in the order in which they lie, and where that is.

DICOM PS3.3, C.7.6.2.1.1: position and orientation. NIfTI's axes lead to the right, to the front and upwards, DICOM's
to the left and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diptych.errors import DataError
from diptych.images.listing import list_pictures
from diptych.images.neighbours import along
from diptych.images.reading import header, read_metadata

UNEVEN = 0.01
"""The share of a step by which the distances between slices may differ."""
TO_RIGHT_AND_FRONT = np.diag([-1.0, -1.0, 1.0, 1.0])


class Series(NamedTuple):
    """Files in the order of their positions. affine: of the volume whose axes are columns, rows and slices."""

    files: list[Path]
    size: tuple[int, int]  # height and width
    affine: np.ndarray
    notes: tuple[str, ...]

    def around(self, path: Path, neighbours: int) -> list[Path]:
        """A file and so many on either side of it."""
        return [self.files[number] for number in along(self.files.index(path), (len(self.files),), 0, neighbours)]


def find_series(folder: Path) -> Series:
    """The series in a folder. Raises DataError where it is none, or more than one."""
    files = [path for path in list_pictures(folder).pictures if header(path).format == "DICOM"]
    tags = {path: dict(read_metadata(path).dicom) for path in files}
    count = len({tags[path].get("SeriesInstanceUID") for path in files})
    if len(files) < 2 or count > 1:
        what = f"holds {count} series: give the folder of one" if count > 1 else "holds no series of DICOM files"
        raise DataError(f"{folder} {what}, to make a volume of it")
    try:
        turned = np.array([tags[path]["ImageOrientationPatient"] for path in files], float)
        places = np.array([tags[path]["ImagePositionPatient"] for path in files], float)
        down, right = np.array(tags[files[0]]["PixelSpacing"], float)
    except (KeyError, ValueError):
        raise DataError(f"{folder}: files do not say where they lie: translate them as pictures, to a folder") from None
    sizes = {header(path)[:2] for path in files}
    if len(sizes) > 1 or np.ptp(turned, axis=0).max() > 1e-3:
        raise DataError(f"{folder}: slices differ in size or direction: translate them as pictures, to a folder")
    return _ordered(files, places, turned[0], (down, right), next(iter(sizes)))


def _ordered(
    files: Sequence[Path], places: np.ndarray, turned: np.ndarray, spacing: tuple[float, float], size: tuple[int, int]
) -> Series:
    along = places @ np.cross(turned[:3], turned[3:])
    order = np.argsort(along, kind="stable")
    steps = np.diff(along[order])
    if not steps.min() > 0:
        raise DataError(f"{files[order[0]].parent}: two slices lie in one place: leave one of them out")
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = turned[:3] * spacing[1], turned[3:] * spacing[0]
    first, last = places[order[0]], places[order[-1]]
    affine[:3, 2], affine[:3, 3] = (last - first) / len(steps), first
    uneven = np.ptp(steps) > UNEVEN * steps.mean()
    notes = (f"slices lie {steps.min():g} to {steps.max():g} mm apart: the volume has them evenly",) if uneven else ()
    width, height = size
    return Series([files[number] for number in order], (height, width), TO_RIGHT_AND_FRONT @ affine, notes)
