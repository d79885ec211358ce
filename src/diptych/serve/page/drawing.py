"""A canvas to draw on, and its drawings as pictures that the model knows: maps of its classes, or lines on white."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import gradio as gr

from diptych import images
from diptych.card import Side
from diptych.errors import DataError

HERE = Path(__file__).parent
SIDE = 256
"""Pixels of a new drawing."""
START = "data:image/png;base64,"
LARGEST = SIDE * SIDE * 4 * 2
"""Characters of a drawing's value: more than those of one that nothing compresses."""
FORGED = "the drawing has not arrived as the canvas makes it: draw it again"
PEN = ((0, 0, 0), "Pen")
PAPER = ((255, 255, 255), "Eraser")


def is_for(side: Side) -> bool:
    """Whether such pictures can be drawn: label maps, pictures of one channel, and those that are called lines."""
    return side.legend is not None or side.channels == 1 or side.name.lower() in ("edges", "sketch", "lines")


def canvas(side: Side) -> gr.HTML:
    """Where one draws with a paint for each class, on the first one's; or with a pen on white paper.

    Its value is the drawing as a data URL, empty while nothing is drawn. `input` happens at each change.
    """
    paints = [(known.colour, known.name) for known in side.legend.known] if side.legend else [PAPER, PEN]
    return gr.HTML(
        "",
        html_template="",  # what classes are called must not come into it: it is compiled
        js_on_load=(HERE / "canvas.js").read_text("utf-8"),
        apply_default_css=False,
        elem_id="canvas",
        side=SIDE,
        paper=code(paints[0][0]),
        paints=[{"name": name, "colour": code(colour)} for colour, name in paints],
    )


def code(colour: tuple[int, int, int]) -> str:
    """A colour as a browser writes it."""
    red, green, blue = colour
    return f"#{red:02x}{green:02x}{blue:02x}"


def drawn(value: Any, side: Side) -> bytes | None:
    """The file of what was drawn, of classes as their numbers; None where nothing is there.

    Raises DataError for what the canvas does not make.
    """
    if value in ("", None):
        return None
    if not isinstance(value, str) or not value.startswith(START) or len(value) > LARGEST:
        raise DataError(FORGED)
    try:
        data = base64.b64decode(value.removeprefix(START), validate=True)
    except ValueError:
        raise DataError(FORGED) from None
    header = images.header(data)
    if (header.format, header.width, header.height) != ("PNG", SIDE, SIDE):
        raise DataError(FORGED)
    picture = images.read(data)
    if side.legend is None:
        return images.encode(images.match_channels(picture.visible, 1 if side.channels == 1 else 3), "PNG")
    ids = side.legend.read(picture)
    return images.encode(ids.array, "PNG", palette=ids.palette)
