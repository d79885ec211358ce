"""A result as a DICOM: an image derived from another, in its place, of nobody. Written by pydicom.

DICOM PS3.3: C.7.6.1.1.2 (image type), C.8.6.1 (secondary capture), C.12.1 (SOP common); PS3.15, E (what tells whom an
image is of).
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping, Sequence
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
Scale = tuple[str, str]
"""Slope and intercept, as a file has them."""
RUN = uuid.uuid4()
"""Results of one process are one series for each series that they come from."""
NOBODY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName", "SeriesNumber", "Manufacturer",
)  # fmt: skip
"""Tags that have to be there, and may be empty."""
MADE_BY = f"Made by a machine-learned image translation (Diptych {__version__}): no acquired image"
LEVELS = 65535
ROUNDED = f"written as DICOM: values are rounded to the nearest of {LEVELS + 1}"
ONES = ("1", "0")
NEAR = 0.1
"""Of a step: how far numbers may lie from one and still be on it, since float32 has seven digits."""


def encode(array: np.ndarray, metadata: Metadata) -> bytes:
    """The file of `H W C`; of an image derived from another where `metadata` has tags of a DICOM. Raises DataError."""
    refuse_nan(array)
    kept = dict(metadata.dicom)
    tags = described(kept, array.shape)
    dtype, (scale,) = scaled([array], [scale_of(kept)])
    pixels_described(tags, array.shape, dtype)
    if array.shape[2] == 1:
        tags.RescaleSlope, tags.RescaleIntercept = scale
        tags.RescaleType = kept.get("RescaleType", "US")
        pad(tags, metadata.no_data, scale, dtype)
    tags.add_new("PixelData", "OB" if dtype == "uint8" else "OW", in_bytes(in_steps(array, scale, dtype)))
    stream = io.BytesIO()
    save(tags, stream)
    return stream.getvalue()


def refuse_nan(array: np.ndarray) -> None:
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise DataError("DICOM has no number for NaN: write it as TIFF or NPY")


def save(tags: Any, file: Any) -> None:
    """Write a DICOM to a file that is open, or to a path."""
    pydicom = library()
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    tags.file_meta = meta
    with pydicom.config.disable_value_validation():  # the tags kept are as they came
        tags.save_as(file, enforce_file_format=True)


def pad(tags: Any, no_data: float | None, scale: Scale, dtype: str) -> None:
    """Set the number of pixels that hold nothing, where there is one."""
    if no_data is None or not np.isfinite(no_data):
        return
    slope, intercept = map(float, scale)
    number = round((no_data - intercept) / slope)
    if np.iinfo(dtype).min <= number <= np.iinfo(dtype).max:
        tags.add_new("PixelPaddingValue", "SS" if tags.PixelRepresentation else "US", number)


def described(kept: Mapping[str, Any], shape: tuple[int, ...]) -> Any:
    """Tags that say what an image is, and where it lies, from those kept of the one that it is derived from."""
    tags = library().Dataset()
    for name in NOBODY:
        tags.__setattr__(name, "")
    flavour = kept.get("ImageType", ())[2:3]
    grey = shape[2] == 1
    for name, value in kept.items():
        if name not in (*RESCALED, "Rows", "Columns", "ImageType") and (same_size(kept, shape) or name not in PLACE):
            tags.__setattr__(name, of_kept(value))
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
    return tags


def same_size(kept: Mapping[str, Any], shape: tuple[int, ...]) -> bool:
    """Whether an image is as large as the one that it is derived from."""
    return (kept.get("Rows", ""), kept.get("Columns", "")) == tuple(map(str, shape[:2]))


def of_kept(value: Any) -> Any:
    """A kept value as pydicom is given it."""
    return list(value) if isinstance(value, tuple) else value


def pixels_described(tags: Any, shape: tuple[int, ...], dtype: str) -> None:
    """Set what says how the stored numbers of `H W C` lie."""
    tags.Rows, tags.Columns, tags.SamplesPerPixel = shape
    tags.PhotometricInterpretation = "MONOCHROME2" if shape[2] == 1 else "RGB"
    if shape[2] > 1:
        tags.PlanarConfiguration = 0
    bits = 8 * np.dtype(dtype).itemsize
    tags.BitsAllocated, tags.BitsStored, tags.HighBit = bits, bits, bits - 1
    tags.PixelRepresentation = int(np.dtype(dtype).kind == "i")


def scale_of(kept: Mapping[str, Any]) -> Scale:
    """Slope and intercept of the image that another is derived from."""
    return str(kept.get("RescaleSlope", "1")), str(kept.get("RescaleIntercept", "0"))


def scaled(arrays: Sequence[np.ndarray], own: Sequence[Scale]) -> tuple[str, list[Scale]]:
    """The type in which the numbers of images are stored, and of each the scale that makes measured ones of them.

    Floats lie on the steps of the images that they come from, whose scales are `own`, or on ones; else 65536 steps are
    laid over them all.
    """
    if arrays[0].dtype.kind != "f":
        return arrays[0].dtype.name, [ONES] * len(arrays)
    for scales in (list(own), [ONES] * len(arrays)):
        reach = [_on_steps(array, scale) for array, scale in zip(arrays, scales, strict=True)]
        if None not in reach:
            least, most = min(one[0] for one in reach if one), max(one[1] for one in reach if one)
            if least >= -32768 and most <= (32767 if least < 0 else LEVELS):
                return "int16" if least < 0 else "uint16", scales
    from pydicom.valuerep import format_number_as_ds

    low, high = min(float(array.min()) for array in arrays), max(float(array.max()) for array in arrays)
    intercept, slope = format_number_as_ds(low), format_number_as_ds((high - low) / LEVELS or 1.0)
    return "uint16", [(slope, intercept)] * len(arrays)


def _on_steps(array: np.ndarray, scale: Scale) -> tuple[float, float] | None:
    """The least and the largest step that floats lie on; None where they lie beside them."""
    slope, intercept = map(float, scale)
    steps = (array.astype(np.float64) - intercept) / slope
    whole = steps.round()
    return (float(whole.min()), float(whole.max())) if np.abs(steps - whole).max() <= NEAR else None


def in_steps(array: np.ndarray, scale: Scale, dtype: str) -> np.ndarray:
    """Measured numbers as the stored ones."""
    if array.dtype.kind != "f":
        return array
    slope, intercept = map(float, scale)
    steps = ((array.astype(np.float64) - intercept) / slope).round()
    return steps.clip(np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)


def rounded(array: np.ndarray, metadata: Metadata) -> tuple[str, ...]:
    """What becomes of floats that lie on no known steps, in words."""
    if np.isnan(array).any():
        return ()
    own = scale_of(dict(metadata.dicom))
    _, (scale,) = scaled([array], [own])
    return () if scale in (own, ONES) else (ROUNDED,)


def _number(one: uuid.UUID) -> str:
    """A UID of DICOM (PS3.5, B.2)."""
    return f"2.25.{one.int}"


def in_bytes(array: np.ndarray) -> bytes:
    """Little-endian, and as many as are even."""
    data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return data + b"\0" * (len(data) % 2)
