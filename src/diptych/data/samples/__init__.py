"""Sample pictures drawn by the package: streets by day and by night, with exact ground truth; emoji; and paintings.

A scene is a list of flat parts (`scene`, filled by `layout`, `houses`, `things`, ...). One fine map of the frontmost
parts (`canvas`) gives labels, instances and edges, and with `textures` and `light` the pictures; all are registered
because all are look-ups in that map. The same seed gives the same bytes on every machine.
"""

from diptych.data.samples.emoji import write_emoji
from diptych.data.samples.paintings import painting, write_paintings
from diptych.data.samples.scene import CLASSES
from diptych.data.samples.street import Street, street
from diptych.data.samples.write import KINDS, SIDES, write_samples

__all__ = [
    "CLASSES",
    "KINDS",
    "SIDES",
    "Street",
    "painting",
    "street",
    "write_emoji",
    "write_paintings",
    "write_samples",
]
