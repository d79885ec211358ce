"""A method as a graph of the operations of one translation, of pictures of any size."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from diptych.errors import ModelError, need
from diptych.export.draws import Draws
from diptych.methods.method import Method


class Graph(nn.Module):
    """`translate` with fixed controls: a picture and what is drawn for it, in; its translation, out."""

    def __init__(self, method: Method, controls: Mapping[str, Any]) -> None:
        super().__init__()
        self.method, self.controls = method, dict(controls)

    def forward(self, x: Tensor, drawn: list[Tensor]) -> Tensor:
        with Draws(drawn):
            return self.method.translate(x, **self.controls)


def draws_of(translate: Callable[..., Tensor], x: Tensor, controls: Mapping[str, Any]) -> list[Tensor]:
    """What is drawn by chance for a picture like `x`, which may be of torch's meta device."""
    with Draws() as draws, torch.no_grad():
        translate(x, **controls)
    return draws.drawn


def trace(method: Method, controls: Mapping[str, Any], sizes: Sequence[tuple[int, int]], channels: int) -> Any:
    """The ONNX model of `translate`, one picture at a time. sizes: two heights and widths that differ.

    Raises ModelError that says why a method cannot be exported.
    """
    need("onnxscript", extra="export")
    pictures = [torch.rand(1, channels, *size) * 2 - 1 for size in sizes]
    drawn = [draws_of(method.translate, x, controls) for x in pictures]
    free = torch.export.Dim.AUTO
    moving = [
        {place: free for place, (one, other) in enumerate(zip(a.shape, b.shape, strict=True)) if one != other}
        for a, b in zip(*drawn, strict=True)
    ]
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                Graph(method, controls).eval(), (pictures[0], drawn[0]), dynamo=True, verbose=False,
                dynamic_shapes={"x": {2: free, 3: free}, "drawn": moving}, input_names=["picture"],
                output_names=["translation"],
            )  # fmt: skip
    except Exception as error:  # of many kinds, torch's own among them
        words = str(error.__cause__ or error).strip().splitlines()
        message = next((line for line in words if line.strip()), type(error).__name__)
        raise ModelError(f"the method's translate is no graph that torch can write down: {message}") from None
    assert program is not None
    return program.model_proto


@contextmanager
def quiet() -> Iterator[None]:
    """The exporter speaks of libraries that it does without."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
