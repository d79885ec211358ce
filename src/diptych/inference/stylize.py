"""A photo painted in the style of paintings, without training: the picture itself is optimised.

Gatys, Ecker, Bethge: Image Style Transfer Using Convolutional Neural Networks, CVPR 2016; from coarse to fine and with
the photo's own colours as in Gatys, Ecker, Bethge, Hertzmann, Shechtman: Controlling Perceptual Factors in Neural Style
Transfer, CVPR 2017. It begins with the photo. Each step sees the picture shifted by some pixels, so that a network's
strides leave no grid, and inside a mirrored margin, so that its borders leave no frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from annotated_types import Ge, Interval
from torch import Tensor

from diptych import images
from diptych.errors import ConfigError, DataError
from diptych.images import Picture
from diptych.images.metadata import NOTHING
from diptych.model.preparing import Image, open_picture
from diptych.nn.deep import VGGFeatures
from diptych.nn.efficientnet import EfficientNetLite0
from diptych.nn.style import CONTENT, Moments, content_distance, look, moments, roughness, style_distance
from diptych.runtime.device import choose_device
from diptych.runtime.speed import Speed
from diptych.storage import weights

Network = Literal["efficientnet_lite0", "vgg19"]
NETWORKS: tuple[Network, ...] = ("efficientnet_lite0", "vgg19")
"""The quickest first."""
Watch = Callable[[float, Callable[[], Picture]], bool]
"""Told after each step the share that is done, and how to have the picture so far; False stops."""

LARGEST, SMALLEST, COARSEST = 1024, 8, 128
"""Pixels of the longer side unless asked for, of the shorter side at least, and of the longer side to begin with."""
MARGIN, PHASES = 16, 8
"""Pixels of the mirrored margin, and shifts in each direction."""
RATE, OF_CONTENT, OF_ROUGHNESS = 0.04, 0.03, 0.5
"""Adam's learning rate, and weights beside that of the style."""


@dataclass(frozen=True)
class Painting:
    """A painting, and its share among several."""

    image: Image
    share: float = 1.0


def stylize(
    photo: Image,
    *paintings: Image | Painting,
    strength: Annotated[float, Interval(ge=0, le=1)] = 1.0,
    keep_colours: bool = False,
    size: Annotated[int, Ge(SMALLEST)] | None = None,
    steps: Annotated[int, Ge(1)] = 100,
    seed: int = 0,
    network: Network = "efficientnet_lite0",
    device: str = "auto",
    watch: Watch = lambda share, now: True,
) -> Picture:
    """The photo in the style of the paintings, in colours; alpha and depth are the photo's.

    strength: from 0, the photo, to 1. keep_colours: lightness alone is painted. size: pixels of the longer side, by
    default the photo's, at most 1024. steps: at each of up to three sizes. seed: of the shifts. network: whose features
    are compared. Raises DataError for images that are too small or neither grey nor in colours, ConfigError where no
    painting is given, WeightsError where the network's weights are missing.
    """
    given = [one if isinstance(one, Painting) else Painting(one) for one in paintings]
    if not given or min(one.share for one in given) < 0 or not sum(one.share for one in given):
        raise ConfigError("a style needs a painting: give one or more, with shares of 0 or more that are not all 0")
    subject = Subject(open_picture(photo), size, keep_colours)
    eye = Eye(network, choose_device(device))
    shown = [(subject.painting(open_picture(one.image)), one.share) for one in given]
    canvas, done, draws = subject.photo, 0, torch.Generator().manual_seed(seed)
    sizes = coarse_to_fine(subject.shape)
    for shape in sizes:
        begun = resized(subject.photo, shape)
        change = resized(canvas - resized(subject.photo, canvas.shape[-2:]), shape)
        scene = Scene(eye, begun, [(scaled(one, shape, subject.shape), share) for one, share in shown], strength)
        for canvas in scene.painted((begun + change).clamp(-1, 1), steps, draws):
            done += 1
            if not watch(done / steps / len(sizes), lambda now=canvas: subject.picture(now)):  # type: ignore[misc]
                return subject.picture(canvas)
    return subject.picture(canvas)


