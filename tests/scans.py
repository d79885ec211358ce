"""Files of scanners for tests, by the libraries of their formats; and a model that gives them back."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from models import with_ends
from odd.same import Same
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from diptych.model.translator import Translator
from diptych.testing import bundle

PLACE = {
    "PixelSpacing": [0.7, 0.5],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "ImagePositionPatient": [-12.5, 3.25, 40],
    "SliceThickness": 2.5,
}
SECRET = "Quasimodo"


def dicom(array: np.ndarray, **tags: Any) -> bytes:
    """A DICOM of stored numbers `H W` or colours `H W 3`; tags by their keywords beside those that it needs."""
    made = Dataset()
    bits = 8 * array.itemsize
    basic = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "Modality": "CT",
        "Rows": array.shape[0],
        "Columns": array.shape[1],
        "SamplesPerPixel": 3 if array.ndim == 3 else 1,
        "PhotometricInterpretation": "RGB" if array.ndim == 3 else "MONOCHROME2",
        "PixelRepresentation": int(array.dtype.kind == "i"),
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": tags.get("BitsStored", bits) - 1,
        **({"PlanarConfiguration": 0} if array.ndim == 3 else {}),
    }
    for name, value in {**basic, **tags}.items():
        setattr(made, name, value)
    made.add_new("PixelData", "OW" if array.itemsize > 1 else "OB", array.tobytes())
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = io.BytesIO()
    made.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def opened(file: bytes | Path) -> Dataset:
    return pydicom.dcmread(io.BytesIO(file) if isinstance(file, bytes) else file)


def same(dtype: str, low: float, high: float, channels: int = 1) -> Translator:
    """A model that gives back what it is given, of such values."""
    made = bundle(Same, {"source_channels": channels, "target_channels": channels})
    side = {"dtype": dtype, "low": low, "high": high, "channels": channels}
    sides = {name: getattr(made.card, name).model_copy(update=side) for name in ("source", "target")}
    return Translator(made.method, with_ends(made.card, **sides), device="cpu")
