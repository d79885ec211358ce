"""The convolutions in an ONNX file, read as data: no runtime is needed, and nothing in the file is run.

The format is protobuf's (a tag, then a number or so many bytes); of the graph only what is asked for is looked at:
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from diptych.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

GRAPH = 7  # of a model
NODE, TENSOR = 1, 5  # of a graph
INPUT, OUTPUT, OPERATION = 1, 2, 4  # of a node
DIMENSION, KIND, NAME, RAW = 1, 2, 8, 9  # of a tensor
FLOAT = 1
WHOLE, EIGHT, COUNTED, FOUR = 0, 1, 2, 5  # how a field is stored


Field = tuple[int, Any]
"""A field's number, and a whole number or bytes."""


class Convolution(NamedTuple):
    """The weight `O I H W` of a convolution, and its bias where it has one."""

    weight: Tensor
    bias: Tensor | None


def convolutions(path: Path) -> dict[str, Convolution]:
    """The convolutions of an ONNX file by the name of what they give, in their order.

    Raises WeightsError for a file that is none, or whose tensors are no plain float32.
    """
    try:
        model = list(_fields(memoryview(path.read_bytes())))
        graph = next(value for field, value in model if field == GRAPH)
        parts = list(_fields(graph))
        tensors = dict(_tensor(value) for field, value in parts if field == TENSOR)
        nodes = [list(_fields(value)) for field, value in parts if field == NODE]
        return {
            _words(node, OUTPUT)[0]: _convolution([tensors[name] for name in _words(node, INPUT)[1:]])
            for node in nodes
            if _words(node, OPERATION) == ["Conv"]
        }
    except (StopIteration, IndexError, KeyError, TypeError, ValueError) as fault:
        raise WeightsError(f"{path} is no ONNX file with plain float32 weights ({fault!r}); take another") from None


def _convolution(tensors: list[Tensor | None]) -> Convolution:
    weight, *bias = tensors
    if weight is None or any(one is None for one in bias):
        raise ValueError("a weight is not plain float32")
    return Convolution(weight, bias[0] if bias else None)


def _tensor(data: memoryview) -> tuple[str, Tensor | None]:
    """The name of a tensor and, where it is of float32 in bytes, the tensor."""
    import torch

    fields = list(_fields(data))
    (name,) = _words(fields, NAME)
    raw = [value for field, value in fields if field == RAW]
    if (KIND, FLOAT) not in fields or not raw:
        return name, None
    shape = [int(value) for field, value in fields if field == DIMENSION]
    return name, torch.from_numpy(np.frombuffer(raw[0], "<f4").astype(np.float32).reshape(shape))


def _words(fields: list[Field], wanted: int) -> list[str]:
    return [bytes(value).decode() for field, value in fields if field == wanted]


def _fields(data: memoryview) -> Iterator[Field]:
    """The fields of a message with their numbers: a whole number, or the bytes of anything longer."""
    place = 0
    while place < len(data):
        tag, place = _number(data, place)
        if tag & 7 == WHOLE:
            value, place = _number(data, place)
            yield tag >> 3, value
            continue
        if tag & 7 == COUNTED:
            size, place = _number(data, place)
        else:
            size = {EIGHT: 8, FOUR: 4}[tag & 7]
        if place + size > len(data):
            raise ValueError("it ends too early")
        yield tag >> 3, data[place : place + size]
        place += size


def _number(data: memoryview, place: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        value |= (data[place] & 127) << shift
        place += 1
        if data[place - 1] < 128:
            return value, place
    raise ValueError("a number has no end")
