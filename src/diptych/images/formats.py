"""The file formats that are read and written, by suffix, and how large a picture may be."""

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
}
SUFFIXES = frozenset(FORMATS)
SUFFIX_OF = {format: suffix for suffix, format in reversed(FORMATS.items())}
"""For each format the suffix of its files."""
MEDIA_TYPES = {
    **{name: f"image/{name.lower()}" for name in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")},
    "NPY": "application/octet-stream",
}
