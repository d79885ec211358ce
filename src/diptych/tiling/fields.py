"""How far features look: the pixels that each value depends on, followed through a network operation by operation.

Tiles are wrong near a border that is not the picture's: convolutions there see padding where the picture goes on. How
far inwards that has come is the distance that a value looks, and this is known of each operation (Araujo, Norris, Sim:
Computing Receptive Fields of Convolutional Neural Networks, Distill 2019).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from diptych.nn.ops.reflect_pad import reflect_pad


class CannotFollow(Exception):
    """How far an operation looks is not known, or differs from tile to tile."""


@dataclass(frozen=True)
class Field:
    """Value i along a side depends on the pixels from `low + stride * i` to `high + stride * i`.

    ahead: of what has borders, by how much their convolution will look farther on.
    """

    stride: Fraction = Fraction(1)
    low: Fraction = Fraction(0)
    high: Fraction = Fraction(0)
    ahead: Fraction = Fraction(0)

    @classmethod
    def fresh(cls, stride: Fraction) -> Field:
        """Values that are right wherever they are: each looks at its own pixels alone."""
        return cls(stride, Fraction(0), stride - 1)

    @property
    def halo(self) -> Fraction:
        """How many pixels beyond its own part a tile must be shown, for that part to be right."""
        return max(-self.low, self.high + self.ahead - self.stride + 1)

    def __or__(self, other: Field) -> Field:
        """What depends on both."""
        if self.stride != other.stride:
            raise CannotFollow
        low, high = min(self.low, other.low), max(self.high, other.high)
        return Field(self.stride, low, high, max(self.ahead, other.ahead))

    def windowed(self, *, size: int, stride: int = 1, before: int = 0) -> Field:
        """Each new value sees `size` of these, the next one `stride` further on; the first begins `before` them."""
        s = self.stride
        return Field(s * stride, self.low - s * before, self.high + s * (size - 1 - before))

    def spread(self, *, size: int, stride: int, before: int) -> Field:
        """Each of these goes to `size` new values, the next one's `stride` further on."""
        s = self.stride / stride
        return Field(s, self.low - s * (size - 1 - before), self.high + s * before)

    def resized(self, ratio: Fraction, *, back: Fraction, on: Fraction) -> Field:
        """`ratio` times as many values; value j sees those from `j / ratio - back` to `j / ratio + on`."""
        s = self.stride
        return Field(s / ratio, self.low - s * back, self.high + s * on)


def sides(value: Any) -> tuple[int, int]:
    """An option of both sides, or of each."""
    given = [int(one) for one in value] if isinstance(value, tuple | list) else [int(value)]
    return (given[0], given[-1])


def both(*fields: Field) -> Field:
    """The field of both sides, which may differ."""
    return fields[0] | fields[1]


def conv(field: Field, x: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
         dilation: Any = 1, groups: int = 1) -> Field:  # fmt: skip
    spans = [d * (k - 1) for d, k in zip(sides(dilation), weight.shape[2:], strict=True)]
    before = sides(padding) if not isinstance(padding, str) else [(padding == "same") * span // 2 for span in spans]
    rows = zip(spans, sides(stride), before, strict=True)
    return both(*(field.windowed(size=span + 1, stride=s, before=b) for span, s, b in rows))


def conv_transpose(field: Field, x: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0,
                   output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> Field:  # fmt: skip
    spans = [d * (k - 1) for d, k in zip(sides(dilation), weight.shape[2:], strict=True)]
    rows = zip(spans, sides(stride), sides(padding), strict=True)
    return both(*(field.spread(size=span + 1, stride=s, before=b) for span, s, b in rows))


def max_pool(field: Field, x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
             **options: Any) -> Field:  # fmt: skip
    steps = kernel_size if stride is None or stride == [] else stride
    rows = zip(sides(kernel_size), sides(steps), sides(padding), sides(dilation), strict=True)
    return both(*(field.windowed(size=d * (k - 1) + 1, stride=s, before=b) for k, s, b, d in rows))


def avg_pool(field: Field, x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *rest: Any,
             **options: Any) -> Field:  # fmt: skip
    return max_pool(field, x, kernel_size, stride, padding)


def pad(field: Field, x: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Field:
    """Values are numbered anew."""
    if mode == "circular":
        raise CannotFollow
    left, right, top, bottom = [*pad, 0, 0, 0, 0][:4]
    s, most = field.stride, max(left, top) + max(right, bottom)
    return Field(s, field.low - s * max(left, top), field.high - s * min(left, top), s * most)


def resize(field: Field, x: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
           align_corners: bool | None = None, recompute_scale_factor: Any = None,
           antialias: bool = False) -> Field:  # fmt: skip
    factors = scale_factor if isinstance(scale_factor, tuple | list) else (scale_factor, scale_factor)
    wanted = sides(size) if size is not None else [int(old * f) for old, f in zip(x.shape[-2:], factors, strict=True)]
    ratios = {Fraction(new, old) for new, old in zip(wanted, x.shape[-2:], strict=True)}
    ratio = ratios.pop()
    whole = ratio.denominator == 1 or ratio.numerator == 1
    if ratios or not whole or align_corners:  # where the grids of tiles and of the whole do not meet
        raise CannotFollow
    shrunk = max(Fraction(1), 1 / ratio)
    if mode in ("nearest", "nearest-exact"):
        return field.resized(ratio, back=max(Fraction(0), 1 - 1 / ratio), on=shrunk - 1)
    reach = {"bilinear": 1, "bicubic": 2, "area": 1}[mode] * (shrunk if antialias or mode == "area" else 1)
    shift = 1 / ratio / 2 - Fraction(1, 2)  # of centres
    edge = 1 / ratio / 2 if ratio > 1 else Fraction(0)
    return field.resized(ratio, back=reach - edge - shift, on=reach - edge + shift)


def shuffle(field: Field, x: Tensor, upscale_factor: int) -> Field:
    ratio = Fraction(upscale_factor)
    return field.resized(ratio, back=1 - 1 / ratio, on=Fraction(0))


def unshuffle(field: Field, x: Tensor, downscale_factor: int) -> Field:
    return field.windowed(size=downscale_factor, stride=downscale_factor)


RULES: dict[Any, Callable[..., Field]] = {
    F.conv2d: conv,
    F.conv_transpose2d: conv_transpose,
    F.avg_pool2d: avg_pool,
    F.max_pool2d: max_pool,
    F.pad: pad,
    reflect_pad: lambda field, x, size: pad(field, x, (size,) * 4),
    F.interpolate: resize,
    F.pixel_shuffle: shuffle,
    F.pixel_unshuffle: unshuffle,
}
"""What each operation that looks beyond a value's own place does to a field."""
