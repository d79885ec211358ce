"""A legend says what the numbers in a label map mean: classes with ids, names and colours.

A label map is known in three forms: *ids*, `H W` as a file has them; *ranks*, `H W 1`, the number of each pixel's class
among those that are not void, in the smallest type; and *planes*, `K H W`, 1 where the class is and -1 elsewhere. Void
pixels, of which nothing is known, have the largest rank of the type, and -1 in all planes.
"""

from __future__ import annotations

import colorsys
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from diptych.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

Byte = Annotated[int, Field(ge=0, le=255)]
SMEARED = 32
"""How far, in each channel, JPEG moves a colour of a label map at most where it is not beyond recognition."""


class Class(BaseModel):
    """One class of things: its id in files, its name, its colour for people, and whether its pixels count."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int = Field(ge=0, le=65535)
    name: str
    colour: tuple[Byte, Byte, Byte]
    void: bool = False


class Legend(BaseModel):
    """The classes of a label map.

    edges: the planes have one more, that of the borders between instances. absent: ids of classes that no training
    picture shows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: tuple[Class, ...]
    edges: bool = False
    absent: tuple[int, ...] = ()

    @model_validator(mode="after")
    def check(self) -> Legend:
        for what in ("id", "name", "colour"):
            values = [getattr(c, what) for c in self.classes]
            if twice := [value for value in values if values.count(value) > 1]:
                raise ValueError(f"two classes have the {what} {twice[0]}")
        if not self.known:
            raise ValueError("every class is void: nothing is known of any pixel")
        return self

    @classmethod
    def numbered(cls, ids: list[int] | range) -> Legend:
        """A legend for ids without names, in colours that are easily told apart."""
        return cls(classes=tuple(Class(id=n, name=str(n), colour=distinct(rank)) for rank, n in enumerate(ids)))

    @cached_property
    def known(self) -> tuple[Class, ...]:
        """The classes that are not void: one plane each, in this order."""
        return tuple(c for c in self.classes if not c.void)

    @property
    def planes(self) -> int:
        """How many planes a label map has."""
        return len(self.known) + self.edges

    @property
    def dtype(self) -> np.dtype:
        """Of ranks."""
        return np.dtype(np.uint8 if len(self.known) < 256 else np.uint16)

    @property
    def void(self) -> int:
        """The rank of void pixels."""
        return int(np.iinfo(self.dtype).max)

    @cached_property
    def _rank_of_id(self) -> np.ndarray:
        table = np.full(65536, -1, np.int32)
        table[[c.id for c in self.classes if c.void]] = self.void
        table[[c.id for c in self.known]] = np.arange(len(self.known))
        return table

    @cached_property
    def _colours(self) -> np.ndarray:
        return np.array([c.colour for c in self.classes], np.int16)

    def ranks(self, ids: np.ndarray) -> np.ndarray:
        """`H W` of ids as `H W 1` of ranks. Raises DataError that names an id that is not in the legend, and where."""
        ranks = self._rank_of_id[ids]
        if ranks.min() < 0:
            y, x = np.unravel_index(int((ranks < 0).argmax()), ranks.shape)
            raise DataError(f"has the id {ids[y, x]} at the pixel x={x}, y={y}: the legend has {self.allowed()}")
        return ranks.astype(self.dtype)[..., None]

    def allowed(self) -> str:
        """The ids there are, in words."""
        ids = sorted(c.id for c in self.classes)
        whole = ids == list(range(ids[0], ids[-1] + 1))
        return f"{ids[0]} to {ids[-1]}" if whole else ", ".join(map(str, ids))

    def ids(self, ranks: np.ndarray) -> np.ndarray:
        """The ids of `H W 1` of ranks that are not void, as `H W 1`."""
        ids = np.array([c.id for c in self.known], np.uint8 if self.classes_fit_a_byte else np.uint16)
        return ids[ranks]

    @property
    def classes_fit_a_byte(self) -> bool:
        return max(c.id for c in self.classes) < 256

    def painted(self, ids: np.ndarray) -> np.ndarray:
        """`H W` of ids in the classes' colours, `H W 3`."""
        table = np.zeros((65536, 3), np.uint8)
        table[[c.id for c in self.classes]] = self._colours
        return table[ids]

    def ids_of_colours(self, picture: np.ndarray, *, snap: bool = False) -> np.ndarray:
        """The ids of a map in the legend's colours, `H W 3` of uint8; with `snap` each pixel's is that of the nearest.

        Raises DataError that names a colour that is not in the legend, and where; of colours that have smeared, as JPEG
        makes them, it says so.
        """
        packed = picture.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
        colours, inverse = np.unique(packed, return_inverse=True)
        rgb = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.int16)
        distance, nearest = self._nearest(rgb)
        if (distance > 0).any() and not snap:
            raise DataError(self._not_in_legend(picture, packed, rgb, distance, colours))
        ids = np.array([c.id for c in self.classes], np.uint16)[nearest]
        return ids[inverse].reshape(picture.shape[:2])

    def _nearest(self, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The distance of each colour from that of the nearest class, as its largest channel's, and that class."""
        distance, nearest = [], []
        for some in np.array_split(rgb, max(1, len(rgb) // 4096)):
            apart = np.abs(some[:, None] - self._colours[None]).astype(np.int32)
            best = np.square(apart).sum(2).argmin(1)
            nearest.append(best)
            distance.append(apart[np.arange(len(some)), best].max(1))
        return np.concatenate(distance), np.concatenate(nearest)

    def _not_in_legend(
        self, picture: np.ndarray, packed: np.ndarray, rgb: np.ndarray, distance: np.ndarray, colours: np.ndarray
    ) -> str:
        first = packed == colours[int(distance.argmax())]
        y, x = np.unravel_index(int(first.argmax()), first.shape)
        fault = f"has the colour {tuple(map(int, picture[y, x]))} at the pixel x={x}, y={y}, which no class has"
        near = np.isin(packed, colours[distance <= SMEARED]).mean()
        if len(rgb) > 2 * len(self.classes) and near > 0.9:
            return f"{fault}; its colours have smeared, as JPEG does: --snap-colours takes each pixel's nearest"
        return f"{fault}: add the class to the legend, or --snap-colours to take the nearest"


def distinct(number: int) -> tuple[int, int, int]:
    """The colour with this number in a series of colours that are easily told apart."""
    hue = (number * 0.618034) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, (0.55, 0.8, 0.4)[number % 3], (0.9, 0.6, 1.0)[number // 3 % 3])
    return round(red * 255), round(green * 255), round(blue * 255)


def to_planes(ranks: Tensor, legend: Legend, instances: Tensor | None = None) -> Tensor:
    """Ranks `[B] H W 1` to planes `[B] K H W` in {-1, 1}, on the device it is on; a view in channels_last order.

    instances: which thing each pixel belongs to, `[B] H W 1`: the last plane is 1 along their borders.
    """
    import torch

    classes = torch.arange(len(legend.known), device=ranks.device, dtype=torch.int32)
    planes = (ranks.int() == classes).float()
    if legend.edges and instances is not None:
        planes = torch.cat([planes, borders(instances).float()], dim=-1)
    return planes.mul(2).sub(1).movedim(-1, -3)


def borders(instances: Tensor) -> Tensor:
    """Where, of `[B] H W 1`, a pixel differs from its left, right, upper or lower neighbour (Wang et al. 2018)."""
    import torch

    border = torch.zeros_like(instances, dtype=torch.bool)
    for dim in (-3, -2):
        length = instances.shape[dim] - 1
        one, other = instances.narrow(dim, 0, length), instances.narrow(dim, 1, length)
        border.narrow(dim, 0, length).logical_or_(one != other)
        border.narrow(dim, 1, length).logical_or_(one != other)
    return border


def from_planes(planes: Tensor, legend: Legend) -> np.ndarray:
    """Planes `[B] K H W` to ids `[B] H W 1`: at each pixel the class with the largest value."""
    ranks = planes.detach()[..., : len(legend.known), :, :].argmax(dim=-3, keepdim=True).movedim(-3, -1)
    return legend.ids(ranks.cpu().numpy())
