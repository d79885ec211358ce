"""A worker process as the server sees it."""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext
from typing import Any, Literal

from diptych.errors import ModelError
from diptych.images import MEDIA_TYPES, Header
from diptych.serve.engine.messages import Message, packed, received
from diptych.serve.engine.versions import Version
from diptych.serve.engine.viewing import Order, View
from diptych.serve.engine.worker import Batch, Done, Fault, Outcome, Plan, work

State = Literal["starting", "idle", "busy", "leaving", "lost"]

BUFFER = 2**22
"""Bytes of an answer that wait at most until they are read."""
QUIET = 3.0
"""Seconds without a sign of life after which a worker counts as one that does not respond."""


@dataclass(frozen=True)
class Known:
    """What a worker found out of its models as it began, by their names.

    pace: seconds for a small picture, `WARM` wide and high. spread: how far two answers to one picture are apart, 0
    where a model has but one.
    """

    pace: Mapping[str, float]
    spread: Mapping[str, float]


class WorkerLost(Exception):
    """The process has died, did not answer, or said what no worker says."""


@cache
def forkserver_context() -> ForkServerContext:
    """Where workers come from: a process that has everything imported and forks, so that a new one is there at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["diptych.serve.engine.worker"])
    return context


class Handle:
    """A worker process, which holds these versions of the models.

    begun: when its process was there. heard: when it last gave a sign of life. until: when it can be expected to be
    free. batch: what it works on.
    """

    def __init__(self, plan: Plan, held: Mapping[str, Version]) -> None:
        self.held = dict(held)
        self.state: State = "starting"
        self.begun = self.heard = self.until = time.monotonic()
        self.batch: Sequence[Any] = ()
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None
        self.listening: asyncio.Task[None] | None = None
        self.asked: deque[asyncio.Future[Message]] = deque()
        self.gone = self.closed = False
        self.ending = asyncio.Lock()
        self.ours, self.theirs = socket.socketpair()
        self.process = forkserver_context().Process(target=work, args=(self.theirs, plan), daemon=True)

    @property
    def responds(self) -> bool:
        """Whether it was heard of late."""
        return not self.gone and time.monotonic() - self.heard < QUIET

    async def start(self) -> Known:
        """Wait until the models are loaded; what was found out of each meanwhile. Raises ModelError, WorkerLost."""
        self.reader, self.writer = await asyncio.open_unix_connection(sock=self.ours, limit=BUFFER)
        try:
            await asyncio.to_thread(self.process.start)
        except (EOFError, OSError):  # no memory, or no room for a process
            raise WorkerLost from None
        finally:
            self.theirs.close()  # or the end of the process would not end the connection
        self.begun = self.heard = time.monotonic()
        ready = self.expect()
        self.listening = asyncio.create_task(self.listen())
        message, _ = await ready
        if "fault" in message:
            raise ModelError(self.read(lambda: str(message["fault"]["message"])))
        return self.read(lambda: Known(numbers(message["pace"]), numbers(message["spread"])))

    async def translate(self, batch: Batch) -> list[Outcome]:
        """The outcome of each file of a batch. Raises WorkerLost."""
        message, blobs = await self.ask(*batch.packed())
        outcomes = self.read(lambda: [outcome(one, blobs) for one in message["outcomes"]])
        if len(outcomes) != len(batch.files):
            self.kill()
            raise WorkerLost
        return outcomes

    async def look(self, file: bytes, *, whole: bool = False) -> Header | Fault:
        """The header of a picture file, which is decoded as well if `whole`. Raises WorkerLost."""
        message, _ = await self.ask({"look": "whole" if whole else "header"}, [file])
        return self.read(lambda: Fault(**message["fault"]) if "fault" in message else header(message["header"]))

    async def view(self, file: bytes, order: Order) -> View | Fault:
        """A picture file as a browser shows it. Raises WorkerLost."""
        message, blobs = await self.ask({"view": order.packed()}, [file])
        return self.read(
            lambda: Fault(**message["fault"]) if "fault" in message else view(message["view"], blobs, order)
        )

    async def ask(self, message: Mapping[str, Any], blobs: Sequence[bytes]) -> Message:
        """What the worker says to a message. Raises WorkerLost."""
        assert self.writer is not None  # it has started
        answer = self.expect()
        self.writer.writelines(packed(message, blobs))
        return await answer

    def expect(self) -> asyncio.Future[Message]:
        """The next answer that nobody waits for yet."""
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        if self.gone:
            answer.set_exception(WorkerLost())
        else:
            self.asked.append(answer)
        return answer

    async def listen(self) -> None:
        """Hear signs of life and answers, in the order in which they were asked for, until the worker is gone."""
        assert self.reader is not None, "it has not been started"
        try:
            while True:
                message, blobs = await received(self.reader)
                self.heard = time.monotonic()
                if "alive" in message:
                    continue
                answer = self.asked.popleft()
                if not answer.done():
                    answer.set_result((message, blobs))
        except (EOFError, OSError):
            pass
        except (ValueError, IndexError):  # no worker of ours says this
            self.kill()
        finally:
            self.gone = True
            for answer in self.asked:
                if not answer.done():
                    answer.set_exception(WorkerLost())
                    answer.exception()  # that nobody waits for it any more is no news
            self.asked.clear()

    def read(self, what: Any) -> Any:
        """What a message holds. Raises WorkerLost for one that no worker of ours sends, and kills this one."""
        try:
            return what()
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            self.kill()
            raise WorkerLost from None

    def kill(self) -> None:
        if not self.closed and self.process.pid is not None:
            self.process.kill()

    async def end(self, grace: float) -> None:
        """Let the process end by itself, as it does when the connection is closed, or kill it after `grace` seconds.

        Whoever asks for it while it ends waits for that, as the server that stops does while it still starts.
        """
        if self.listening:
            self.listening.cancel()
        (self.writer or self.ours).close()
        async with self.ending:
            if self.closed or self.process.pid is None:  # it never began
                return
            await asyncio.to_thread(self.process.join, grace)
            if self.process.is_alive():
                self.process.kill()
                await asyncio.to_thread(self.process.join)
            self.process.close()
            self.closed = True


def outcome(message: Mapping[str, Any], blobs: Sequence[bytes]) -> Outcome:
    """One file's outcome as a worker says it. Raises what dicts and lists raise where that is not what it should be."""
    if "fault" in message:
        return Fault(**message["fault"])
    seconds = {str(stage): float(took) for stage, took in message["seconds"].items()}
    MEDIA_TYPES[message["format"]]
    return Done(blobs[message["blob"]], message["format"], tuple(map(str, message["notes"])), seconds)


def header(message: Mapping[str, Any]) -> Header:
    found = Header(**message)
    if not (found.width > 0 and found.height > 0 and found.channels > 0 and isinstance(found.format, str)):
        raise ValueError(message)
    return found


def numbers(message: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(number) for name, number in message.items()}


def view(message: Mapping[str, Any], blobs: Sequence[bytes], order: Order) -> View:
    facts = {name: int(message[name]) for name in ("width", "height", "channels")} | {"dtype": str(message["dtype"])}
    return View(blobs[0], "png" if order.legend else order.form, facts)
