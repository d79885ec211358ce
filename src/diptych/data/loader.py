"""An endless stream of training batches, a function of (seed, images seen): stop anywhere, go on exactly there."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diptych.data.augment import Augment
from diptych.data.cache import Cache
from diptych.data.folders import Item
from diptych.errors import ConfigError, DataError
from diptych.images import Picture

if TYPE_CHECKING:
    import torch

Pair = tuple[Picture, Picture]
ORDER, AUGMENT = 0, 1  # two streams of chance from one seed


class PairedData:
    """Training pairs by the number of the image in the whole training: `data[k]` for any k >= 0, never out of range.

    Epoch k // n goes through all n pairs in the order drawn from (seed, epoch); the crop and the mirroring of image k
    are drawn from (seed, k). Nothing else has a say: not the rank, the worker, the batch or where training began.
    """

    def __init__(
        self,
        items: Sequence[Item],
        decode: Callable[[Item], Pair],
        augment: Augment,
        seed: int,
        cache: Cache | None = None,
    ) -> None:
        self.items, self.decode, self.augment, self.seed, self.cache = items, decode, augment, seed, cache
        self._epoch, self._order = -1, np.empty(0, int)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, k: int) -> dict[str, np.ndarray]:
        """`{"source": H W C, "target": H W C}` in the files' own dtype."""
        sides = self._prepared(self._index(k))
        rng = np.random.default_rng([self.seed, AUGMENT, k])
        draw = self.augment.draw(rng, *sides[0].shape[:2])
        source, target = (self.augment.apply(side, draw) for side in sides)
        return {"source": source, "target": target}

    def _index(self, k: int) -> int:
        epoch, i = divmod(k, len(self.items))
        if epoch != self._epoch:
            rng = np.random.default_rng([self.seed, ORDER, epoch])
            self._epoch, self._order = epoch, rng.permutation(len(self.items))
        return int(self._order[i])

    def _prepared(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        cached = self.cache.get(self.items[i].name) if self.cache else None
        if cached is not None:
            return cached
        source, target = self.decode(self.items[i])
        return self.augment.prepare(source.array), self.augment.prepare(target.array)


class Batches:
    """The numbers of the images of one rank's share of every global batch, from image `start` on, without end."""

    def __init__(self, batch: int, start: int, rank: int, world: int) -> None:
        if batch < 1 or batch % world:
            raise ConfigError(f"train.batch={batch} cannot be shared by {world} process(es): use a multiple of {world}")
        self.batch, self.share, self.first = batch, batch // world, start + rank * (batch // world)

    def __iter__(self) -> Iterator[list[int]]:
        first = self.first
        while True:
            yield list(range(first, first + self.share))
            first += self.batch


def loader(
    dataset: PairedData, *, batch: int, start: int = 0, rank: int = 0, world: int = 1, workers: int = 0
) -> Iterator[dict[str, torch.Tensor]]:
    """Batches `{"source": B H W C, "target": B H W C}` in the files' dtype, from image `start` on, without end.

    `batch` is that of all `world` processes together: each gets its share of it. `workers` are spawned processes.
    """
    from torch import Generator
    from torch.utils.data import DataLoader

    batches: Any = DataLoader(
        dataset,  # type: ignore[arg-type]  # it has the two methods that are used
        batch_sampler=Batches(batch, start, rank, world),  # endless: it has no len()
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=_leave_interrupts_to_the_parent,
        multiprocessing_context="spawn" if workers else None,
        prefetch_factor=4 if workers else None,
        generator=Generator(),  # else it draws from the global one, and loading changes the training
    )
    return _with_short_errors(iter(batches))


def collate(examples: list[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
    """Stack the pictures of a batch."""
    import torch

    return {name: torch.from_numpy(np.stack([example[name] for example in examples])) for name in examples[0]}


def _leave_interrupts_to_the_parent(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _with_short_errors(batches: Iterator[dict[str, torch.Tensor]]) -> Iterator[dict[str, torch.Tensor]]:
    """A worker's DataError arrives with its traceback as its text: only the last line is for the reader."""
    try:
        yield from batches
    except DataError as error:
        raise DataError(str(error).strip().splitlines()[-1].removeprefix("diptych.errors.DataError: ")) from None
