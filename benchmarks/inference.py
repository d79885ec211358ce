"""Translation at 256x256, per picture: each way of running against the plain one, in one run.

Plain: float32, eager, batch 1, pictures laid out B C H W. OpenVINO is measured where it is installed, on the same
generator, for the methods whose translation is no more than that.
Run:  python benchmarks/inference.py [METHOD] [OPTION=VALUE ...] [--batches 1 4] [--repeats 15]
      python benchmarks/inference.py pix2pix generator=resnet_9blocks norm=instance dropout=false
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from timing import machine, median, pictures, row
from torch import Tensor

from diptych.methods import find
from diptych.methods.method import directions, inputs
from diptych.model.card import Card, Domain, between
from diptych.model.translator import Translator
from diptych.options.recipes import assignments
from diptych.runtime.speed import PLAIN, Speed
from diptych.testing import channels_of

WAYS = {
    "channels_last": Speed(bf16=False),
    "channels_last bf16": Speed(bf16=True),
    "channels_last compile": Speed(bf16=False, compile=True),
    "channels_last bf16 compile": Speed(bf16=True, compile=True),
}
OPENVINO = ("pix2pix",)


def translator(name: str, options: dict[str, Any], speed: Speed) -> Translator:
    """A translator with random weights."""
    torch.manual_seed(0)
    method = find(name)
    channels = {one: options.get(f"{one}_channels", channels_of(method, one)) for one in inputs(method)}
    domains = {one: Domain(name=one, channels=count) for one, count in channels.items()}
    card = Card(method=name, options=options, **between(domains, directions(method)))
    return Translator(method(**options), card, speed=speed, device="cpu")


def openvino(generator: torch.nn.Module, picture: Tensor, precision: str) -> Callable[[], object]:
    """A generator in OpenVINO."""
    import openvino

    model = openvino.convert_model(generator, example_input=picture, input=list(picture.shape))
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    return lambda: compiled(picture.numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", nargs="?", default="pix2pix")
    parser.add_argument("options", nargs="*")
    parser.add_argument("--batches", type=int, nargs="+", default=[1])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    asked = parser.parse_args()
    options = assignments(asked.options)
    name = " ".join([asked.method, *asked.options])
    some = {batch: next(iter(pictures(find(asked.method), options, batch).values())) for batch in {1, *asked.batches}}
    print(machine())
    run = translator(asked.method, options, PLAIN)
    plain = median(lambda: run.batch(some[1]), repeats=asked.repeats)
    print(row(f"{name}, plain, batch 1", plain, plain), flush=True)
    for way in asked.ways:
        fast = translator(asked.method, options, WAYS[way])
        for batch in asked.batches:
            seconds = median(lambda fast=fast, batch=batch: fast.batch(some[batch]), repeats=asked.repeats) / batch
            print(row(f"batch {batch}, {way}", seconds, plain), flush=True)
    for precision in ("f32", "bf16") if asked.method in OPENVINO and find_spec("openvino") else ():
        seconds = median(openvino(run.method.get_submodule("g"), some[1], precision), repeats=asked.repeats)
        print(row(f"batch 1, OpenVINO {precision}", seconds, plain), flush=True)


if __name__ == "__main__":
    main()
