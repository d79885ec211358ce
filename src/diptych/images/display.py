"""A picture before somebody's eyes: in a notebook, in a window, or where to find it."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

from PIL import Image, ImageShow

from diptych.errors import ConfigError
from diptych.images.picture import Picture
from diptych.images.showing import grid
from diptych.images.writing import can_hold, write


def display_image(picture: Picture) -> Path | None:
    """Show a picture: in the notebook, else in the desktop's viewer; with neither, save it, and print and return where.

    Raises ConfigError for anything but a Picture, StorageError when it has to be saved and cannot be.
    """
    if not isinstance(picture, Picture):
        raise ConfigError(f"{type(picture).__name__} is no Picture: load_image(path) and translators give one")
    if _in_notebook():
        sys.modules["IPython"].display.display(picture)
        return None
    seen = grid([[picture.array]], gap=0)
    if _has_desktop() and ImageShow.show(Image.fromarray(seen)):
        return None
    free = (path for n in itertools.count(1) if not (path := Path(f"picture-{n}.png")).exists())
    whole = can_hold(".png", str(picture.array.dtype), picture.array.shape[2])
    path = write(next(free), picture.array if whole else seen).resolve()
    print(path)
    return path


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def _has_desktop() -> bool:
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
