"""A legend says what the numbers in a label map mean: classes with ids, names and colours.

A label map is known in two forms: *ids*, `H W 1`, as files have them, and *one-hot*, `K H W`, a channel for each class
that is not void: 1 where the class is and -1 elsewhere. Void pixels, of which nothing is known, are -1 in all channels.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from diptych.errors import DataError
from diptych.images import Picture

if TYPE_CHECKING:
    from torch import Tensor

Byte = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Byte, Byte, Byte]
Coding = Literal["numbers", "palette of greys", "palette", "colours"]
MOST = 65536
"""Ids there can be."""
SMEARED = 32
"""How far, in each channel, JPEG moves most colours of a label map at most."""


class Class(BaseModel):
    """One class of things: its id in files, its name, its colour for people; of void pixels nothing is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int = Field(ge=0, lt=MOST)
    name: str
    colour: Colour
    void: bool = False


class Legend(BaseModel):
    """The classes of a label map.

    edges: there is one channel more, that of the borders between things. absent: ids of classes that no training
    picture shows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: tuple[Class, ...]
    edges: bool = False
    absent: tuple[int, ...] = ()

    @model_validator(mode="after")
    def check(self) -> Legend:
        for what in ("id", "name", "colour"):
            values = [dict(c)[what] for c in self.classes]
            if twice := [value for value in values if values.count(value) > 1]:
                raise ValueError(f"two classes have the {what} {twice[0]}")
        if not self.known:
            raise ValueError("it has no class that is not void")
        return self

    @classmethod
    def numbered(cls, ids: Iterable[int], colours: Mapping[int, Colour] | None = None) -> Legend:
        """A legend for ids without names: in these colours, or others that are easily told apart."""
        given = colours or {}
        chosen = {number: given.get(number, distinct(rank)) for rank, number in enumerate(ids)}
        if len(set(chosen.values())) < len(chosen):
            chosen = {number: distinct(rank) for rank, number in enumerate(chosen)}
        return cls(classes=tuple(Class(id=number, name=str(number), colour=chosen[number]) for number in chosen))

    @property
    def known(self) -> tuple[Class, ...]:
        """The classes that are not void: one plane each, in this order."""
        return tuple(c for c in self.classes if not c.void)

    @property
    def channels(self) -> int:
        """How many one-hot channels a label map has."""
        return len(self.known) + self.edges

    @property
    def dtype(self) -> str:
        """Of ids."""
        return "uint8" if max(c.id for c in self.classes) < 256 else "uint16"

    @property
    def palette(self) -> np.ndarray:
        """The colour of each id up to the largest, `N 3`."""
        table = np.zeros((max(c.id for c in self.classes) + 1, 3), np.uint8)
        table[[c.id for c in self.classes]] = self._colours
        return table

    @cached_property
    def _colours(self) -> np.ndarray:
        return np.array([c.colour for c in self.classes], np.uint8)

    def read(self, picture: Picture, *, snap: bool = False) -> Picture:
        """The ids in a picture: by the colours of the classes, of a palette as well, or its numbers.

        snap: a colour that no class has counts as the nearest one. Raises DataError that names an id or colour that is
        not in the legend, and where it is.
        """
        if picture.ids:
            ids = picture.array
        elif self._by_colours(picture):
            try:
                ids = self.ids_of_colours(picture.visible, snap=snap, jpeg=picture.format == "JPEG")
            except DataError as error:
                palette = " (of a palette the colours count, not the indices)"
                raise DataError(f"{error}{'' if picture.palette is None else palette}") from None
        else:
            ids = numbers(picture)
        self.refuse_unknown(ids)
        return replace(picture, array=ids.astype(self.dtype), alpha=None, palette=self.palette, ids=True)

    def _by_colours(self, picture: Picture) -> bool:
        """Whether a picture's colours say what its classes are, and not its numbers."""
        if picture.palette is None:
            return picture.array.shape[2] == 3
        greys = coding(picture) == "palette of greys"
        if not greys and self._invented and picture.array.max() >= len(picture.palette):
            return False
        refuse_colourless(picture)
        used = picture.palette[np.unique(picture.array)]
        if not self._are_colours(used):
            return not greys and not self._invented
        return not greys or self._greys_are_colours(picture.palette, used)

    def _are_colours(self, colours: np.ndarray) -> bool:
        """Whether all of `N 3` are colours of classes."""
        return bool((colours[:, None] == self._colours[None]).all(2).any(1).all())

    def _greys_are_colours(self, palette: np.ndarray, used: np.ndarray) -> bool:
        """Whether greys of a palette, those `used` being colours of classes, are meant as colours and not as ids.

        Raises DataError where they may as well be ids, of other classes.
        """
        ids = {c.id: c.colour for c in self.classes}
        wrong = [int(grey) for grey in used[:, 0] if ids.get(int(grey)) != (grey, grey, grey)]
        if not wrong or not ids.keys() >= set(used[:, 0].tolist()) or np.array_equal(palette, self.palette):
            return True
        if not self._are_colours(palette):
            return False
        if ids.keys() >= set(palette[:, 0].tolist()):
            raise DataError(
                f"is a palette of greys, whose {wrong[0]} is the id of one class and the colour of another: "
                f"store it as grey (ids) or as RGB (colours)"
            )
        return True

    @property
    def _invented(self) -> bool:
        """Whether its colours are those of `numbered`, which no file has."""
        return all(c.colour == distinct(rank) and c.name == str(c.id) for rank, c in enumerate(self.classes))

    def refuse_unknown(self, ids: np.ndarray) -> None:
        """Raise DataError that names an id which is not in the legend, and where."""
        known = np.zeros(MOST, bool)
        known[[c.id for c in self.classes]] = True
        wrong = ~known[ids[..., 0]]
        if wrong.any():
            y, x = np.unravel_index(int(wrong.argmax()), wrong.shape)
            raise DataError(f"has the id {ids[y, x, 0]} at the pixel x={x}, y={y}: the legend has {self.allowed()}")

    def allowed(self) -> str:
        """The ids there are, in words."""
        ids = sorted(c.id for c in self.classes)
        whole = ids == list(range(ids[0], ids[-1] + 1))
        return f"{ids[0]} to {ids[-1]}" if whole else ", ".join(map(str, ids))

    def unseen(self, ids: np.ndarray) -> list[str]:
        """The names of classes in these ids that no training picture showed."""
        there = set(np.unique(ids).tolist()) & set(self.absent)
        return [c.name for c in self.classes if c.id in there]

    def ids_of_colours(self, picture: np.ndarray, *, snap: bool = False, jpeg: bool = False) -> np.ndarray:
        """The ids of a map in the legend's colours, `H W 3` of uint8.

        Raises DataError that says whether colours have smeared, as in a `jpeg`, which `snap` allows; and for a picture
        that is no label map in these colours.
        """
        if picture.dtype != np.uint8:
            raise DataError(f"has colours of {picture.dtype}: a legend's are of 8 bits")
        packed = picture.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
        colours, inverse = np.unique(packed, return_inverse=True)
        inverse = inverse.reshape(packed.shape)
        distance, nearest = self._nearest(np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1))
        if distance.any():
            smeared = jpeg or len(colours) > 2 * len(self.classes)
            self._judge(picture, distance[inverse], snap=snap, smeared=smeared)
        return np.array([c.id for c in self.classes], self.dtype)[nearest][inverse][..., None]

    def _nearest(self, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of each colour, how far off the nearest class is in the channel that differs most, and which it is."""
        apart = np.abs(colours[:, None] - self._colours.astype(np.int64)[None])
        nearest = np.square(apart).sum(2).argmin(1)
        return apart[np.arange(len(colours)), nearest].max(1), nearest

    def _judge(self, picture: np.ndarray, distance: np.ndarray, *, snap: bool, smeared: bool) -> None:
        """Raise DataError for colours that no class has, each pixel's `H W` away from the nearest class."""
        y, x = np.unravel_index(int((distance > 0).argmax()), distance.shape)
        colour = ", ".join(map(str, picture[y, x]))
        fault = f"has the colour ({colour}) at the pixel x={x}, y={y}, which no class of the legend has"
        near = (distance <= SMEARED).mean()
        if near < 0.5:
            raise DataError(
                f"{fault}, and {1 - near:.0%} of its pixels are far from all classes: is it a photo (then turn the "
                f"direction), or another legend's?"
            )
        if snap:
            return
        if smeared:
            raise DataError(f"{fault}: colours have smeared, as JPEG does; --snap-colours takes the nearest classes")
        raise DataError(f"{fault}: add a class, or let --snap-colours take each pixel's nearest")


def coding(picture: Picture) -> Coding:
    """How a label map that was read with `indices` is stored."""
    if picture.palette is None:
        return "colours" if picture.array.shape[2] == 3 else "numbers"
    return "palette of greys" if (picture.palette == picture.palette[:, :1]).all() else "palette"


def refuse_colourless(picture: Picture) -> None:
    """Raise DataError that names an index for which the palette of a picture has no colour, and where it is."""
    assert picture.palette is not None
    wrong = picture.array[..., 0] >= len(picture.palette)
    if wrong.any():
        y, x = np.unravel_index(int(wrong.argmax()), wrong.shape)
        raise DataError(
            f"has the index {picture.array[y, x, 0]} at the pixel x={x}, y={y}, for which its palette of "
            f"{len(picture.palette)} colours has none: complete the palette, or store the ids as grey"
        )


def numbers(picture: Picture) -> np.ndarray:
    """The ids `H W 1` in a label map without colours. Raises DataError for what is none.

    Of a palette they are its indices; of one of greys, as programs that make files smaller write it, the greys.
    """
    if coding(picture) == "palette of greys":
        assert picture.palette is not None
        refuse_colourless(picture)
        return picture.palette[picture.array[..., 0], :1]
    return whole(picture.array)


def whole(array: np.ndarray) -> np.ndarray:
    """Numbers `H W 1` as ids. Raises DataError for what is none."""
    if array.shape[2] != 1:
        raise DataError(f"has {array.shape[2]} channels: a label map has one, of class ids, or colours")
    if array.dtype.kind in "if":
        ids = array.clip(0, MOST - 1).astype(np.uint16)
        if not (ids == array).all():
            raise DataError(f"holds numbers that are no ids, from {array.min():g} to {array.max():g}")
        return ids
    return array


def distinct(number: int) -> Colour:
    """The colour with this number in a series of colours that are easily told apart."""
    saturation, value = ((0.55, 0.9), (0.8, 0.6), (0.4, 1.0))[number % 3]
    red, green, blue = colorsys.hsv_to_rgb((number * 0.618034) % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def to_one_hot(ids: np.ndarray | Tensor, legend: Legend, instances: np.ndarray | Tensor | None = None) -> Tensor:
    """Ids `[B] H W 1` to one-hot channels `[B] K H W` in {-1, 1}, on their device; a view in channels_last order.

    instances: which thing each pixel belongs to, `[B] H W 1`; with `legend.edges` the last channel is 1 along their
    borders, which without them are nowhere.
    """
    import torch

    ids = tensor(ids)
    one_hot = ids == torch.tensor([c.id for c in legend.known], dtype=torch.int32).to(ids.device)
    if legend.edges:
        edges = torch.zeros_like(one_hot[..., :1]) if instances is None else borders(tensor(instances))
        one_hot = torch.cat([one_hot, edges], dim=-1)
    return one_hot.float().mul(2).sub(1).movedim(-1, -3)


def tensor(numbers: np.ndarray | Tensor) -> Tensor:
    """Ids as int32, which all devices can compare."""
    import torch

    numbers = numbers.astype(np.int32) if isinstance(numbers, np.ndarray) else numbers
    return torch.as_tensor(numbers).int()


def borders(instances: Tensor) -> Tensor:
    """Where, of `[B] H W 1`, a pixel differs from its left, right, upper or lower neighbour (Wang et al. 2018)."""
    border = instances != instances
    for dim in (-3, -2):
        length = instances.shape[dim] - 1
        step = instances.narrow(dim, 0, length) != instances.narrow(dim, 1, length)
        border.narrow(dim, 0, length).logical_or_(step)
        border.narrow(dim, 1, length).logical_or_(step)
    return border


def from_one_hot(one_hot: Tensor, legend: Legend) -> Picture:
    """Planes `K H W` to ids: at each pixel the class with the largest value."""
    ranks = one_hot.detach()[: len(legend.known)].argmax(dim=0).cpu().numpy()
    ids = np.array([c.id for c in legend.known], legend.dtype)[ranks][..., None]
    return Picture(ids, palette=legend.palette, ids=True)
