"""The command line: thin, one function for each command; nothing imports it.

Exit codes: 0 all went well; 1 some pictures failed and the others were done; 2 a fault in the input, named on standard
error; 3, of `verify` alone, a signer whom nobody vouches for; 128 + n stopped by signal n.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.main import get_command

from diptych import __version__
from diptych.errors import DiptychError, printable_lines
from diptych.options.plugins import use
from diptych.runtime.threads import wait_briefly

OUT_OF_MEMORY = re.compile("out of memory|not enough memory|can't allocate memory", re.IGNORECASE)
"""What torch's own errors say, of graphics cards and of processors."""


def main() -> None:
    """Run the command line; a fault is one message and an exit code, never a traceback."""
    write_anything()
    warnings.formatwarning = lambda message, *_, **__: f"{printable_lines(str(message))}\n"  # of no line in the code
    wait_briefly()
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # what MPS lacks the processor does, and torch says so
    from diptych.cli import (
        chain,
        compare,
        data,
        doctor,
        evaluate,
        export,
        models,
        provenance,
        ready,
        recommend,
        serve,
        stylize,
        train,
        translate,
    )

    app = typer.Typer(
        help="Turn pictures of one kind into pictures of another.",
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback(invoke_without_command=True)(begin)
    for commands in (
        train,
        translate,
        stylize,
        chain,
        evaluate,
        compare,
        export,
        serve,
        provenance,
        models,
        ready,
        data,
        recommend,
        doctor,
    ):
        commands.register(app)
    command = get_command(app)
    take_plugins(command)
    try:
        with printing():
            command(prog_name="diptych")
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


def begin(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Turn pictures of one kind into pictures of another."""
    if version:
        print(f"diptych {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def only_plugins(
    plugin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE", is_eager=True, callback=lambda modules: use(modules or []),
            help="Module of your own with methods or tasks, as my_lab: it is imported. May be given again.",
        ),
    ] = None,
) -> None: ...  # fmt: skip


def take_plugins(command: Any) -> None:
    """Give every command the option --plugin, which is done before anything else."""
    for inner in getattr(command, "commands", {}).values():
        take_plugins(inner)
    if not hasattr(command, "commands"):
        app = typer.Typer(add_completion=False)
        app.command()(only_plugins)
        (option,) = (one for one in get_command(app).params if one.name == "plugin")
        option.expose_value = False
        command.params.append(option)


def write_anything() -> None:
    """A console that lacks a sign, of code page 1252 or plain ASCII, is given its number instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def fail(message: str, *, code: int = 2) -> None:
    """Print what is wrong and leave; further lines are set in, so that none passes for a message of its own."""
    print(f"diptych: {printable_lines(message)}".replace("\n", "\n  "), file=sys.stderr)
    sys.exit(code)
