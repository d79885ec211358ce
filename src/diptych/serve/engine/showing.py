"""In a worker: a picture of any format as one that every browser shows, or as its values, small enough to look at."""

from __future__ import annotations

import math

import numpy as np

from diptych import images
from diptych.errors import DiptychError
from diptych.images import Picture
from diptych.serve.engine.messages import Message
from diptych.serve.engine.viewing import Order


def viewed(file: bytes, order: Order, limit_mp: float) -> Message:
    """The view of a picture file as a message, or what is wrong with the file."""
    blame = "picture"
    try:
        picture = images.read(file, limit_mp=limit_mp, indices=order.legend is not None)
        if order.legend:
            blame = "labels"
            picture = order.legend.read(picture)
        data = drawn(picture, order)
    except DiptychError as error:
        message = str(error) if blame == "picture" else f"the picture {error}"
        return {"fault": {"blame": blame, "message": message}}, []
    height, width, channels = picture.array.shape
    facts = {"width": width, "height": height, "channels": channels, "dtype": picture.array.dtype.name}
    return {"view": facts}, [data]


def drawn(picture: Picture, order: Order) -> bytes:
    """The file of a view."""
    if picture.ids:
        ids = smaller(picture.array, order.side, nearest=True)
        return images.encode(ids, "PNG", palette=picture.palette) if ids.dtype == np.uint8 else coloured(ids, picture)
    if order.form == "npy":
        return images.encode(smaller(picture.array[..., :3], order.side), "NPY")
    shown = images.displayable(picture.windowed)
    shown = smaller(shown, order.side, nearest=picture.palette is not None)
    return images.encode(shown, order.form.upper(), quality=85)


def coloured(ids: np.ndarray, picture: Picture) -> bytes:
    """Ids of 16 bits, for which a PNG has no palette, in their colours."""
    assert picture.palette is not None
    return images.encode(picture.palette[ids[..., 0]], "PNG")


def smaller(array: np.ndarray, side: int, *, nearest: bool = False) -> np.ndarray:
    """The picture with at most so many pixels a side; of one that is much larger only some are looked at."""
    step = max(1, max(array.shape[:2]) // (4 * side))
    array = array[::step, ::step]
    height, width = array.shape[:2]
    share = side / max(height, width)
    if share >= 1:
        return array
    return images.resize(array, math.ceil(height * share), math.ceil(width * share), nearest=nearest)
