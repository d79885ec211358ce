"""One file per kind of what methods learn from: how it is read, and how it becomes a tensor and an image again.

A domain holds `images` or `labels`. What goes with an image is a map, with a value for each pixel, or `text`. Maps are
found by their file's name: a method or a task asks for one by an annotation, as in `mask: Masks | None = None`. In
training they lie in a folder beside the others (`data.maps`), and in use they are a control. A map of any kind is
cropped, mirrored, resized and cut into tiles with its image.
"""

from __future__ import annotations

from diptych.images.legend import Legend
from diptych.kinds.images import Images
from diptych.kinds.kind import MapKind
from diptych.kinds.labels import Labels
from diptych.options import plugins

__all__ = ["Images", "Labels", "MapKind", "find", "names", "of_domain"]


def of_domain(channels: int, dtype: str, low: float, high: float, legend: Legend | None) -> Images | Labels:
    """The kind of what a domain holds: label maps where it has a legend."""
    return Labels(legend) if legend else Images(channels, dtype, low, high)


def names() -> list[str]:
    """The built-in kinds of maps, by name."""
    return plugins.names(__file__, besides={"kind", "text", "images", "labels"})


def find(name: str) -> MapKind:
    """The kind in `diptych.kinds.<name>`. Raises ConfigError when there is none."""
    return plugins.load_object("kind of map", name, __name__, names(), "KIND")
