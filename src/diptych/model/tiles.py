"""A large picture through a translator's networks in tiles: grown, cut, and put together again, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from diptych.images import Picture
from diptych.methods.method import Method
from diptych.model.preparing import finished, mirrored, prepare
from diptych.runtime.memory import Malloc, resident
from diptych.runtime.speed import Speed
from diptych.tiling import Network, in_tiles

if TYPE_CHECKING:
    from diptych.model.translator import Translator

KEPT_FOR_TILES = 5e8
"""Bytes that one tile may leave freed for the next."""


def translated_in_tiles(translator: Translator, picture: Picture, controls: Mapping[str, Any]) -> Picture:
    """A large picture, as `given` makes it, with controls as `checked` gives them; before the task finishes it."""
    height, width = picture.array.shape[:2]

    def region(top: int, bottom: int, left: int, right: int) -> Picture:
        maps = {name: one[top:bottom, left:right] for name, one in picture.maps.items()}
        return replace(picture, array=picture.array[top:bottom, left:right], maps=maps)

    bands = list(rows_of(translator, region, height, width, controls))
    statistics = "statistics of a sample" if translator.tiling.mode == "approximate" else "statistics of all of it"
    note = f"translated in tiles, with {statistics}"
    return replace(bands[0], array=np.concatenate([band.array for band in bands]), notes=(note,))


def rows_of(
    translator: Translator,
    region: Callable[[int, int, int, int], Picture],
    height: int,
    width: int,
    controls: Mapping[str, Any],
    *,
    progress: Callable[[float], None] = lambda share: None,
) -> Iterator[Picture]:
    """Translate a picture that is never there as a whole: rows of the result, from top to bottom, not finished.

    region: what it shows from top to bottom and from left to right, as `given` makes pictures. progress: hears of
    the share that is done.
    """
    source, target = translator.given_ends(controls.get("to"))
    controls = translator.of_method(controls)
    vertical, horizontal = (mirrored(size, translator.method.size_multiple) for size in (height, width))

    def window(top: int, bottom: int, left: int, right: int) -> Picture:
        rows, columns = vertical[top:bottom], horizontal[left:right]
        low, first = int(rows.min()), int(columns.min())
        seen = region(low, int(rows.max()) + 1, first, int(columns.max()) + 1)
        places = np.ix_(rows - low, columns - first)
        maps = {name: one[places] for name, one in seen.maps.items()}
        return replace(seen, array=seen.array[places], maps=maps)

    Malloc.hand_back(above=0)
    most = resident() + KEPT_FOR_TILES

    def network(method: Method, speed: Speed) -> Network:
        def tensors(shown: Picture) -> dict[str, Tensor]:
            x = prepare(shown, source)[None].to(translator.device)
            maps = {name: one.to(translator.device) for name, one in translator.maps_of([shown]).items()}
            return {"x": speed.layout(x).clone(), **maps}  # in memory of its own, which can be put away

        def translate(given: dict[str, Tensor]) -> Tensor:
            return method.translate(given.pop("x"), **{**controls, **given})  # held by nobody while it waits

        @contextmanager
        def within() -> Iterator[None]:
            Malloc.hand_back(above=most)
            with torch.inference_mode(), speed.precision(translator.device), speed.uncompiled():
                yield

        return Network(tensors, translate, within)

    done, above = 0, (len(vertical) - height) // 2
    beside = (len(horizontal) - width) // 2
    for band in in_tiles(
        window, network(translator.running, translator.speed), len(vertical), len(horizontal),
        step=translator.method.size_multiple, tiling=translator.tiling, progress=progress,
        reference=network(translator.method, replace(translator.speed, bf16=False)),
    ):  # fmt: skip
        rows = band[:, max(0, above - done) : above + height - done, beside : beside + width]
        done += band.shape[1]
        if rows.shape[1]:
            translator.refuse_unsound(rows[None])
            yield finished(rows, target)
