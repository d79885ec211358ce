"""NumPy's archives that hold one array; more than one is refused, since none of them says that it is the picture."""

from __future__ import annotations

import io
import zipfile
from typing import BinaryIO

import numpy as np

from diptych.errors import DataError
from diptych.images import npy
from diptych.images.metadata import Metadata
from diptych.images.stored import Stored

MAGIC = b"PK\x03\x04"
NAME_LENGTH, NAME = slice(26, 28), 30
"""Where the first name in a zip is."""
USUAL = "arr_0"
"""What NumPy calls an array that was given no name."""


def begins(start: bytes) -> bool:
    """Whether a file begins as an archive of arrays, and not as another zip."""
    name = start[NAME : NAME + int.from_bytes(start[NAME_LENGTH], "little")]
    return start.startswith(MAGIC) and name.endswith(b".npy")


def probe(file: BinaryIO) -> Stored:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        if len(names) != 1:
            raise DataError(
                f"holds {len(names)} arrays ({', '.join(name.removesuffix('.npy') for name in names[:9])}"
                f"{', ...' * (len(names) > 9)}): keep the one that is the picture (numpy.savez)"
            )
        with archive.open(names[0]) as member:
            shape, dtype = npy.shape_and_type(member)

    def decode() -> np.ndarray:
        with zipfile.ZipFile(file) as archive, archive.open(names[0]) as member:
            return np.asarray(np.lib.format.read_array(member, allow_pickle=False))

    found = npy.stored(shape, dtype, decode)
    header = found.header._replace(format="NPZ")
    return found._replace(header=header, metadata=Metadata(array_name=names[0].removesuffix(".npy")))


def encode(array: np.ndarray, metadata: Metadata) -> bytes:
    """The archive of `H W C`, packed, under the name that the array had in that which it comes from."""
    member, stream = io.BytesIO(), io.BytesIO()
    np.save(member, array, allow_pickle=False)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:  # numpy.savez refuses some names
        archive.writestr(f"{metadata.array_name or USUAL}.npy", member.getbuffer())
    return stream.getvalue()
