"""A picture and itself: single photos are enough, as for an autoencoder."""

from __future__ import annotations

from diptych.tasks.pairs import Pairs


class Itself(Pairs):
    """Each photo is source and target; pairs, where a folder has them, are taken as they are."""

    alone = True


TASK = Itself
