"""DICOM: one image in the unit that was measured: numbers rescaled, high is bright, colours RGB. Read by pydicom.

DICOM PS3.3: C.7.6.3 (pixels), C.7.9 (palettes), C.11.1 (rescaling), C.11.2 (window), C.7.5.1.1.2 (padding).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from diptych.errors import ConfigError, DataError, need
from diptych.images.metadata import NOTHING, Metadata, per_metre
from diptych.images.picture import Header
from diptych.images.stored import Stored, notes_of

PREAMBLE, MAGIC = 128, b"DICM"
"""How many bytes stand before the four that tell a DICOM file."""
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"}
CODECS = {
    **dict.fromkeys(JPEG, "jpeg"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"), "jpegls"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"), "jpeg2k"),
    **{f"1.2.840.10008.1.2.4.{number}": "htj2k" for number in (201, 202, 203)},
}
"""Of transfer syntaxes, whose pixels pydicom does not decode by itself, the codec in imagecodecs."""
KEPT = (
    "SOPClassUID", "Modality", "ImageType", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "PositionReferenceIndicator", "InstanceNumber", "BodyPartExamined", "Laterality", "ImageLaterality",
    "ViewPosition", "PatientPosition", "PatientOrientation", "ImagePositionPatient", "ImageOrientationPatient",
    "SliceLocation", "SliceThickness", "SpacingBetweenSlices", "PixelSpacing", "ImagerPixelSpacing",
    "PixelAspectRatio", "Rows", "Columns", "RescaleSlope", "RescaleIntercept", "RescaleType", "Units",
    "LossyImageCompression", "BurnedInAnnotation",
)  # fmt: skip
"""The tags that a result is written with: where the image lies, and what was measured; none says who it is of."""
GREYS = ("MONOCHROME1", "MONOCHROME2")


class Numbers(NamedTuple):
    """How stored numbers become the measured ones."""

    least: int
    most: int
    inverted: bool
    slope: float
    intercept: float

    def of(self, stored: Any) -> Any:
        return (self.least + self.most - stored if self.inverted else stored) * self.slope + self.intercept

    @property
    def plain(self) -> bool:
        return (self.slope, self.intercept) == (1, 0)


def probe(file: BinaryIO) -> Stored:
    tags = read_tags(file)
    if (frames := count(tags)) > 1:
        raise DataError(f"is a DICOM of {frames} frames, a volume: diptych translate takes it as it is")
    numbers = numbers_of(tags)
    return stored(file, tags, numbers, dtype_of(tags, numbers))


def read_tags(file: BinaryIO) -> Any:
    """What a file says before its pixels. Raises DataError where it has none."""
    tags = library().dcmread(file, stop_before_pixels=True)
    if "Rows" not in tags or (_syntax(tags) != DEFLATED and not file.read(1)):
        kind = tags.get("SOPClassUID")
        raise DataError(f"is a DICOM without pixels ({kind.name if kind else 'of no kind'}): leave it out")
    return tags


def count(tags: Any) -> int:
    """How many frames there are."""
    return max(1, int(tags.get("NumberOfFrames") or 1))


def stored(file: BinaryIO, tags: Any, numbers: Numbers | None, dtype: str, number: int = 0) -> Stored:
    """A frame, not decoded yet. tags: those that are true of it. dtype: of the measured numbers."""
    deep = f"numbers of {tags.BitsAllocated} bits converted to float32"
    header = Header(
        int(tags.Columns),
        int(tags.Rows),
        1 if tags.PhotometricInterpretation in GREYS else 3,
        dtype,
        "DICOM",
        notes=(*_notes(tags), *((deep,) * _deep(tags))),
    )
    kept = _metadata(tags, numbers, dtype)
    return Stored(header, lambda: _decoded(file, tags, numbers, dtype, number), metadata=kept)


def _syntax(tags: Any) -> str:
    return str(tags.file_meta.get("TransferSyntaxUID", ""))


@cache
def library() -> Any:
    """pydicom. Raises DataError where it is not installed."""
    try:
        pydicom = need("pydicom", extra="dicom")
    except ConfigError as error:
        raise DataError(f"is DICOM: {error}") from None
    logging.getLogger("pydicom").addHandler(logging.NullHandler())  # what it says of odd tags is not for the console
    warnings.filterwarnings("ignore", module=r"pydicom\.")
    return pydicom


def _deep(tags: Any) -> bool:
    """Whether its stored numbers have more digits than float32."""
    return int(tags.BitsAllocated) > 16 and "BitsStored" in tags and int(tags.BitsStored) > 24


def numbers_of(tags: Any) -> Numbers | None:
    """How the stored numbers of greys, or of a palette, become measured ones."""
    if int(tags.SamplesPerPixel) > 1:
        return None
    bits = int(tags.get("BitsStored") or tags.BitsAllocated)
    least = -(1 << bits - 1) if tags.get("PixelRepresentation") else 0
    slope, intercept = (
        (1.0, 0.0)
        if "ModalityLUTSequence" in tags
        else (float(tags.get(name) or otherwise) for name, otherwise in (("RescaleSlope", 1), ("RescaleIntercept", 0)))
    )
    inverted = tags.PhotometricInterpretation == "MONOCHROME1"
    return Numbers(least, least + (1 << bits) - 1, inverted, slope, intercept)


def dtype_of(tags: Any, numbers: Numbers | None) -> str:
    """What holds every measured number; of signed ones int16, though a rare number may lie beyond it."""
    if tags.PhotometricInterpretation == "PALETTE COLOR":
        return "uint8" if int(tags.RedPaletteColorLookupTableDescriptor[2]) <= 8 else "uint16"
    bits = int(tags.BitsAllocated)
    if "ModalityLUTSequence" in tags:
        bits = int(tags.ModalityLUTSequence[0].LUTDescriptor[2])
    if bits > 16 or (numbers and (numbers.slope != 1 or numbers.intercept != int(numbers.intercept))):
        return "float32"
    if numbers and (numbers.least < 0 or numbers.intercept < 0):
        return "int16"
    if numbers and numbers.intercept > 0:
        return "float32"
    return "uint8" if bits <= 8 else "uint16"


def _decoded(file: BinaryIO, tags: Any, numbers: Numbers | None, dtype: str, number: int) -> np.ndarray:
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

    syntax = _syntax(tags)
    stored = _unpacked(file, tags, CODECS[syntax], number) if syntax in CODECS else _plain(file, tags, number)
    if tags.PhotometricInterpretation == "PALETTE COLOR":
        return np.asarray(apply_color_lut(stored, tags)[..., :3])
    if numbers is None:
        return stored
    if int(tags.BitsAllocated) == 1:
        return (stored * np.uint8(255)) ^ np.uint8(255 * numbers.inverted)
    if "ModalityLUTSequence" in tags:
        return np.asarray(apply_modality_lut(numbers.of(stored.astype(np.int64)), tags))
    if numbers.plain and not numbers.inverted:
        return stored.astype(dtype, copy=False)
    measured = numbers.of(stored.astype(np.float64 if stored.dtype.kind != "f" else stored.dtype))
    if dtype == "int16" and (measured.min() < -32768 or measured.max() > 32767):
        reach = f"{measured.min():g} to {measured.max():g}"
        raise DataError(f"holds numbers from {reach}, beyond signed ones of 16 bits: pad it by another number")
    return np.asarray(measured.astype(dtype))


def _plain(file: BinaryIO, tags: Any, number: int) -> np.ndarray:
    """The stored numbers of a frame, by pydicom; colours as RGB."""
    from pydicom.pixels import pixel_array

    file.seek(0)
    source = file if count(tags) > 1 and _syntax(tags) != DEFLATED else library().dcmread(file)
    try:
        return np.asarray(pixel_array(source, index=number))
    except (NotImplementedError, RuntimeError) as error:
        name = tags.file_meta.TransferSyntaxUID.name
        raise DataError(
            f"is compressed in a way that is not read ({name}: {str(error).splitlines()[0]}): unpack it, as by "
            f"gdcmconv --raw"
        ) from None


def _unpacked(file: BinaryIO, tags: Any, codec: str, number: int) -> np.ndarray:
    """The stored numbers of a compressed frame, by imagecodecs."""
    import imagecodecs
    from pydicom.encaps import get_frame

    decode = {
        "jpeg": imagecodecs.jpeg_decode,
        "jpegls": imagecodecs.jpegls_decode,
        "jpeg2k": imagecodecs.jpeg2k_decode,
        "htj2k": imagecodecs.htj2k_decode,
    }[codec]
    options: dict[str, Any] = {}
    if codec == "jpeg" and tags.PhotometricInterpretation == "RGB":
        options = {"colorspace": "RGB", "outcolorspace": "RGB"}  # a file without a marker for it would seem YCbCr
    packed = get_frame(_pixel_data(file), number, number_of_frames=count(tags))
    array = np.asarray(decode(packed, **options))
    if array.shape[:2] != (int(tags.Rows), int(tags.Columns)):
        raise DataError(f"is damaged: {array.shape[1]}x{array.shape[0]} pixels, and its header says otherwise")
    return _signed(array, int(tags.BitsStored), bool(tags.get("PixelRepresentation")))


def _pixel_data(file: BinaryIO) -> BinaryIO:
    """The file from where its packed pixels begin: behind their tag, their type, if it is there, and their length."""
    file.seek(0)
    library().dcmread(file, stop_before_pixels=True)
    has_type = file.read(8)[4:6].isalpha()
    file.seek(4 * has_type, 1)
    return file


def _signed(array: np.ndarray, bits: int, signed: bool) -> np.ndarray:
    """Numbers of so many bits with the sign that the file says they have, which codecs do not know."""
    width = array.dtype.itemsize
    spare = max(0, 8 * width - bits)
    return (array.view(f"{array.dtype.byteorder}{'i' if signed else 'u'}{width}") << spare) >> spare


def _notes(tags: Any) -> list[str]:
    photometric = tags.PhotometricInterpretation
    converted = {"PALETTE COLOR": "P"}.get(photometric, "YCbCr" if photometric.startswith("YBR") else "")
    notes = [*notes_of(converted, 1, 1)]
    if photometric == "MONOCHROME1":
        notes.append("high is dark (MONOCHROME1): inverted")
    if str(tags.get("BurnedInAnnotation", "")).upper() == "YES":
        notes.append("words are burned into its pixels (BurnedInAnnotation): look for names before you give it away")
    return notes


def _metadata(tags: Any, numbers: Numbers | None, dtype: str) -> Metadata:
    """What is kept; nothing where the tags are damaged, since the pixels may be whole."""
    try:
        y, x = (float(value) for value in tags.get("PixelSpacing") or tags.get("ImagerPixelSpacing") or (0, 0))
        dpi = per_metre(1000 / x, 1000 / y).dpi if x > 0 and y > 0 else None
        padding = tags.get("PixelPaddingValue")
        no_data = None if padding is None or numbers is None else float(np.float32(numbers.of(int(padding))))
        kept = tuple((name, _texts(tags[name].value)) for name in KEPT if tags.get(name) not in (None, ""))
        return replace(Metadata(dpi, no_data=no_data).held_by(dtype), window=_window(tags), dicom=kept)
    except (ValueError, TypeError, ArithmeticError):
        return NOTHING


def _window(tags: Any) -> tuple[float, float] | None:
    """From where to where measured numbers are shown, the first of those that the file names."""
    centre, width = (tags.get(name) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None:
        return None
    middle, wide = (float(one if isinstance(one, str | float | int) else one[0]) for one in (centre, width))
    return (middle - wide / 2, middle + wide / 2) if wide > 0 else None


def _texts(value: Any) -> str | tuple[str, ...]:
    """A tag's value as the file has it: decimals keep all their digits."""
    return tuple(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
