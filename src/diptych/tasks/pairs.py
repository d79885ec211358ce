"""Given pairs: both pictures are in the data, and a user's picture is the source as it is."""

from __future__ import annotations

from dataclasses import replace

from diptych import images
from diptych.images import Picture


class Pairs:
    """The source is given, the target is given; a translation keeps the alpha and the file format of its source."""

    alone = False

    def pair(self, a: Picture, b: Picture) -> tuple[Picture, Picture]:
        return a, b

    def source(self, image: Picture) -> Picture:
        return image

    def finish(self, output: Picture, image: Picture) -> Picture:
        alpha = None
        if image.alpha is not None and not output.ids:  # a map of ids has none
            alpha = images.convert(image.alpha, output.array.dtype)
        return replace(output, alpha=alpha, format=image.format, notes=(*image.notes, *output.notes))


TASK = Pairs()