class Subject:
    """A photo to be painted: as numbers, and back. Raises DataError for one that cannot be."""

    def __init__(self, source: Picture, size: int | None, keep_colours: bool) -> None:
        self.source, self.keep_colours = source, keep_colours
        height, width = source.array.shape[:2]
        self.longer = size or min(LARGEST, max(height, width))
        share = self.longer / max(height, width)
        self.shape = max(1, round(height * share)), max(1, round(width * share))
        if min(self.shape) < SMALLEST:
            found = f"{self.shape[1]}x{self.shape[0]}"
            raise DataError(f"a picture of {found} pixels is too small to be painted: {SMALLEST} a side are needed")
        self.colours = resized(in_unit(source), self.shape)

    @cached_property
    def photo(self) -> Tensor:
        """What is painted over, `1 3 H W` in [-1, 1]: the photo, or where colours are kept its lightness."""
        return luma(self.colours) if self.keep_colours else self.colours

    def painting(self, picture: Picture) -> Tensor:
        """A painting likewise, no larger than the result."""
        x = in_unit(picture)
        height, width = x.shape[-2:]
        share = min(1.0, self.longer / max(height, width))
        x = resized(x, (max(1, round(height * share)), max(1, round(width * share))))
        if min(x.shape[-2:]) < SMALLEST:
            raise DataError(f"a painting of {width}x{height} pixels is too small: {SMALLEST} a side are needed")
        return luma(x) if self.keep_colours else x

    def picture(self, canvas: Tensor) -> Picture:
        """What is painted, `1 3 H W` of any size, as an image like the photo."""
        change = resized(canvas - resized(self.photo.to(canvas), canvas.shape[-2:]), self.shape)
        array, dtype = self.source.array, self.source.array.dtype
        change = luma(change) if self.keep_colours else change
        made = images.from_unit((self.colours.to(change) + change)[0], dtype, *images.value_range(dtype))
        made = made[..., : array.shape[2]] if self.keep_colours else made
        alpha, same = self.source.alpha, self.shape == array.shape[:2]
        if alpha is not None and not same:
            alpha = images.resize(alpha[..., None], *self.shape)[..., 0]
        metadata = self.source.metadata if same else NOTHING
        return replace(self.source, array=made, alpha=alpha, palette=None, metadata=metadata)


