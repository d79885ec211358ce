"""A result as a DICOM: an image derived from another, in its place, of nobody. Written by pydicom.

DICOM PS3.3: C.7.6.1.1.2 (image type), C.8.6.1 (secondary capture), C.12.1 (SOP common); PS3.15, E (what tells whom an
image is of).
"""

from __future__ import annotations

import io
import uuid
from typing import Any

import numpy as np

from diptych import __version__
from diptych.errors import DataError
from diptych.images.dicom import library
from diptych.images.metadata import Metadata

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
RESCALED = ("RescaleSlope", "RescaleIntercept", "RescaleType")
PLACE = (
    "ImagePositionPatient", "ImageOrientationPatient", "SliceLocation", "PixelSpacing", "ImagerPixelSpacing",
    "PixelAspectRatio",
)  # fmt: skip
"""The tags that are true of an image of the same size alone."""
STUDY_AND_SPACE = ("StudyInstanceUID", "FrameOfReferenceUID")
RUN = uuid.uuid4()
"""Results of one process are one series for each series that they come from."""
NOBODY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName", "SeriesNumber", "Manufacturer",
)  # fmt: skip
"""Tags that have to be there, and may be empty."""
MADE_BY = f"Made by a machine-learned image translation (Diptych {__version__}): no acquired image"
LEVELS = 65535
NEAR = 0.1
"""Of a step: how far numbers may lie from one and still be on it, since float32 has seven digits."""


def encode(array: np.ndarray, metadata: Metadata) -> bytes:
    """The file of `H W C`; of an image derived from another where `metadata` has tags of a DICOM. Raises DataError."""
    pydicom = library()
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise DataError("DICOM has no number for NaN: write it as TIFF or NPY")
    tags = pydicom.Dataset()
    for name in NOBODY:
        tags.__setattr__(name, "")
    kept = dict(metadata.dicom)
    _describe(tags, kept, array)
    stored = _pixels(tags, array, kept)
    if metadata.no_data is not None and np.isfinite(metadata.no_data) and array.shape[2] == 1:
        number = round((metadata.no_data - float(tags.RescaleIntercept)) / float(tags.RescaleSlope))
        if np.iinfo(stored.dtype).min <= number <= np.iinfo(stored.dtype).max:
            tags.add_new("PixelPaddingValue", "SS" if tags.PixelRepresentation else "US", number)
    tags.add_new("PixelData", "OW" if stored.itemsize > 1 else "OB", _in_bytes(stored))
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    tags.file_meta = meta
    stream = io.BytesIO()
    with pydicom.config.disable_value_validation():  # the tags kept are as they came
        tags.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _describe(tags: Any, kept: dict[str, Any], array: np.ndarray) -> None:
    """What the image is, and where it lies."""
    same_size = (kept.pop("Rows", ""), kept.pop("Columns", "")) == tuple(map(str, array.shape[:2]))
    flavour = kept.pop("ImageType", ())[2:3]
    grey = array.shape[2] == 1
    for name, value in kept.items():
        if name not in RESCALED and (same_size or name not in PLACE):
            tags.__setattr__(name, list(value) if isinstance(value, tuple) else value)
    for name in STUDY_AND_SPACE:
        if name in kept:
            tags.__setattr__(name, _number(uuid.uuid5(uuid.NAMESPACE_OID, kept[name])))
    tags.StudyInstanceUID = tags.get("StudyInstanceUID") or _number(uuid.uuid4())
    tags.SeriesInstanceUID = _number(uuid.uuid5(RUN, kept.get("SeriesInstanceUID", "")))
    tags.SOPInstanceUID = _number(uuid.uuid4())
    tags.SOPClassUID = kept.get("SOPClassUID", SECONDARY_CAPTURE) if grey else SECONDARY_CAPTURE
    tags.Modality = kept.get("Modality", "OT")
    tags.InstanceNumber = kept.get("InstanceNumber", "1")
    tags.ImageType = ["DERIVED", "SECONDARY", *flavour]
    tags.ConversionType = "SYN"
    tags.DerivationDescription = MADE_BY
    tags.SeriesDescription = "Translated by a model"
    tags.PatientIdentityRemoved = "YES"
    tags.DeidentificationMethod = "Diptych: only tags of place and measure are kept"


def _pixels(tags: Any, array: np.ndarray, kept: dict[str, Any]) -> np.ndarray:
    """The numbers as they are stored, whose tags are set."""
    height, width, channels = array.shape
    tags.Rows, tags.Columns, tags.SamplesPerPixel = height, width, channels
    if channels == 1:
        tags.PhotometricInterpretation = "MONOCHROME2"
        array, slope, intercept = _steps(array[..., 0], kept)
        tags.RescaleSlope, tags.RescaleIntercept = slope, intercept
        tags.RescaleType = kept.get("RescaleType", "US")
    else:
        tags.PhotometricInterpretation, tags.PlanarConfiguration = "RGB", 0
    bits = 8 * array.itemsize
    tags.BitsAllocated, tags.BitsStored, tags.HighBit = bits, bits, bits - 1
    tags.PixelRepresentation = int(array.dtype.kind == "i")
    return array


def _steps(array: np.ndarray, kept: dict[str, Any]) -> tuple[np.ndarray, str, str]:
    """Whole numbers, and the slope and intercept that make measured ones of them.

    Floats lie on the steps of the image that they come from, or on ones; else 65536 steps are laid over them.
    """
    if array.dtype.kind != "f":
        return array, "1", "0"
    values = array.astype(np.float64)
    known = [(kept.get("RescaleSlope", "1"), kept.get("RescaleIntercept", "0")), ("1", "0")]
    for slope, intercept in known:
        steps = (values - float(intercept)) / float(slope)
        whole = steps.round()
        least, most = whole.min(), whole.max()
        if np.abs(steps - whole).max() <= NEAR and least >= -32768 and most <= (32767 if least < 0 else LEVELS):
            return whole.astype(np.int16 if least < 0 else np.uint16), slope, intercept
    from pydicom.valuerep import format_number_as_ds

    low, high = float(values.min()), float(values.max())
    intercept, slope = format_number_as_ds(low), format_number_as_ds((high - low) / LEVELS or 1.0)
    return ((values - float(intercept)) / float(slope)).round().clip(0, LEVELS).astype(np.uint16), slope, intercept


def rounded(array: np.ndarray, metadata: Metadata) -> tuple[str, ...]:
    """What becomes of floats that lie on no known steps, in words."""
    if np.isnan(array).any():
        return ()
    _, slope, _ = _steps(array, dict(metadata.dicom))
    known = dict(metadata.dicom).get("RescaleSlope", "1"), "1"
    return () if slope in known else (f"written as DICOM: values are rounded to the nearest of {LEVELS + 1}",)


def _number(one: uuid.UUID) -> str:
    """A UID of DICOM (PS3.5, B.2)."""
    return f"2.25.{one.int}"


def _in_bytes(array: np.ndarray) -> bytes:
    """Little-endian, and as many as are even."""
    data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return data + b"\0" * (len(data) % 2)
