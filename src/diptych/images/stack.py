"""Stacks of images written as the pages of a TIFF, as they come; OME's axes are kept.

OME-TIFF, docs.openmicroscopy.org/ome-model.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from diptych.images.picture import Picture
from diptych.images.tiff import Stack
from diptych.images.writing import tiff_page
from diptych.storage.files import storing, unfinished

MEASURES = ("PhysicalSizeX", "PhysicalSizeY", "PhysicalSizeZ", "TimeIncrement")
"""What OME says of all pixels, each with its unit."""
BIG = 1 << 31
"""Bytes from which on a TIFF needs longer addresses."""


def write_stack(source: Path, target: Path, pictures: Iterator[Picture], seal: Callable[[Path], Any]) -> None:
    """Write images as the pages of a TIFF, as they come, with the axes of the stack `source` where OME says them.

    seal: what is done to the file before it appears. Raises StorageError.
    """
    import tifffile

    new = unfinished(target)
    try:
        with storing(target), source.open("rb") as file:
            target.parent.mkdir(parents=True, exist_ok=True)
            stack, first = Stack(file), next(pictures)
            big = len(stack) * first.array.nbytes > BIG
            with tifffile.TiffWriter(new, bigtiff=big, ome=bool(stack.axes)) as writer:
                if stack.axes:
                    writer.write(_planes(chain([first], pictures)), **_ome(stack, first))
                else:
                    for picture in chain([first], pictures):
                        writer.write(**tiff_page(picture.array, picture.alpha, picture.metadata))
            seal(new)
            os.replace(new, target)
    finally:
        new.unlink(missing_ok=True)


def _planes(pictures: Iterable[Picture]) -> Iterator[np.ndarray]:
    """Each channel for itself."""
    for picture in pictures:
        yield from (np.ascontiguousarray(plane) for plane in np.moveaxis(picture.array, -1, 0))


def _ome(stack: Stack, first: Picture) -> dict[str, Any]:
    """How the pages of a stack are counted, and what its pixels measure."""
    height, width, channels = first.array.shape
    sizes = [size for axis, size in zip(stack.axes, stack.shape, strict=True) if axis != "C"]
    with_channels = channels > 1 or "C" in stack.axes
    said = ElementTree.fromstring(stack.tiff.ome_metadata)
    pixels = next((one for one in said.iter() if one.tag.endswith("}Pixels")), said)
    names = [one.get("Name") for one in pixels if one.tag.endswith("}Channel")]
    kept: dict[str, Any] = {
        name: float(value) if name in MEASURES else value
        for name, value in pixels.items()
        if name.removesuffix("Unit") in MEASURES
    }
    if len(names) == channels and all(names):
        kept["Channel"] = {"Name": names}
    return {
        "shape": (*sizes, *((channels,) if with_channels else ()), height, width),
        "dtype": first.array.dtype,
        "photometric": "minisblack",
        "compression": "zlib",
        "metadata": {"axes": f"{stack.counted}{'C' * with_channels}YX", **kept},
    }