class Eye:
    """A trained network on a device, in the faster precision."""

    def __init__(self, name: Network, device: torch.device) -> None:
        self.device, self.speed = device, Speed(channels_last=False).on(device)
        self.network = EfficientNetLite0(blocks=11) if name == "efficientnet_lite0" else VGGFeatures()
        self.network.fill(weights.tensors(name))
        self.network.to(device)

    def look(self, x: Tensor, phase: tuple[int, int] = (PHASES // 2, PHASES // 2)) -> list[Tensor]:
        """The features of a picture inside a margin of its mirror image, that is `phase` more wide above and left."""
        margin = min(MARGIN, min(x.shape[-2:]) - PHASES)
        down, right = phase
        sides = (margin + right, margin + PHASES - 1 - right, margin + down, margin + PHASES - 1 - down)
        padded = F.pad(x, sides, mode="reflect")
        with self.speed.precision(self.device):
            return look(self.network, padded)

    @torch.no_grad()
    def moments(self, x: Tensor) -> list[Moments]:
        """The moments of a picture's features, over some shifts."""
        seen = [[moments(one) for one in self.look(x, (n, (n + 3) % PHASES))] for n in range(0, PHASES, 2)]
        return mixed(seen, [1.0] * len(seen))


class Scene:
    """A photo at one size, and the style that is wanted there."""

    def __init__(self, eye: Eye, photo: Tensor, paintings: Sequence[tuple[Tensor, float]], strength: float) -> None:
        self.eye, self.photo = eye, photo.to(eye.device)
        styles = mixed([eye.moments(one.to(eye.device)) for one, _ in paintings], [share for _, share in paintings])
        self.wanted = mixed([eye.moments(self.photo), styles], [1 - strength, strength])
        self.rate = RATE * strength**0.5  # Adam's steps do not shrink with the gradient
        self.seen: dict[tuple[int, int], Tensor] = {}

    def content(self, phase: tuple[int, int]) -> Tensor:
        """The photo's features that show its content, at a shift."""
        if phase not in self.seen:
            with torch.no_grad():
                self.seen[phase] = self.eye.look(self.photo, phase)[CONTENT]
        return self.seen[phase]

    def loss(self, canvas: Tensor, phase: tuple[int, int]) -> Tensor:
        seen = self.eye.look(canvas, phase)
        style = style_distance([moments(one) for one in seen], self.wanted)
        content = content_distance(seen[CONTENT], self.content(phase))
        return style + OF_CONTENT * content + OF_ROUGHNESS * roughness(canvas - self.photo)

    def painted(self, begun: Tensor, steps: int, draws: torch.Generator) -> Iterator[Tensor]:
        """The canvas after each step."""
        canvas = begun.to(self.eye.device).clone().requires_grad_()
        optimiser = torch.optim.Adam([canvas], lr=self.rate, betas=(0.9, 0.99))
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = self.rate * (0.1 + 0.45 * (1 + math.cos(math.pi * step / steps)))
            down, right = torch.randint(PHASES, (2,), generator=draws).tolist()
            optimiser.zero_grad()
            self.loss(canvas, (down, right)).backward()
            optimiser.step()
            with torch.no_grad():
                canvas.clamp_(-1, 1)
            yield canvas.detach()


def coarse_to_fine(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """The sizes to paint at: a quarter, a half and the whole, but those that are too small."""
    height, width = shape
    sizes = [(round(height / part), round(width / part)) for part in (4, 2)]
    return [*(size for size in sizes if max(size) >= COARSEST and min(size) >= SMALLEST), shape]


def mixed(several: Sequence[Sequence[Moments]], shares: Sequence[float]) -> list[Moments]:
    """The mean of moments by their shares."""
    total = sum(shares)

    def mean(parts: Sequence[Tensor]) -> Tensor:
        return sum((part * (share / total) for part, share in zip(parts, shares, strict=True)), torch.zeros(()))

    each = [tuple(zip(*layer, strict=True)) for layer in zip(*several, strict=True)]
    return [(mean(means), mean(covariances)) for means, covariances in each]


def in_unit(picture: Picture) -> Tensor:
    """Its colours, `1 3 H W` in [-1, 1]. Raises DataError for other channels, and as `images.own_range` does."""
    array = images.match_channels(picture.visible, 3)
    return images.to_unit(array, *images.own_range(array))[None].contiguous()


def luma(x: Tensor) -> Tensor:
    """Its lightness as grey, `1 3 H W`."""
    weights_of_colours = torch.from_numpy(images.LUMA).to(x).view(3, 1, 1)
    return (x * weights_of_colours).sum(dim=1, keepdim=True).expand(-1, 3, -1, -1).contiguous()


def resized(x: Tensor, shape: tuple[int, ...] | torch.Size) -> Tensor:
    if x.shape[-2:] == tuple(shape):
        return x
    return F.interpolate(x, size=tuple(shape), mode="bicubic", antialias=True)


def scaled(painting: Tensor, shape: tuple[int, int], whole: tuple[int, int]) -> Tensor:
    """A painting in the proportion of `shape` to the whole."""
    share = max(shape) / max(whole)
    return resized(painting, tuple(max(SMALLEST, round(side * share)) for side in painting.shape[-2:]))
