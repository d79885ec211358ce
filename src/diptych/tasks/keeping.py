"""Tasks whose results keep what a user's picture is: its channels, its depth, and its pixels where nothing is made."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.random import Generator

from diptych import images
from diptych.images import Picture
from diptych.images.values import Span
from diptych.tasks.pairs import Pairs
from diptych.tasks.task import Sample, Sections


class Restored(Pairs):
    """Learns from photos that it makes worse itself; a result has the channels and the depth of the user's picture."""

    alone = True
    defaults: ClassVar[Sections] = {
        "data": {"size": 128, "resize": "none", "enlarge": True},
        "method": {"residual": True, "gan": 0.0, "deep": 0.0, "levels": 3, "blocks": 2},
        "train": {"images": 16000, "batch": 8},
    }

    def pair(self, sample: Sample, rng: Generator) -> tuple[Picture, Picture]:
        target = sample["target"]
        return replace(target, array=self.worse(target.array, target.limits, rng)), target

    def worse(self, array: np.ndarray, span: Span, rng: Generator) -> np.ndarray:
        """A photo `H W C` as it might have come to a user, of its dtype and size; span: black and white."""
        raise NotImplementedError

    def finish(self, output: Picture, source: Picture, image: Picture) -> Picture:
        return super().finish(like(output, image), source, image)


def like(output: Picture, image: Picture) -> Picture:
    """A result with the channels and the dtype of a user's picture; a note says where its depth is more than it was
    made with."""
    array = output.array
    if (array.shape[2], image.array.shape[2]) in ((3, 1), (1, 3)):
        array = images.match_channels(array, image.array.shape[2])
    deeper = image.array.dtype.itemsize > array.dtype.itemsize
    note = f"made with the depth of {array.dtype}, which is what the model was trained on" if deeper else ""
    array = images.convert(array, image.array.dtype, output.limits, image.limits)
    return replace(output, array=array, span=image.span, notes=(*output.notes, *filter(None, [note])))


def with_mask(image: Picture, array: np.ndarray, mask: np.ndarray) -> Picture:
    """An image with these pixels `H W C`, and with one channel more, white inside the mask `H W 1` of bool."""
    low, high = image.limits
    return replace(image, array=np.concatenate([array, np.where(mask, high, low).astype(array.dtype)], axis=2))


def masked(source: Picture) -> np.ndarray:
    """Where the mask of `with_mask` is white: `H W 1` of bool."""
    low, high = source.limits
    white: np.ndarray = source.array[..., -1:] > (low + high) / 2
    return white


def mixed(image: np.ndarray, output: np.ndarray, share: np.ndarray | np.float32) -> np.ndarray:
    """From the image, where the share is 0, to the output, where it is 1, both of one dtype and `H W C`."""
    values = image.astype(np.float32) + share * (output.astype(np.float32) - image.astype(np.float32))
    return (values if image.dtype.kind == "f" else values.round()).astype(image.dtype)


def pasted(output: Picture, image: np.ndarray, mask: np.ndarray) -> Picture:
    """The output inside the mask, `H W 1` of bool, and the image outside, bit by bit."""
    return replace(output, array=np.where(mask, output.array, image), exact=True)
