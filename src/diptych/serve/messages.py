"""Messages between the server and a worker: pickled, each behind its length, over a pair of sockets.

Both ends trust each other: the server starts its workers itself, and nobody else has these sockets.
"""

from __future__ import annotations

import pickle
import struct
from asyncio import StreamReader
from typing import Any, BinaryIO

LENGTH = struct.Struct("!Q")


def packed(message: object) -> bytes:
    """A message as it is sent."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(data)) + data


def receive(file: BinaryIO) -> Any:
    """Wait for the next message. Raises EOFError where the other end is gone."""
    if len(head := file.read(LENGTH.size)) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(head)
    return pickle.loads(file.read(length))


async def received(reader: StreamReader) -> Any:
    """The same in an event loop. Raises EOFError or OSError."""
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    return pickle.loads(await reader.readexactly(length))
