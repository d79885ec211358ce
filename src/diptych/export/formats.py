"""The files that other runtimes read: each holds a graph, its weights, and what Diptych says of it.

What a stranger made is read as data: weights elsewhere on the disk, operations that a library would have to bring,
and weights that were changed are refused before a runtime sees them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from diptych.errors import ConfigError, ModelError, need
from diptych.storage.files import storing, unfinished

Run = Callable[[list[np.ndarray]], np.ndarray]
"""Runs a graph: a picture `1 C H W` in [-1, 1] and the random numbers it needs, to a picture."""
KEY = "diptych"
LARGEST = 2**31 - 1
"""Bytes that one file of ONNX can hold."""


class Format(Protocol):
    """suffix: of its files. packages: whose versions a report states."""

    suffix: str
    packages: tuple[str, ...]

    def write(self, program: Any, info: str, place: Path) -> None:
        """Write an ONNX model with what is said of it."""

    def read(self, place: Path) -> tuple[str, Any]:
        """What is said of it, and the model, which is not run yet. Raises ModelError."""

    def start(self, model: Any, place: Path, threads: int, bf16: bool) -> Run:
        """The model that was read at `place`, ready to run. Raises ModelError where the runtime refuses it."""


class Onnx:
    suffix = ".onnx"
    packages: tuple[str, ...] = ("onnx", "onnxruntime")

    def write(self, program: Any, info: str, place: Path) -> None:
        program.metadata_props.add(key=KEY, value=info)
        program.metadata_props.add(key=f"{KEY}.sha256", value=digest(program))
        data = program.SerializeToString()
        with storing(place):
            new = unfinished(place)
            new.write_bytes(data)
            os.replace(new, place)

    def read(self, place: Path) -> tuple[str, Any]:
        onnx = need("onnx", extra="export")
        if place.stat().st_size > LARGEST:
            raise ModelError(f"{place} is larger than a file of ONNX can be")
        try:
            program = onnx.load_model_from_string(place.read_bytes())
        except Exception as error:  # protobuf's own, of a module that is not public
            raise ModelError(f"{place} is no ONNX file: {error}") from None
        said = {entry.key: entry.value for entry in program.metadata_props}
        if KEY not in said:
            raise ModelError(f"{place} was not made by diptych export: export the model folder")
        check_onnx(program, place)
        if said.get(f"{KEY}.sha256") != digest(program):
            raise ModelError(f"{place} was changed after it was made: export the model again")
        return said[KEY], program

    def start(self, model: Any, place: Path, threads: int, bf16: bool) -> Run:
        runtime = need("onnxruntime", extra="export")
        if bf16:
            raise ConfigError("ONNX Runtime has no bfloat16 on this processor: leave bf16 out, or export to openvino")
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        with refusing(place):
            session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = [one.name for one in session.get_inputs()]
        return lambda inputs: session.run(None, dict(zip(names, inputs, strict=True)))[0]


class OpenVino:
    suffix = ".xml"
    packages: tuple[str, ...] = ("openvino",)

    def write(self, program: Any, info: str, place: Path) -> None:
        openvino = need("openvino", extra="export")
        model = openvino_core().read_model(program.SerializeToString(), b"")
        new = unfinished(place).with_suffix(".xml")
        weights = new.with_suffix(".bin")
        try:
            with storing(place):
                openvino.save_model(model, new, compress_to_fp16=False)
                model.set_rt_info(info, [KEY, "info"])
                model.set_rt_info(hashlib.sha256(weights.read_bytes()).hexdigest(), [KEY, "sha256"])
                openvino.save_model(model, new, compress_to_fp16=False)
                os.replace(weights, place.with_suffix(".bin"))
                os.replace(new, place)
        finally:
            new.unlink(missing_ok=True)
            weights.unlink(missing_ok=True)

    def read(self, place: Path) -> tuple[str, Any]:
        weights = place.with_suffix(".bin")
        if not weights.is_file():
            raise ModelError(f"{place}: its weights, {weights.name}, are not beside it")
        try:
            model = openvino_core().read_model(place, weights)
        except RuntimeError as error:
            raise ModelError(f"{place} is no OpenVINO model: {str(error).strip().splitlines()[-1]}") from None
        if not model.has_rt_info([KEY, "info"]):
            raise ModelError(f"{place} was not made by diptych export: export the model folder")
        if model.get_rt_info([KEY, "sha256"]).astype(str) != hashlib.sha256(weights.read_bytes()).hexdigest():
            raise ModelError(f"{weights} was changed after it was made: export the model again")
        return model.get_rt_info([KEY, "info"]).astype(str), model

    def start(self, model: Any, place: Path, threads: int, bf16: bool) -> Run:
        core = openvino_core()
        options = {
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "SNIPPETS_MODE": "DISABLE",  # fused so, a munit with a style gives another picture at every second run
        }
        with refusing(place):
            compiled = core.compile_model(model, "CPU", options)
        return lambda inputs: np.array(compiled(inputs)[0])


FORMATS: dict[str, Format] = {"onnx": Onnx(), "openvino": OpenVino()}
"""By the name of the runtime."""


@cache
def openvino_core() -> Any:
    """OpenVINO's core, one for as long as the process lives.

    Each sets a signal stack and puts back, when it goes, the one that it found. Where the first of two goes first, that
    is the memory of one that is gone, and the next signal ends the process (2026.4).
    """
    return need("openvino", extra="export").Core()


@contextmanager
def refusing(place: Path) -> Iterator[None]:
    """Raises ModelError for what a runtime raises, which is of classes of its own."""
    try:
        yield
    except Exception as error:
        raise ModelError(f"{place}: its runtime refuses it: {str(error).strip().splitlines()[0]}") from None


def format_of(path: Path) -> Format | None:
    """The format of an exported file, by its ending; None of another."""
    return next((one for one in FORMATS.values() if path.suffix.lower() == one.suffix), None)


def check_onnx(program: Any, place: Path) -> None:
    """Raises ModelError for what a file could do beside computing."""
    from onnx import TensorProto

    for message in messages(program):
        kind = message.DESCRIPTOR.name
        if kind == "TensorProto" and (message.data_location == TensorProto.EXTERNAL or message.external_data):
            raise ModelError(f"{place}: its weights lie in another file, {message.external_data[:1]}: not opened")
        if kind == "NodeProto" and message.domain not in ("", "ai.onnx"):
            raise ModelError(f"{place}: it asks for {message.op_type} of {message.domain!r}, which is not ONNX")


def messages(message: Any) -> Iterator[Any]:
    """A protobuf message and all that it holds."""
    yield message
    for field, value in message.ListFields():
        if field.message_type:
            for one in value if hasattr(value, "__len__") else [value]:
                yield from messages(one)


def digest(program: Any) -> str:
    """SHA-256 of what a graph computes with."""
    found = hashlib.sha256()
    for node in program.graph.node:
        found.update(node.SerializeToString(deterministic=True))
    for weight in program.graph.initializer:
        found.update(weight.name.encode())
        found.update(weight.raw_data or weight.SerializeToString(deterministic=True))
    return found.hexdigest()
