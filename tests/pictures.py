"""Small pictures and folders of them, for tests."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from diptych import images
from diptych.data import open_data


def noise(height: int = 12, width: int = 16, channels: int = 3, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    """`H W C` of random values over the whole range of the dtype (0..1 of a float)."""
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return rng.random((height, width, channels), np.float32)
    return rng.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True)


def pixels(path: Path) -> bytes:
    """What a file shows, without what it says of itself: that has the time of day in it."""
    return images.read(path).array.tobytes()


def ramp(height: int = 32, width: int = 48) -> np.ndarray:
    """A smooth `H W 3` picture without symmetry, which survives JPEG: red grows to the right, green downwards."""
    y, x = np.mgrid[0:height, 0:width]
    planes = x * 255 / (width - 1), y * 255 / (height - 1), np.full((height, width), 90)
    return np.stack(planes, axis=2).astype(np.uint8)


def save(path: Path, array: np.ndarray | None = None) -> Path:
    """Write a picture, noise by default, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return images.write(path, noise() if array is None else array)


def side_by_side(root: Path, count: int = 6, side: int = 16, split: str = "train", channels: int = 3) -> Path:
    """ROOT/SPLIT/000.png ..., every one different, twice as wide as high."""
    for i in range(count):
        save(root / split / f"{i:03d}.png", noise(side, 2 * side, channels, seed=hash_of(split, i)))
    return root


def two_folders(
    root: Path,
    count: int = 6,
    side: int = 16,
    split: str = "train",
    names: tuple[str, str] = ("label", "photo"),
    dtypes: tuple[str, str] = ("uint8", "uint8"),
    channels: tuple[int, int] = (1, 3),
) -> Path:
    """ROOT/SPLIT/{label,photo}/000.png ..., or .tif for floats."""
    for k, (name, dtype, c) in enumerate(zip(names, dtypes, channels, strict=True)):
        for i in range(count):
            suffix = "tif" if dtype == "float32" else "png"
            save(root / split / name / f"{i:03d}.{suffix}", noise(side, side, c, dtype, hash_of(split, i) + k))
    return root


def heaps(root: Path, **counts: int) -> Path:
    """ROOT/train/NAME/NAME0.png ... for every name: two kinds of pictures whose names do not match."""
    for name, count in counts.items():
        for i in range(count):
            save(root / "train" / name / f"{name}{i}.png", noise(16, 16, seed=hash_of(name, i)))
    return root


def hash_of(*things: object) -> int:
    """A seed that is the same in every process."""
    return zlib.crc32(repr(things).encode())


def bomb(path: Path, width: int = 30000, height: int = 30000) -> Path:
    """A PNG whose header promises 900 megapixels; decoding would find nothing, reading it must not get that far."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))
    return path


def rotated(path: Path, array: np.ndarray, orientation: int) -> Path:
    """A file with EXIF's orientation: the stored pixels are `array`."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(array).save(path, exif=exif, **({"quality": 95, "subsampling": 0} if path.suffix == ".jpg" else {}))
    return path


def fill(pairs: Path, place: Path) -> None:
    """Fill a cache, and keep nothing else; likewise without torch."""
    open_data(folder=str(pairs), size=12, val=0).prepare(cache_dir=place)


def fill_and_die(pairs: Path, place: Path) -> None:
    """Be killed in the midst of filling a cache; here, and not in the test, so that the process needs no torch."""

    def die(done: int, _: int) -> None:
        if done == 3:
            os._exit(9)

    open_data(folder=str(pairs), size=12, val=0).prepare(cache_dir=place, progress=die)


def truthful(root: Path, *, train: tuple[str, str] = ("c", "d"), test: str = "") -> Path:
    """Cats and dogs without pairs in training, and with their truth in test, where names match."""
    for domain, prefix in zip(("cats", "dogs"), train, strict=True):
        for i in range(4):
            save(root / "train" / domain / f"{prefix}{i}.png", noise(16, 16, seed=i))
            save(root / "test" / domain / f"{test}{i}.png", noise(16, 16, seed=10 + i))
    return root


def archive(*entries: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as zipped:
        for name, data in entries:
            zipped.writestr(name, data)
    return stream.getvalue()
