"""Diptych turns pictures of one kind into pictures of another.

`import diptych` is quick: its names are loaded on first use. Each method has a class of its name, such as `Pix2Pix`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from diptych.methods import names

if TYPE_CHECKING:
    from diptych.images import Picture as Picture
    from diptych.images import display_image as display_image
    from diptych.images import read as load_image  # noqa: F401
    from diptych.inference.stylize import stylize as stylize
    from diptych.model.translator import Translator as Translator

__version__ = "0.2.0"

NAMES = {
    "Translator": ("diptych.model.translator", "Translator"),
    "Picture": ("diptych.images", "Picture"),
    "load_image": ("diptych.images", "read"),
    "stylize": ("diptych.inference.stylize", "stylize"),
    "display_image": ("diptych.images", "display_image"),
}


def __getattr__(name: str) -> Any:
    if name in NAMES:
        module, attribute = NAMES[name]
        value = getattr(importlib.import_module(module), attribute)
    elif name.lower() in names():
        value = importlib.import_module("diptych.experiment").facade(name.lower())
    else:
        raise AttributeError(f"module 'diptych' has no attribute {name!r}")
    globals()[name] = value
    return value
