"""One translation at 256x256 and batch 1 by each way of running, against the plain one, in one run.

Plain: float32, eager, pictures laid out B C H W. OpenVINO is measured where it is installed, on the same network.
Run:  python benchmarks/inference.py [--generators unet_256 resnet_9blocks] [--repeats 15]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.util import find_spec

import torch
from timing import NORM, machine, median, row

from diptych.card import Card, Side
from diptych.methods import find
from diptych.speed import PLAIN, Speed
from diptych.translator import Translator

WAYS = {
    "channels_last": Speed(bf16=False),
    "channels_last bf16": Speed(),
    "channels_last compile": Speed(bf16=False, compile=True),
    "channels_last bf16 compile": Speed(compile=True),
}
PICTURE = torch.rand(1, 3, 256, 256) * 2 - 1


def translator(generator: str, speed: Speed) -> Translator:
    """A translator with random weights."""
    torch.manual_seed(0)
    side = Side(name="picture", channels=3)
    options = {"generator": generator, **NORM[generator.partition("_")[0]]}
    card = Card(method="pix2pix", options=options, source=side, target=side)
    return Translator(find("pix2pix")(**options), card, speed=speed, device="cpu")


def openvino(generator: str, precision: str) -> Callable[[], object]:
    """The same network in OpenVINO, with random weights."""
    import openvino

    method = translator(generator, PLAIN).method
    model = openvino.convert_model(method.g, example_input=PICTURE, input=[1, 3, 256, 256])
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    return lambda: compiled(PICTURE.numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generators", nargs="+", default=["unet_256", "resnet_9blocks"])
    parser.add_argument("--repeats", type=int, default=15)
    asked = parser.parse_args()
    print(machine())
    for generator in asked.generators:
        run = translator(generator, PLAIN)
        plain = median(lambda run=run: run.batch(PICTURE), repeats=asked.repeats)
        print(row(f"{generator}, plain", plain, plain), flush=True)
        for name, speed in WAYS.items():
            run = translator(generator, speed)
            seconds = median(lambda run=run: run.batch(PICTURE), repeats=asked.repeats)
            print(row(f"{generator}, {name}", seconds, plain), flush=True)
        for precision in ("f32", "bf16") if find_spec("openvino") else ():
            seconds = median(openvino(generator, precision), repeats=asked.repeats)
            print(row(f"{generator}, OpenVINO {precision}", seconds, plain), flush=True)


if __name__ == "__main__":
    main()
