"""NIfTI files that a model made, slice by slice, in the space of what they come from."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from diptych.images.nifti import BLOCK, library
from diptych.storage.files import storing, unfinished

LEVEL = 4
"""Of packing: more takes much longer, for little."""
MADE_BY = b"Made by a machine-learned image translation"


@contextmanager
def written(header: Any, shape: tuple[int, ...], target: Path, dtype: str) -> Iterator[np.ndarray]:
    """Numbers of that type and shape to fill; then the file appears whole, or nothing does.

    header: nibabel's, as which it is written, but for free text and extensions, which may name somebody. Raises
    StorageError.
    """
    packed = target.name.lower().endswith(".gz")
    plain, new = unfinished(target.with_suffix(".raw")), unfinished(target)
    try:
        with storing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            head = _head(header, shape, dtype)
            with plain.open("xb") as file:
                file.write(head)
            array = np.memmap(plain, np.dtype(dtype).newbyteorder(header.endianness), "r+", len(head), shape, "F")
            yield array
            array.flush()
            del array
            if packed:
                with plain.open("rb") as file, gzip.open(new, "xb", LEVEL) as zipped:
                    shutil.copyfileobj(file, zipped, BLOCK)
            os.replace(new if packed else plain, target)
    finally:
        plain.unlink(missing_ok=True)
        new.unlink(missing_ok=True)


def placed(affine: np.ndarray) -> Any:
    """The header of a volume in a scanner's space, in millimetres."""
    header = library().Nifti1Header()
    header.set_data_shape((1, 1, 1))
    header.set_sform(affine, "scanner")
    header.set_qform(affine, "scanner")
    header.set_xyzt_units("mm")
    return header


def _head(given: Any, shape: tuple[int, ...], dtype: str) -> bytes:
    header = given.copy()
    header.set_data_dtype(np.dtype(dtype))
    header.set_data_shape(shape)
    header.set_slope_inter(1, 0)
    header["cal_min"], header["cal_max"] = 0, 0
    for name in ("aux_file", "intent_name", "db_name", "data_type"):
        if name in header.keys():  # noqa: SIM118
            header[name] = b""
    header["descrip"] = MADE_BY
    header["vox_offset"] = len(header.binaryblock) + 4
    return bytes(header.binaryblock) + bytes(4)  # which say that there are no extensions
