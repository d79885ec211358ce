"""The command line: thin, one function for each command; nothing imports it.

Exit codes: 0 all went well; 1 some pictures failed and the others were done; 2 a fault in the input, named on standard
error; 128 + n stopped by signal n.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

import typer

from diptych.errors import DiptychError, printable_lines
from diptych.runtime.threads import wait_briefly

OUT_OF_MEMORY = re.compile("out of memory|not enough memory|can't allocate memory", re.IGNORECASE)
"""What torch's own errors say, of graphics cards and of processors."""


def main() -> None:
    """Run the command line; a fault is one message and an exit code, never a traceback."""
    write_anything()
    wait_briefly()
    from diptych.cli import data, doctor, export, models, provenance, serve, train, translate

    app = typer.Typer(
        help="Turn pictures of one kind into pictures of another.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for commands in (train, translate, export, serve, provenance, models, data, doctor):
        commands.register(app)
    try:
        with printing():
            app()
    except DiptychError as error:
        fail(str(error))
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or OUT_OF_MEMORY.search(str(error))):
            raise
        reason = str(error).splitlines()[0] if str(error) else "no more to be had"
        fail(f"out of memory ({reason}): try smaller pictures, a smaller batch or narrower networks")


@contextmanager
def printing() -> Iterator[None]:
    """Where what is printed cannot be written, on a full disk or to a program that has left, that is all there is."""
    try:
        try:
            yield
        finally:
            if sys.stdout:  # there is none where it was closed from the start
                sys.stdout.flush()
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EPIPE, errno.EIO, errno.EBADF):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail(f"what is printed could not be written: {error.strerror}")


def write_anything() -> None:
    """A console that lacks a sign, of code page 1252 or plain ASCII, is given its number instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def fail(message: str, *, code: int = 2) -> None:
    """Print what is wrong and leave; further lines are set in, so that none passes for a message of its own."""
    print(f"diptych: {printable_lines(message)}".replace("\n", "\n  "), file=sys.stderr)
    sys.exit(code)
