"""One file per kind of what goes with an image. Maps have a value for each pixel, and are found by their file's name.

A method or a task asks for one by an annotation, as in `mask: Mask = None`. In training they lie in a folder beside the
other two (`data.maps`), and in use they are a control. Whatever its kind, a map is cropped, mirrored, resized and cut
into tiles with its picture.
"""

from __future__ import annotations

from diptych.kinds.kind import MapKind
from diptych.options import plugins

__all__ = ["MapKind", "find", "names"]


def names() -> list[str]:
    """The built-in kinds of maps, by name."""
    return plugins.names(__file__, besides={"kind", "text"})


def find(name: str) -> MapKind:
    """The kind in `diptych.kinds.<name>`. Raises ConfigError when there is none."""
    return plugins.load_object("kind of map", name, __name__, names(), "KIND")
