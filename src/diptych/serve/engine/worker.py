"""A worker is a process that turns files into translated files, so that no file can harm the server itself."""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from diptych import images, kinds
from diptych.errors import ConfigError, DataError, DiptychError, OutputError
from diptych.export.acceleration import open_translator
from diptych.images import Picture
from diptych.model import folder as model_folder
from diptych.model.card import Domain
from diptych.model.translator import Translator
from diptych.options import plugins
from diptych.options.controls import answer as answer_to
from diptych.provenance import Sealer
from diptych.runtime.threads import Threads
from diptych.serve.engine.messages import Message, packed, receive
from diptych.serve.engine.showing import viewed
from diptych.serve.engine.viewing import Order

WARM = 128
"""Pixels of each side of the picture that a model is tried on at the start."""
SMALL = Picture(np.zeros((8, 8, 3), np.uint8))

QUICK = 2**22
"""Pixels that are decoded within some tens of milliseconds."""

BEAT = 0.5
"""Seconds between two signs of life."""


@dataclass(frozen=True)
class Plan:
    """What a worker is to hold: models by name, each in a folder that nobody changes; and how it works.

    memory_mb: how much the weights of all models may take; those used longest ago are given up and loaded again when
    they are asked for. None: as much as they need. plugins: the server's, whose methods models may have.
    """

    models: Mapping[str, Path]
    acceleration: str = "plain"
    threads: int = 1
    limit_mp: float = images.LIMIT_MP
    memory_mb: float | None = None
    provenance: bool = True
    certificate: Path | None = None
    mark: bool = False
    plugins: tuple[str, ...] = field(default_factory=lambda: tuple(plugins.plugins))


@dataclass(frozen=True)
class Batch:
    """Picture files of one kind, to be translated alike by one model. Controls of kind picture are files as well."""

    model: str
    files: list[bytes]
    controls: Mapping[str, Any]
    format: str | None

    def packed(self) -> Message:
        """The batch as a message."""
        pictures = {name: value for name, value in self.controls.items() if isinstance(value, bytes)}
        values = {name: value for name, value in self.controls.items() if name not in pictures}
        said = {"model": self.model, "format": self.format, "values": values, "pictures": list(pictures)}
        return said, [*pictures.values(), *self.files]

    @classmethod
    def opened(cls, said: Mapping[str, Any], blobs: list[bytes]) -> Batch:
        """The batch in a message."""
        pictures = dict(zip(said["pictures"], blobs, strict=False))
        return cls(said["model"], blobs[len(pictures) :], {**said["values"], **pictures}, said["format"])


@dataclass(frozen=True)
class Done:
    """A translated file, and the seconds that its batch took."""

    data: bytes
    format: str
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """Why there is no translated file: what is to blame (picture, control, model, or ourselves), and a sentence."""

    blame: str
    message: str


Outcome = Done | Fault


