"""The file formats that are read and written, by suffix, and how large a picture may be."""

from __future__ import annotations

from pathlib import PurePath

LIMIT_MP = 50.0
FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    **dict.fromkeys((".jfif", ".jpe", ".jif"), "JPEG"),
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".avif": "AVIF",
    ".npy": "NPY",
    ".npz": "NPZ",
    ".dcm": "DICOM",
    ".dicom": "DICOM",
}
SUFFIXES = frozenset(FORMATS)
VOLUMES = (".nii", ".nii.gz")
"""The suffixes of volumes, which hold an image in each slice."""
SUFFIX_OF = {format: suffix for suffix, format in reversed(FORMATS.items())}
"""For each format the suffix of its files."""
MEDIA_TYPES = {
    **{name: f"image/{name.lower()}" for name in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")},
    **dict.fromkeys(("NPY", "NPZ"), "application/octet-stream"),
    "DICOM": "application/dicom",
}


def stem(path: PurePath) -> str:
    """A file's name without its suffix; DICOM files are often called by numbers, the last of which is none.

    >>> stem(PurePath("scans/head.dcm")), stem(PurePath("1.3.12.7")), stem(PurePath("head.nii.gz"))
    ('head', '1.3.12.7', 'head')
    """
    if path.name.lower().endswith(VOLUMES):
        return path.name[: path.name.lower().rindex(".nii")]
    return path.name if path.suffix[1:].isdigit() else path.stem
