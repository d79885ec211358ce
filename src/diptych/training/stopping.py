"""A training ends between two steps, its state saved, when it is asked to; a console that is gone asks for nothing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TextIO

NUMBERS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""From the keyboard, from the system, and from a terminal that is closed."""


class Stopped(Exception):
    """The run was asked to stop by a signal; its state is saved."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def heeding(note: Callable[[int], None]) -> Iterator[None]:
    """Let `note` hear of the first signal of each kind; the second ends the process.

    What is ignored already stays so: `nohup diptych train` outlives its terminal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        note(number)
        signal.signal(number, before[number])

    before: dict[int, Any] = {number: signal.getsignal(number) for number in NUMBERS}
    heeded = [number for number, handler in before.items() if number == signal.SIGINT or handler != signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, before[number])


class Lasting:
    """A console's stream that may go away, with its terminal or with the program that read it: then nothing is said."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # a closed pipe, a terminal that is gone; a closed file
            return self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
