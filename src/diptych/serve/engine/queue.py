"""Requests that wait: in the order in which they came, those alike going together, and none that nobody waits for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from diptych import images
from diptych.serve.errors import ServeError

BATCH_PIXELS = 2**22
"""Pixels in a batch, beyond which nothing more joins it: a large picture goes alone."""


@dataclass(frozen=True)
class Answer:
    """A translated picture as the bytes of a file, and what making it took.

    seconds: queued, and of its batch decoding, translating, encoding. version: of the model that made it. came_as: the
    format of the picture that was translated.
    """

    data: bytes
    format: str
    version: str
    notes: tuple[str, ...]
    seconds: dict[str, float]
    came_as: str

    @property
    def media_type(self) -> str:
        return images.MEDIA_TYPES[self.format]


@dataclass(eq=False)
class Waiting:
    """A request that has no answer yet. deaths: of workers that had it; after one, it joins no others."""

    model: str
    file: bytes
    controls: Mapping[str, Any]
    format: str | None
    pixels: int
    kind: tuple[Any, ...]
    future: asyncio.Future[Answer]
    since: float
    came_as: str
    deaths: int = 0

    def refuse(self, error: ServeError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Queue:
    """Requests that wait for a worker. batch: how many go together at most."""

    def __init__(self, batch: int) -> None:
        self.batch, self.waiting = batch, deque[Waiting]()

    def __len__(self) -> int:
        return len(self.waiting)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(self.waiting)

    def add(self, request: Waiting) -> None:
        self.waiting.append(request)

    def put_back(self, request: Waiting) -> None:
        """Put a request before all others."""
        self.waiting.appendleft(request)

    def drop(self, request: Waiting) -> bool:
        """Take a request out that nobody waits for any more; whether it was there."""
        if request not in self.waiting:
            return False
        self.waiting.remove(request)
        return True

    def take(self) -> list[Waiting]:
        """The request that has waited longest, and those that can go with it."""
        batch: list[Waiting] = []
        for request in list(self.waiting):
            if request.future.done():  # its end is known, but this loop has not come to `drop` yet
                self.waiting.remove(request)
            elif len(batch) < self.batch and (not batch or alike(request, batch)):
                batch.append(request)
                self.waiting.remove(request)
        return batch


def alike(request: Waiting, batch: list[Waiting]) -> bool:
    """Whether a request can go with a batch."""
    small = (len(batch) + 1) * request.pixels <= BATCH_PIXELS
    return request.kind == batch[0].kind and small and not (request.deaths or batch[0].deaths)
