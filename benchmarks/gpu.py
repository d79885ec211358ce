"""What is to be known of a graphics card, in one run of at most 8 minutes: right, never waiting, fast, how large.

    python benchmarks/gpu.py [--device cuda] [--out gpu.json]
    python benchmarks/gpu.py --device cpu --tiny          the same script in seconds, as the tests run it

1. Of every method by name, one training step and one translation on the device against the processor, in float32
   without TF32 and with the same random draws: losses within 1 % and 0.001, translations in [-1, 1] within 0.01.
2. No step waits for the device: torch's sync debug mode is set to error.
3. Images a second of a training step, by default and plain (float32, B C H W, unfused), and the peak of memory.
4. Seconds until recipes/published/street.yaml translates the built-in streets' held-out pairs with 14.5 dB.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from timing import machine, median, pictures
from torch import Tensor, nn

from diptych.data.samples import write_samples
from diptych.evaluation.command import open_for
from diptych.evaluation.evaluate import evaluate
from diptych.methods import find, names
from diptych.methods.method import Method
from diptych.model.translator import Translator
from diptych.nn.blocks import Dropout
from diptych.options.recipes import read_recipe
from diptych.runtime.device import choose_device
from diptych.runtime.memory import size
from diptych.runtime.speed import PLAIN, Speed
from diptych.testing import EveryDrawAlike
from diptych.training.run import train
from diptych.training.trainer import Trainer

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from small import SMALL

LOSSES, LOSSES_AT_ZERO, TRANSLATION = 0.01, 0.001, 0.01
"""Largest differences: of losses as a share and beside it, of values in [-1, 1]."""
TIMED = ("pix2pix", "cyclegan", "cut", "spade")
SCORE = 14.5
RECIPE = Path(__file__).parents[1] / "recipes" / "published" / "street.yaml"


class Card:
    """The device, and the sizes to try it with."""

    def __init__(self, device: torch.device, *, tiny: bool) -> None:
        self.device, self.tiny = device, tiny
        self.side, self.batch = (32, 2) if tiny else (256, 8)

    def build(self, name: str) -> Method:
        torch.manual_seed(0)
        return find(name)(**self.options(name))

    def options(self, name: str) -> dict[str, Any]:
        return SMALL.get(name, {}) if self.tiny else {}

    def pictures(self, name: str, batch: int) -> dict[str, Tensor]:
        torch.manual_seed(1)
        return pictures(find(name), self.options(name), batch, self.side)

    def ready(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    @contextmanager
    def never_waiting(self) -> Iterator[None]:
        """An error where the host waits for the device; only CUDA can tell."""
        if self.device.type != "cuda":
            yield
            return
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")


def moved(batch: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {name: x.to(device) for name, x in batch.items()}


def without_dropout(method: Method) -> Method:
    """Its masks are drawn in the kernel, by each device in its own way."""
    for module in method.modules():
        if isinstance(module, Dropout):
            module.p = 0.0
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return method


def agrees(card: Card, name: str) -> dict[str, Any]:
    """How far a step and a translation on the device are from the processor's."""
    method, batch = without_dropout(card.build(name)), card.pictures(name, 1 if not card.tiny else 2)
    losses: list[dict[str, float]] = []
    outputs: list[Tensor] = []
    for device in (torch.device("cpu"), card.device):
        own = copy.deepcopy(method)
        x = next(iter(moved(batch, device).values()))
        with EveryDrawAlike():
            with torch.inference_mode():
                outputs.append(own.to(device).eval().translate(x).float().cpu())
            trainer = Trainer(own, images=1000, speed=PLAIN, device=device)
            trainer.step(moved(batch, device))
        losses.append(trainer.losses())
    here, there = losses
    worst = max(abs(there[term] - value) / (LOSSES * abs(value) + LOSSES_AT_ZERO) for term, value in here.items())
    apart = float((outputs[0] - outputs[1]).abs().max())
    return {"losses": worst * LOSSES, "translation": apart, "ok": worst <= 1 and apart <= TRANSLATION}


