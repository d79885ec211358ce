"""An invisible mark in the pixels that names the model, and that is still there when a picture was saved as a JPEG.

Each 4x4 block of the picture's half-size average holds one bit in its largest singular value, which is moved to the
middle of an even or odd step (Chang, Tsai and Lin 2005 mark singular values; Chen and Wornell 2001, quantisation index
modulation). The bits go round and round over the picture, and the majority counts. Cutting or resizing the picture
destroys it, as does anybody who means to: it tells of honest mistakes, and is no proof.
"""

from __future__ import annotations

import numpy as np

MAGIC = 0xD197
BITS = 16 + 48  # the magic, and 12 hexadecimal digits
BLOCK = 8  # pixels a side: 4 in the half-size average
STEP = 16.0  # of the singular value of a block of 8-bit numbers


def has_room(array: np.ndarray) -> bool:
    """Whether every bit has a place or more in a picture `H W C`: it needs 8 bits a channel, grey or colour."""
    blocks = (array.shape[0] // BLOCK) * (array.shape[1] // BLOCK)
    return array.dtype == np.uint8 and array.shape[2] in (1, 3) and blocks >= BITS


def embed(array: np.ndarray, version: str) -> np.ndarray:
    """The picture with the mark of `version`, 12 hexadecimal digits; each pixel changes by some steps of 255."""
    wanted = np.array(bits_of(version))
    mean = averaged(array)
    u, s, v = np.linalg.svd(mean)
    bits = wanted[np.arange(len(mean)) % BITS]
    steps = np.floor(s[:, 0] / STEP)
    steps += (steps.astype(int) % 2 != bits) * np.where(s[:, 0] / STEP - steps < 0.5, -1, 1)
    steps = np.where(steps < 0, bits, steps)
    shape = u[:, :, :1] @ v[:, :1, :]
    too_bright = (mean + ((steps + 0.5) * STEP - s[:, 0])[:, None, None] * shape).max(axis=(1, 2)) > 255
    change = ((steps - 2 * too_bright + 0.5) * STEP - s[:, 0])[:, None, None] * shape  # what is clipped would be lost
    marked = array.astype(np.float32)
    height, width = (size // BLOCK for size in array.shape[:2])
    plane = change.reshape(height, width, 4, 4).swapaxes(1, 2).reshape(height * 4, width * 4)
    marked[: height * BLOCK, : width * BLOCK] += plane.repeat(2, 0).repeat(2, 1)[..., None]
    return marked.round().clip(0, 255).astype(np.uint8)


def extract(array: np.ndarray) -> str | None:
    """The version that a picture is marked with, or None where no mark can be read."""
    if not has_room(array):
        return None
    values = np.linalg.svd(averaged(array), compute_uv=False)[:, 0]
    odd = np.floor(values / STEP).astype(int) % 2
    votes = np.bincount(np.arange(len(odd)) % BITS, odd, BITS) / np.bincount(np.arange(len(odd)) % BITS, minlength=BITS)
    number = int("".join("1" if vote > 0.5 else "0" for vote in votes), 2)
    return f"{number & (2**48 - 1):012x}" if number >> 48 == MAGIC else None


def bits_of(version: str) -> list[int]:
    number = (MAGIC << 48) | int(version, 16)
    return [number >> place & 1 for place in reversed(range(BITS))]


def averaged(array: np.ndarray) -> np.ndarray:
    """Blocks `N 4 4` of the brightness at half size."""
    height, width = (size // BLOCK for size in array.shape[:2])
    grey = array[: height * BLOCK, : width * BLOCK].astype(np.float32).mean(axis=2)
    half = grey.reshape(height * 4, 2, width * 4, 2).mean(axis=(1, 3))
    return half.reshape(height, 4, width, 4).swapaxes(1, 2).reshape(-1, 4, 4)