class Models:
    """The translators of a worker: loaded when first asked for, the ones used longest ago given up for want of room."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.loaded: OrderedDict[str, tuple[Translator, Sealer | None]] = OrderedDict()

    def __getitem__(self, name: str) -> tuple[Translator, Sealer | None]:
        if name not in self.loaded:
            self.loaded[name] = self.load(name)
            while len(self.loaded) > 1 and self.megabytes() > (self.plan.memory_mb or float("inf")):
                self.loaded.popitem(last=False)
        self.loaded.move_to_end(name)
        return self.loaded[name]

    def load(self, name: str) -> tuple[Translator, Sealer | None]:
        plan = self.plan
        translator = open_translator(plan.models[name], plan.acceleration)
        if not plan.provenance:
            return translator, None
        sealer = Sealer(
            translator.card, translator.version, model=name, certificate_path=plan.certificate, mark=plan.mark
        )
        return translator, sealer

    def megabytes(self) -> float:
        weights = (p for translator, _ in self.loaded.values() for p in translator.method.state_dict().values())
        return sum(tensor.nbytes for tensor in weights) / 1e6

    def warm(self) -> dict[str, dict[str, float]]:
        """Load what there is room for, and translate a black picture with each, whose first one is always slow.

        What is known of a model before anybody has asked, by its name: `pace`, the seconds of the fastest of three,
        and `spread`, how far two of its answers to one picture are apart.
        """
        images.header(images.encode(SMALL.array, "PNG"))  # the first that is decoded is slow as well
        pace: dict[str, float] = {}
        spread: dict[str, float] = {}
        for name in self.plan.models:
            if self.plan.memory_mb and self.loaded and self.megabytes() >= self.plan.memory_mb:
                break
            translator, sealer = self[name]
            source, _ = translator.ends()
            black = Picture(np.zeros((WARM, WARM, 1 if source.legend else source.channels), source.dtype))
            trial, given = as_task_makes_it(translator, black), translator.checked({"to": None})
            with suppress(ConfigError):  # of a chain, a part that has to be told more
                for _ in range(3):
                    start = time.perf_counter()
                    (outcome,) = translated(translator, [trial], given)
                    if not isinstance(outcome, Fault):
                        pace[name] = min(pace.get(name, inf), time.perf_counter() - start)
            spread[name] = apart(translator, example_of(self.plan.models[name], source) or black)
            images.read(sealer.encode(SMALL, "PNG") if sealer else images.encode(SMALL.array, "PNG"))
        return {"pace": pace, "spread": spread}


def as_task_makes_it(translator: Translator, picture: Picture) -> Picture:
    """A picture to try a model on, or what its task makes of one in training where a user has to say more."""
    try:
        translator.given(picture, translator.checked({"to": None}))
    except ConfigError:
        prepared, _ = translator.task.pair({"source": picture, "target": picture}, np.random.default_rng(0))
        return replace(prepared, prepared=True)
    return picture


def example_of(folder: Path, source: Domain) -> Picture | None:
    """A small picture that came with the model, if one did."""
    for path in model_folder.examples(folder)[:1]:
        with suppress(DataError):
            header = images.header(path)
            if header.width * header.height <= QUICK // 4:
                return images.read(path, indices=source.legend is not None)
    return None


def apart(translator: Translator, picture: Picture) -> float:
    """How far two answers of a model to a picture are apart in the mean, as a share of the range of its values."""
    if not translator.answers:
        return 0.0
    source, target = translator.ends()
    try:
        seen = translator.opened(picture, source)
        given = translator.checked({"to": None})
        both = [translated(translator, [seen], answer_to(translator.controls, given, n))[0] for n in (1, 2)]
    except DiptychError:  # of the other domain: nothing is known
        return 1.0
    arrays = [outcome.array for outcome in both if isinstance(outcome, Picture)]
    if len(arrays) < 2:
        return 1.0
    one, other = arrays
    if target.legend:
        return float(np.mean(one != other))
    return float(np.abs(np.subtract(one, other, dtype=np.float64)).mean()) / (target.high - target.low)


class Line:
    """A worker's end of the connection, on which it also says that it lives, whatever else it does."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection, self.lock = connection, threading.Lock()
        threading.Thread(target=self.beat, daemon=True).start()

    def say(self, said: Mapping[str, Any], blobs: list[bytes] | None = None) -> None:
        """Raises OSError where the server is gone."""
        with self.lock:
            for piece in packed(said, blobs or []):
                self.connection.sendall(piece)

    def beat(self) -> None:
        with suppress(OSError):
            while True:
                self.say({"alive": True})
                time.sleep(BEAT)


