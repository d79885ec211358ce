"""What happens to photographs on their way: blur, noise, the marks of JPEG; for pictures to train on.

Values keep their dtype and their span, black and white; strengths are told for a span of 0 to 255, whatever it is.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from diptych.images.values import Span, as_dtype, convert


def blurred(array: np.ndarray, sigma: float) -> np.ndarray:
    """`H W C` under a Gaussian of so many pixels, mirrored at its borders; float32."""
    values = array.astype(np.float32)
    radius = min(round(3 * sigma), *(side - 1 for side in array.shape[:2]))
    if radius < 1:
        return values
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2).astype(np.float32)
    weights /= weights.sum()
    for axis in (0, 1):
        sides = [(radius, radius) if axis == side else (0, 0) for side in range(3)]
        padded, size = np.pad(values, sides, mode="reflect"), array.shape[axis]
        parts = (weight * padded.take(range(k, k + size), axis) for k, weight in enumerate(weights))
        values = sum(parts, np.zeros_like(values))
    return values


def moved(array: np.ndarray, length: float, angle: float) -> np.ndarray:
    """As a camera sees it that moves so many pixels along a line, at this angle in radians; float32."""
    values, height, width = array.astype(np.float32), *array.shape[:2]
    steps = max(1, round(length) + 1)
    reach = min(round(length / 2) + 1, height - 1, width - 1)
    padded, total = np.pad(values, [(reach, reach)] * 2 + [(0, 0)], mode="reflect"), np.zeros_like(values)
    for way in np.linspace(-0.5, 0.5, steps):
        top, left = (
            min(max(reach + round(length * way * turn), 0), 2 * reach) for turn in (np.sin(angle), np.cos(angle))
        )
        total += padded[top : top + height, left : left + width]
    return total / np.float32(steps)


def noisy(array: np.ndarray, span: Span, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """With Gaussian noise of this deviation, each value for itself."""
    noise = rng.standard_normal(array.shape, dtype=np.float32) * np.float32(sigma * (span[1] - span[0]) / 255)
    return as_dtype(array + noise, array.dtype, span)


def compressed(array: np.ndarray, span: Span, quality: int, subsampled: bool = True) -> np.ndarray:
    """As JPEG of this quality, 1 to 95, gives it back; of more than three channels each for itself.

    subsampled: colours at half the resolution, as cameras and programs usually have them.
    """
    if array.shape[2] not in (1, 3):
        return np.concatenate([compressed(array[..., k : k + 1], span, quality) for k in range(array.shape[2])], axis=2)
    eight = convert(array, "uint8", span)
    buffer = io.BytesIO()
    Image.fromarray(eight if array.shape[2] == 3 else eight[..., 0]).save(
        buffer, "JPEG", quality=quality, subsampling=2 if subsampled else 0
    )
    return convert(np.asarray(Image.open(buffer)).reshape(array.shape), array.dtype, to=span)
