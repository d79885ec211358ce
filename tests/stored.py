"""Files of pictures made by hand, of kinds that no writer of the project makes."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
ADOBE = (0.640, 0.330, 0.210, 0.710, 0.150, 0.060)
WIDE = (0.735, 0.265, 0.274, 0.717, 0.167, 0.009)


def rgb_profile(primaries: tuple[float, ...] = P3, gamma: float = 2.2) -> bytes:
    import imagecodecs

    points = [v for k in (0, 2, 4) for v in (*primaries[k : k + 2], 1.0)]
    return imagecodecs.cms_profile("rgb", whitepoint=[0.3127, 0.3290, 1.0], primaries=points, gamma=gamma)


def grey_profile(gamma: float = 1.8) -> bytes:
    import imagecodecs

    return imagecodecs.cms_profile("gray", gamma=gamma)


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def cmyk_profile() -> bytes:
    """A small one: a table of two steps an ink from inks to CIELAB, in which cyan is rather green."""
    grid = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    corners = bytes(
        value
        for c, m, y, k in grid
        for value in (
            max(0, 255 - 90 * c - 80 * m - 20 * y - 200 * k),
            min(255, max(0, 128 - 70 * c + 75 * m)) if not k else 128,
            min(255, max(0, 128 + 10 * c + 90 * y)) if not k else 128,
        )
    )
    one = struct.pack(">i", 65536)
    matrix = b"".join(one if n % 4 == 0 else bytes(4) for n in range(9))
    ramps = bytes(range(256))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + ramps * 4 + corners + ramps * 3
    text = b"desc" + bytes(4) + struct.pack(">I", 10) + b"Test inks\0" + bytes(78)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags = {b"desc": text, b"A2B0": lut, b"wtpt": white, b"cprt": b"text" + bytes(4) + b"none\0"}
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        content = content.ljust(-(-len(content) // 4) * 4, b"\0")
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"none", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + body


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(array: np.ndarray, bits: int = 8, *, palette: bytes | None = None, extra: bytes = b"") -> bytes:
    """A PNG of samples of any depth, with further chunks before the pixels."""
    array = array if array.ndim == 3 else array[..., None]
    height, width, samples = array.shape
    kind = 3 if palette is not None else {1: 0, 2: 4, 3: 2, 4: 6}[samples]
    rows = b"".join(b"\0" + packed(row.reshape(-1), bits) for row in array)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    colours = chunk(b"PLTE", palette) if palette is not None else b""
    return b"\x89PNG\r\n\x1a\n" + head + extra_first(extra, colours) + chunk(b"IDAT", zlib.compress(rows)) + END


END = chunk(b"IEND", b"")


def extra_first(extra: bytes, colours: bytes) -> bytes:
    """Transparency stands behind the palette, everything else before it."""
    return colours + extra if extra[4:8] == b"tRNS" else extra + colours


def packed(row: np.ndarray, bits: int) -> bytes:
    """Samples of a row side by side, the first in the highest bits."""
    each = (row[:, None].astype(np.int64) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(each.astype(np.uint8)).tobytes()


def tiff(
    array: np.ndarray, bits: int, photometric: int, *, planar: bool = False, extra: tuple[int, ...] = (), **tags: bytes
) -> bytes:
    """An uncompressed TIFF of unsigned samples of any depth."""
    array = array if array.ndim == 3 else array[..., None]
    height, width, samples = array.shape
    planes = np.moveaxis(array, 2, 0) if planar else [array.reshape(height, width * samples)]
    strips = [b"".join(_little(row, bits) for row in plane) for plane in planes]
    fields: list[tuple[int, int, int, bytes]] = [
        (256, 4, 1, struct.pack("<I", width)),
        (257, 4, 1, struct.pack("<I", height)),
        (258, 3, samples, struct.pack(f"<{samples}H", *[bits] * samples)),
        (259, 3, 1, struct.pack("<H", 1)),
        (262, 3, 1, struct.pack("<H", photometric)),
        (273, 4, len(strips), b""),
        (277, 3, 1, struct.pack("<H", samples)),
        (278, 4, 1, struct.pack("<I", height)),
        (279, 4, len(strips), struct.pack(f"<{len(strips)}I", *map(len, strips))),
        (284, 3, 1, struct.pack("<H", 2 if planar else 1)),
    ]
    fields += [(338, 3, len(extra), struct.pack(f"<{len(extra)}H", *extra))] if extra else []
    fields += [(34675, 7, len(tags["profile"]), tags["profile"])] if "profile" in tags else []
    body, at = b"", 8
    starts = []
    for strip in strips:
        starts.append(at + len(body))
        body += strip + b"\0" * (len(strip) % 2)
    fields[5] = (273, 4, len(strips), struct.pack(f"<{len(strips)}I", *starts))
    directory = struct.pack("<H", len(fields))
    later, after = b"", at + len(body) + 2 + 12 * len(fields) + 4
    for tag, kind, count, value in fields:
        if len(value) > 4:
            inline, later = struct.pack("<I", after + len(later)), later + value + b"\0" * (len(value) % 2)
        else:
            inline = value.ljust(4, b"\0")
        directory += struct.pack("<HHI", tag, kind, count) + inline
    return b"II*\0" + struct.pack("<I", at + len(body)) + body + directory + bytes(4) + later


def _little(row: np.ndarray, bits: int) -> bytes:
    return row.astype(f"<u{bits // 8}").tobytes() if bits % 8 == 0 else packed(row, bits)


def bmp(indices: np.ndarray, bits: int, palette: list[tuple[int, int, int]]) -> bytes:
    """A BMP of indices `H W`."""
    height, width = indices.shape
    stride = (width * bits + 31) // 32 * 4
    rows = b"".join(packed(row, bits).ljust(stride, b"\0") for row in indices[::-1])
    colours = b"".join(bytes([blue, green, red, 0]) for red, green, blue in palette)
    start = 14 + 40 + len(colours)
    head = b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start)
    return (
        head
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, len(rows), 0, 0, len(palette), 0)
        + (colours + rows)
    )


def encoded(array: np.ndarray, format: str, **options: object) -> bytes:
    """By Pillow."""
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, format, **options)
    return stream.getvalue()