def work(connection: socket.socket, plan: Plan) -> None:
    """Answer messages until the server closes the connection, or ends. Without models it only looks at headers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the server decides when to end
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threads = Threads(most=plan.threads)
    line, models = Line(connection), Models(plan)
    with suppress(EOFError, OSError):  # the server is gone
        try:
            plugins.use(plan.plugins)
            known = models.warm()
        except DiptychError as error:
            line.say({"fault": {"blame": "model", "message": str(error)}})
            return
        line.say({"ready": True, **known})
        with ThreadPoolExecutor(plan.threads) as pool, connection.makefile("rb") as messages:
            while True:
                said, blobs = receive(messages)
                threads.look()
                if "view" in said:
                    line.say(*viewed(blobs[0], Order.opened(said["view"]), plan.limit_mp))
                elif "look" in said:
                    line.say(looked(blobs[0], whole=said["look"] == "whole", limit_mp=plan.limit_mp))
                else:
                    line.say(*spoken(answer(models, Batch.opened(said, blobs), pool)))


def looked(file: bytes, *, whole: bool, limit_mp: float) -> dict[str, Any]:
    """What a picture's header says of it, as far as the server asks.

    whole: also decode a small one, and throw it away: a damaged file need not wait for its turn to be refused.
    """
    try:
        header = images.header(file)
        if whole and header.width * header.height <= QUICK:
            images.read(file, limit_mp=limit_mp)
    except DataError as error:
        return {"fault": {"blame": "picture", "message": str(error)}}
    names = ("width", "height", "channels", "dtype", "format", "alpha")
    return {"header": {name: value for name, value in header._asdict().items() if name in names}}


def spoken(outcomes: list[Outcome]) -> tuple[dict[str, Any], list[bytes]]:
    """Outcomes as a message."""
    blobs: list[bytes] = []
    said: list[dict[str, Any]] = []
    for one in outcomes:
        if isinstance(one, Fault):
            said.append({"fault": {"blame": one.blame, "message": one.message}})
        else:
            made = {"format": one.format, "notes": one.notes, "seconds": dict(one.seconds), "blob": len(blobs)}
            said.append(made)
            blobs.append(one.data)
    return {"outcomes": said}, blobs


def answer(models: Models, batch: Batch, pool: ThreadPoolExecutor) -> list[Outcome]:
    """One outcome for each file, in order; whatever happens, there is an answer."""
    try:
        translator, sealer = models[batch.model]
        return Translation(translator, sealer, batch, models.plan.limit_mp, pool).outcomes()
    except DiptychError as error:
        fault = Fault("control" if isinstance(error, ConfigError) else "model", str(error))
    except Exception as error:  # ours: the worker goes on, and the log has the rest
        logging.exception("a batch failed")
        fault = Fault("us", f"the translation failed ({type(error).__name__}): the server's log has more")
    return [fault] * len(batch.files)


class Translation:
    """One batch on its way: files become pictures, these are translated, and become files.

    Raises ConfigError for a wrong control.
    """

    def __init__(
        self, translator: Translator, sealer: Sealer | None, batch: Batch, limit_mp: float, pool: ThreadPoolExecutor
    ) -> None:
        self.translator, self.sealer, self.batch, self.limit_mp = translator, sealer, batch, limit_mp
        self.each: Callable[..., Iterator[Any]] = pool.map if len(batch.files) > 1 else map
        given = dict(batch.controls)
        maps = {name: given.pop(name) for name in translator.maps & given.keys()}
        self.source, self.target = translator.ends(given.get("to"))
        for name in translator.examples & given.keys():
            if given[name] is not None:
                given[name] = self.example(given[name], f"the {name} picture", indices=self.target.legend is not None)
        self.maps = {
            name: self.example(file, f"the {kinds.find(translator.controls[name].map).what}", indices=True)
            for name, file in maps.items()
            if file is not None
        }
        self.controls = translator.checked(given)
        self.seconds: dict[str, float] = {}

    def example(self, file: bytes, name: str, *, indices: bool) -> Picture:
        """A picture that is a control."""
        try:
            return images.read(file, limit_mp=self.limit_mp, indices=indices)
        except DataError as error:
            raise ConfigError(str(error).replace("the picture", name, 1)) from None

    def outcomes(self) -> list[Outcome]:
        with self.timed("decoding"):
            opened = list(self.each(self.opened, self.batch.files))
        readable = [number for number, picture in enumerate(opened) if isinstance(picture, Picture)]
        with self.timed("translating"):
            outputs = translated(self.translator, [opened[number] for number in readable], self.controls)
        with self.timed("encoding"):
            files = [self.batch.files[number] for number in readable]
            written = self.each(self.written, files, [opened[number] for number in readable], outputs)
            outcomes: list[Outcome] = opened
            for number, outcome in zip(readable, written, strict=True):
                outcomes[number] = outcome
        return outcomes

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start

    def opened(self, file: bytes) -> Picture | Fault:
        """The picture in a file."""
        try:
            picture = images.read(file, limit_mp=self.limit_mp, indices=self.source.legend is not None)
            if self.maps:
                picture = self.translator.with_maps(picture, self.maps)
            return self.translator.opened(picture, self.source)
        except ConfigError as error:
            return Fault("control", str(error))
        except DiptychError as error:
            return Fault("picture", str(error))

    def written(self, file: bytes, picture: Picture, output: Picture | Fault) -> Outcome:
        """The file of a translated picture, in the format asked for, or in one that has room for it."""
        if isinstance(output, Fault):
            return output
        format = self.batch.format or fitting(picture.format, output)
        try:
            if self.sealer:
                data = self.sealer.encode(output, format, self.batch.controls, source=file)
            else:
                data = images.encode(
                    output.array, format, alpha=output.alpha, palette=output.palette, metadata=output.metadata
                )
        except DataError as error:
            return Fault("control", f"format = {format}: {error}")
        notes = (*output.notes, *images.lost(format, output))
        notes = notes if self.sealer is None else (*notes, *self.sealer.notes(output, format))
        if not self.batch.format and format != output.format:
            notes = (*notes, f"written as {format}: {output.format} cannot hold it")
        return Done(data, format, notes, self.seconds)


def fitting(wanted: str, picture: Picture) -> str:
    """The format `wanted` where it has room for the picture, or else one that has."""
    channels, exact = picture.array.shape[2], picture.exact or picture.ids or picture.palette is not None
    formats = [wanted, "PNG", "TIFF"]
    room = {"alpha": picture.alpha is not None, "exact": exact}
    return next(f for f in formats if images.can_hold(images.SUFFIX_OF[f], picture.array.dtype, channels, **room))


def translated(translator: Translator, pictures: list[Picture], controls: Mapping[str, Any]) -> list[Picture | Fault]:
    """The results in order, a fault for each that there is none of."""
    return [one if isinstance(one, Picture) else untranslated(one) for one in translator.each(pictures, controls)]


def untranslated(error: Exception) -> Fault:
    blame = "model" if isinstance(error, OutputError) else "picture"
    return Fault(blame, f"the picture could not be translated: {error}")
