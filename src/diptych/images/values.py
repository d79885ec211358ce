"""Values, channels and sizes: files' numbers to [-1, 1] and back, grey to RGB and back, one size to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from diptych.errors import DataError

if TYPE_CHECKING:
    import torch


Span = tuple[float, float]
"""What is black and white."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""How much of red, green and blue is in the lightness (ITU-R BT.601)."""


def value_range(dtype: np.dtype | str) -> tuple[float, float]:
    """What black and white are in a picture of which nothing but its dtype is known."""
    return {"uint8": (0.0, 255.0), "uint16": (0.0, 65535.0)}.get(np.dtype(dtype).name, (0.0, 1.0))


def own_range(array: np.ndarray) -> tuple[float, float]:
    """The same of pixels of which nothing else is known. Raises DataError for floats and signed numbers beyond 0..1."""
    low, high = value_range(array.dtype)
    if not low <= array.min() <= array.max() <= high:
        found = f"values from {array.min():g} to {array.max():g}"
        raise DataError(f"{found}: floats and signed numbers must lie between 0 and 1")
    return low, high


def measured(*dtypes: np.dtype | str) -> bool:
    """Whether all are of numbers that have no white of their own, but the unit of what was measured."""
    return {np.dtype(dtype).name for dtype in dtypes} <= {"int16", "float32"}


def fitting_range(dtype: np.dtype | str, low: float, high: float) -> tuple[float, float]:
    """The range of pictures whose measured values lie in low..high: a 12-bit scan in 16-bit files is 0..4095."""
    match np.dtype(dtype).name:
        case "uint8":
            return 0.0, 255.0
        case "uint16":
            return 0.0, float((1 << max(1, int(high).bit_length())) - 1)
        case _:
            return float(low), float(high if high > low else low + 1)


def to_unit(pictures: np.ndarray | torch.Tensor, low: float, high: float) -> torch.Tensor:
    """`[B] H W C` with values in low..high to float32 `[B] C H W` in [-1, 1], on the device it is on.

    The result is a view in channels_last order of what was computed: no copy is made for the channels.
    """
    import torch

    if isinstance(pictures, np.ndarray) and not pictures.flags.writeable:
        pictures = pictures.copy()  # torch warns of arrays it must not write to
    return (torch.as_tensor(pictures).float() - low).div(high - low).mul(2).sub(1).movedim(-1, -3)


def from_unit(tensor: torch.Tensor, dtype: np.dtype | str, low: float, high: float) -> np.ndarray:
    """`[B] C H W` in [-1, 1] to an array `[B] H W C` in low..high, rounded (not truncated) and clipped."""
    values = tensor.detach().float().movedim(-3, -1).add(1).div(2).mul(high - low).add(low).clamp(low, high)
    values = values if np.dtype(dtype).kind == "f" else values.round()
    return np.ascontiguousarray(values.cpu().numpy().astype(dtype))


def filled(array: np.ndarray, value: float | None = None) -> np.ndarray:
    """With a number in the place of NaN: of none given the least that there is."""
    if array.dtype.kind != "f" or not np.isnan(array).any():
        return array
    return np.nan_to_num(array, nan=float(np.nanmin(array)) if value is None else value)


def convert(array: np.ndarray, dtype: np.dtype | str, span: Span | None = None, to: Span | None = None) -> np.ndarray:
    """The same picture in another dtype: black stays black, white stays white.

    span, to: which these are, before and after; by default those of the dtypes.
    """
    (low, high), (black, white) = span or value_range(array.dtype), to or value_range(dtype)
    if array.dtype == dtype and (low, high) == (black, white):
        return array
    values = (array.astype(np.float64) - low) / (high - low) * (white - black) + black
    return (values if np.dtype(dtype).kind == "f" else values.clip(black, white).round()).astype(dtype)


def as_dtype(values: np.ndarray, dtype: np.dtype | str, span: Span | None = None) -> np.ndarray:
    """Floats as another dtype: cut off at black and white, rounded where it has whole numbers."""
    values = values.clip(*(span or value_range(dtype)))
    return (values if np.dtype(dtype).kind == "f" else values.round()).astype(dtype)


def match_channels(array: np.ndarray, channels: int) -> np.ndarray:
    """Grey repeated to RGB, or RGB weighed to grey; other changes are a DataError."""
    have = array.shape[2]
    if have == channels:
        return array
    if (have, channels) == (1, 3):
        return np.repeat(array, 3, axis=2)
    if (have, channels) == (3, 1):
        grey = array.astype(np.float32) @ LUMA
        return (grey if array.dtype.kind == "f" else grey.round())[..., None].astype(array.dtype)
    raise DataError(f"a picture of {have} channel(s) cannot be made one of {channels}")


def resize(array: np.ndarray, height: int, width: int, *, nearest: bool = False) -> np.ndarray:
    """Resample `H W C` by antialiased bicubic, as the papers do with Pillow, or by the nearest pixel (for class ids).

    Of 16 bits and floats the result keeps within the values that the picture has: bicubic would overshoot.
    """
    if array.shape[:2] == (height, width):
        return array
    method = Image.Resampling.NEAREST if nearest else Image.Resampling.BICUBIC
    if array.dtype == np.uint8 and array.shape[2] == 3:
        return np.asarray(Image.fromarray(np.ascontiguousarray(array)).resize((width, height), method))
    planes = [_resize_plane(array[..., c], (width, height), method) for c in range(array.shape[2])]
    return np.stack(planes, axis=2)


def reduced(array: np.ndarray, longest: int) -> np.ndarray:
    """Resampled so that the longer side has so many pixels at most, the other one of them at least."""
    height, width = array.shape[:2]
    share = min(1.0, longest / max(height, width))
    return resize(array, max(1, round(height * share)), max(1, round(width * share)))


def _resize_plane(plane: np.ndarray, size: tuple[int, int], method: Image.Resampling) -> np.ndarray:
    if plane.dtype == np.uint8:
        return np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size, method))
    resampled = np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, method))
    resampled = resampled.clip(plane.min(), plane.max())
    return (resampled if plane.dtype.kind == "f" else resampled.round()).astype(plane.dtype)