def never_waits(card: Card, name: str) -> dict[str, Any]:
    """Whether steps run through without a wait for the device."""
    trainer = Trainer(card.build(name), images=1000, device=card.device)
    batch = moved(card.pictures(name, card.batch), card.device)
    trainer.step(batch)
    card.ready()
    with card.never_waiting():
        for _ in range(2):
            trainer.step(batch)
    return {"ok": True, "told": card.device.type == "cuda"}


def rate(card: Card, name: str) -> dict[str, Any]:
    """Images a second by default and plain, and the peak of the device's memory by default."""
    rates, peak = [], 0
    for speed in (PLAIN, Speed()):
        if card.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(card.device)
        trainer = Trainer(card.build(name), images=10**6, speed=speed, device=card.device)
        batch = moved(card.pictures(name, card.batch), card.device)

        def step(trainer: Trainer = trainer, batch: dict[str, Tensor] = batch) -> None:
            trainer.step(batch)
            card.ready()

        rates.append(card.batch / median(step, repeats=3 if card.tiny else 10))
        peak = torch.cuda.max_memory_allocated(card.device) if card.device.type == "cuda" else 0
    plain, fast = rates
    found = {"plain": plain, "default": fast, "ratio": fast / plain, "ok": True}
    return {**found, **({"memory": size(peak)} if peak else {})}


def until(card: Card) -> dict[str, Any]:
    """Seconds of a whole training, and its score on the test pairs."""
    with tempfile.TemporaryDirectory() as folder:
        pairs, out = Path(folder) / "street", Path(folder) / "run"
        write_samples("street", pairs, count=12 if card.tiny else 600, size=64 if card.tiny else 128)
        recipe = read_recipe(RECIPE)
        if card.tiny:
            recipe["method"] |= {**SMALL["pix2pix"], "generator": "unet_64"}
            recipe["data"] |= {"size": 64}
            recipe["train"] = {"images": 4, "batch": 2}
        recipe["data"] |= {"folder": str(pairs)}
        recipe["train"] |= {"device": str(card.device), "best": "last"}
        start = time.perf_counter()
        train(recipe, out)
        seconds = time.perf_counter() - start
        translator = Translator.load(out, device=str(card.device))
        score = evaluate(translator, open_for(translator, str(pairs)), "test", metrics=["psnr"]).metrics["psnr"][
            "value"
        ]
    return {"seconds": seconds, "psnr": score, "ok": card.tiny or score >= SCORE}


def attempt(check: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """What a check finds, or what stopped it: one that fails does not keep the others from being made."""
    try:
        return check(*given)
    except Exception as error:
        return {"ok": False, "fault": f"{type(error).__name__}: {(str(error) or '-').splitlines()[0]}"}


def report(title: str, found: dict[str, Any]) -> bool:
    words = {
        name: f"{value:.3g}" if isinstance(value, float) else value for name, value in found.items() if name != "ok"
    }
    said = ", ".join(f"{name} {value}" for name, value in words.items())
    print(f"{'ok  ' if found['ok'] else 'FAIL'} {title:24} {said}", flush=True)
    return bool(found["ok"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small networks and pictures: does the script run?")
    parser.add_argument("--out", type=Path, help="a JSON file with all figures")
    asked = parser.parse_args()
    card = Card(choose_device(asked.device), tiny=asked.tiny)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    print(f"{machine()}; on {torch.cuda.get_device_name(card.device) if card.device.type == 'cuda' else card.device}")
    found: dict[str, dict[str, Any]] = {}
    for name in names():
        found[f"{name}: agrees"] = attempt(agrees, card, name)
        found[f"{name}: never waits"] = attempt(never_waits, card, name)
        for check in ("agrees", "never waits"):
            report(f"{name}: {check}", found[f"{name}: {check}"])
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    for name in TIMED:
        report(title := f"{name}: rate", found.setdefault(title, attempt(rate, card, name)))
    report("time to a score", found.setdefault("time to a score", attempt(until, card)))
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=2))
    sys.exit(not all(one["ok"] for one in found.values()))


if __name__ == "__main__":
    main()
