"""Messages between the server and a worker: a JSON header, and bytes behind it, over a pair of sockets.

Nothing is unpickled at either end: a file that took a worker over could make it say wrong things, and no more.
"""

from __future__ import annotations

import json
import struct
from asyncio import StreamReader
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

LENGTH = struct.Struct("!I")
LONGEST = 2**24
"""Bytes that a header may have."""
LARGEST = 2**32
"""Bytes that may come behind one."""

Message = tuple[dict[str, Any], list[bytes]]


def packed(message: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> list[bytes]:
    """A message as it is sent, in pieces."""
    header = json.dumps({**message, "blobs": [len(blob) for blob in blobs]}).encode()
    return [LENGTH.pack(len(header)) + header, *blobs]


def receive(file: BinaryIO) -> Message:
    """Wait for the next message. Raises EOFError where the other end is gone, ValueError for one that is none."""
    (length,) = LENGTH.unpack(exactly(file, LENGTH.size))
    message, lengths = opened(exactly(file, length))
    return message, [exactly(file, length) for length in lengths]


async def received(reader: StreamReader) -> Message:
    """The same in an event loop. Raises EOFError or OSError, and ValueError."""
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    if length > LONGEST:
        raise ValueError("a header that is too long")
    message, lengths = opened(await reader.readexactly(length))
    return message, [await reader.readexactly(length) for length in lengths]


def opened(header: bytes) -> tuple[dict[str, Any], list[int]]:
    """What a header says, and the lengths of what comes behind it. Raises ValueError."""
    message = json.loads(header)
    lengths = message.pop("blobs") if isinstance(message, dict) and "blobs" in message else None
    if not isinstance(lengths, list) or not all(type(n) is int and n >= 0 for n in lengths) or sum(lengths) > LARGEST:
        raise ValueError("a header that is none")
    return message, lengths


def exactly(file: BinaryIO, length: int) -> bytes:
    if len(data := file.read(length)) < length:
        raise EOFError
    return data
