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
from diptych.images.values import Span
from diptych.kinds import text
from diptych.tasks import Task

if TYPE_CHECKING:
    import torch

Decode = Callable[[Item], tuple[Picture, ...]]  # the sides of a pair, or one picture
STREAM_OF_PAIRS, STREAM_OF_DOMAINS = 0, 1
"""Whose chance it is, one further for each further domain. All are drawn from one seed, and none is like another."""


class InfiniteSampler:
    """Items dealt without end, shuffled anew each time around: `sampler[k]` is the k-th, for any k >= 0.

    Round k // n goes through all n items in the order drawn from (seed, stream, round); the crop and the mirroring of
    draw k, one for all sides of its item, are drawn from (seed, stream, k). Nothing else has a say: not the rank, the
    worker, the batch or where training began.
    """

    def __init__(
        self,
        items: Sequence[Item],
        decode: Decode,
        augment: Augment,
        seed: int,
        cache: Cache | None = None,
        stream: int = STREAM_OF_PAIRS,
    ) -> None:
        self.items, self.decode, self.augment, self.cache = items, decode, augment, cache
        self.order, self.chance = [seed, 2 * stream], [seed, 2 * stream + 1]
        self._round, self._shuffled = -1, np.empty(0, int)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, k: int) -> tuple[np.ndarray, ...]:
        """Each side of an item, `H W C` in the file's own dtype."""
        return self.draw(k)[0]

    def draw(self, k: int) -> tuple[tuple[np.ndarray, ...], np.random.Generator]:
        """Each side of the k-th item, and what more is to be drawn for it by chance."""
        sides, rng = self._prepared(self.items[self.index(k)]), np.random.default_rng([*self.chance, k])
        draw = self.augment.draw(rng, *sides[0].shape[:2])
        return tuple(self.augment.apply(side, draw) for side in sides), rng

    def beside(self, k: int) -> dict[str, Any]:
        """What goes with the k-th item and is no image: its text, where it has one."""
        item = self.items[self.index(k)]
        return {"text": item.text} if item.text else {}

    def index(self, k: int) -> int:
        """Which item is the k-th."""
        now, i = divmod(k, len(self.items))
        if now != self._round:
            rng = np.random.default_rng([*self.order, now])
            self._round, self._shuffled = now, rng.permutation(len(self.items))
        return int(self._shuffled[i])

    def _prepared(self, item: Item) -> tuple[np.ndarray, ...]:
        cached = self.cache.get(item.name) if self.cache else None
        if cached is not None:
            return cached
        return tuple(self.augment.prepare(picture) for picture in self.decode(item))


class PairedData:
    """Training pairs by the number of the image in the whole training: `data[k]` for any k >= 0, never out of range.

    task: makes each pair from what the sampler deals. ids: whether source and target are label maps. maps: what goes
    with each pair. spans: what is black and white in source and target.
    """

    def __init__(
        self,
        pairs: InfiniteSampler,
        task: Task,
        ids: tuple[bool, bool] = (False, False),
        maps: tuple[str, ...] = (),
        spans: tuple[Span, ...] = (),
    ) -> None:
        self.pairs, self.task = pairs, task
        self.spans = dict(zip(("source", "target"), spans, strict=False))
        self.ids = {"source": ids[0], "target": ids[1], **dict.fromkeys(maps, True)}

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, k: int) -> dict[str, Any]:
        """`{"source": H W C, "target": H W C}`, their maps, cropped and mirrored alike, and the text."""
        arrays, rng = self.pairs.draw(k)
        named = zip(self.ids.items(), arrays, strict=True)
        sample = {name: Picture(array, ids=ids, span=self.spans.get(name)) for (name, ids), array in named}
        source, target = self.task.pair(sample, rng)
        maps = {name: picture.array for name, picture in sample.items()}
        return {**maps, "source": source.array, "target": target.array, **self.pairs.beside(k)}


class UnpairedData:
    """Training pictures of two domains, shuffled, cropped and mirrored each for itself; by the image's number as well.

    An epoch is that of the larger domain; of the smaller one, pictures come round more often.
    """

    def __init__(self, a: InfiniteSampler, b: InfiniteSampler) -> None:
        self.a, self.b = a, b

    def __len__(self) -> int:
        return max(len(self.a), len(self.b))

    def __getitem__(self, k: int) -> dict[str, np.ndarray]:
        """`{"a": H W C, "b": H W C}`; the channels may differ."""
        (a,), (b,) = self.a[k], self.b[k]
        return {"a": a, "b": b}


class MultiDomainData:
    """Training images of any number of domains, one of each in turn, shuffled each for itself.

    An epoch shows each image of the largest domain once.
    """

    def __init__(self, domains: Sequence[InfiniteSampler]) -> None:
        self.domains = domains

    def __len__(self) -> int:
        return max(map(len, self.domains)) * len(self.domains)

    def __getitem__(self, k: int) -> dict[str, Any]:
        """`{"image": H W C, "domain": which one}`, and the text."""
        number, domain = divmod(k, len(self.domains))
        (image,) = self.domains[domain][number]
        return {"image": image, "domain": np.array(domain), **self.domains[domain].beside(number)}


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
    dataset: PairedData | UnpairedData | MultiDomainData,
    *,
    batch: int,
    start: int = 0,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
) -> Iterator[dict[str, torch.Tensor]]:
    """Batches `{name: B H W C}` of what `dataset` has, in the files' dtype, from image `start` on, without end.

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


def collate(examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Stack the arrays of a batch, and its texts as tokens."""
    import torch

    columns = {name: [example[name] for example in examples] for name in examples[0]}
    return {
        name: text.tokens(values) if name == "text" else torch.from_numpy(np.stack(values))
        for name, values in columns.items()
    }


def _leave_interrupts_to_the_parent(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _with_short_errors(batches: Iterator[dict[str, torch.Tensor]]) -> Iterator[dict[str, torch.Tensor]]:
    """A worker's DataError arrives with its traceback as its text: only the last line is for the reader."""
    try:
        yield from batches
    except DataError as error:
        raise DataError(str(error).strip().splitlines()[-1].removeprefix("diptych.errors.DataError: ")) from None
