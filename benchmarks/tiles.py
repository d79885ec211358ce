"""Large pictures in tiles: memory, time, and what they differ by: `python benchmarks/tiles.py KODAK [--large 8192]`.

ResNet-9 at full width with random weights that keep the variance, on a mosaic of photos that differ. Each measurement
has a process of its own, as memory is that of its peak.

`python benchmarks/tiles.py --methods FOLDER` draws sample streets there, trains every method on them for a little, and
compares tiles with the whole on mosaics of streets, with the trained weights and with random ones.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from diptych import images
from diptych.images import Picture
from diptych.inference.tiff import translate_large
from diptych.methods import find
from diptych.methods.cyclegan import CycleGAN
from diptych.methods.method import inputs
from diptych.methods.spade import SPADE
from diptych.model.card import Card, Domain
from diptych.model.translator import Translator
from diptych.runtime.speed import Speed
from diptych.tiling import Tiling


def resnet(*, bf16: bool) -> Translator:
    torch.manual_seed(0)
    method = CycleGAN()
    for module in method.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight)
    card = Card(method="cyclegan", options={}, source=Domain(name="a", channels=3), target=Domain(name="b", channels=3))
    speed = Speed(bf16=bf16)
    speed.start()
    return Translator(method, card, speed=speed, device="cpu")


def mosaic(paths: Iterable[Path], size: int) -> np.ndarray:
    """Photos side by side, in an order that is drawn anew until the square is full.

    Its parts differ in brightness, colour and texture, as those of a large picture do.
    """
    photos = [images.read(path).array for path in sorted(paths)]
    draw = random.Random(0)
    made = np.zeros((size, size, 3), np.uint8)
    step = min(512, min(len(photo) for photo in photos))
    for top in range(0, size, step):
        left = 0
        while left < size:
            part = draw.choice(photos)[:step, : size - left][: size - top]
            made[top : top + len(part), left : left + part.shape[1]] = part
            left += part.shape[1]
    return made


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def measure(photos: Path, size: int, mode: str, tile: int, halo: int, bf16: bool, save: str) -> dict[str, float]:
    """Seconds, and gigabytes above the loaded model, of one picture. The largest go from file to file."""
    translator = resnet(bf16=bf16)
    translator.tiling = replace(Tiling(), mode=mode, size=tile, halo=halo)
    translator(mosaic(photos.glob("*.png"), 64))
    if size > 4096:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                [sys.executable, __file__, str(photos), "--make", f"{folder}/a.tif", "--large", str(size)], check=True
            )
            before, start = peak(), time.perf_counter()
            translate_large(translator, Path(folder) / "a.tif", Path(folder) / "b.tif", translator.checked({}))
            return {"seconds": time.perf_counter() - start, "gigabytes": peak() - before}
    picture = Picture(mosaic(photos.glob("*.png"), size))
    before, start = peak(), time.perf_counter()
    result = translator(picture)
    found = {"seconds": time.perf_counter() - start, "gigabytes": peak() - before}
    if save:
        np.save(save, result.array)
    return found


def alone(
    photos: Path,
    size: int,
    mode: str,
    *,
    tile: int = Tiling.size,
    halo: int = Tiling.halo,
    bf16: bool = False,
    save: str = "",
) -> dict[str, float]:
    """`measure` in a process of its own."""
    given = json.dumps({"size": size, "mode": mode, "tile": tile, "halo": halo, "bf16": bf16, "save": save})
    done = subprocess.run(
        [sys.executable, __file__, str(photos), "--one", given], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def decibels(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.square(one.astype(float) - other).mean())))


def seam(one: np.ndarray, whole: np.ndarray, tile: int) -> float:
    """How steep the picture is where tiles meet, the same places of the whole being 1: more is a seam."""
    columns = [place for border in range(tile, one.shape[1], tile) for place in range(border - 17, border + 17)]
    steep = [np.abs(np.diff(each.astype(float), axis=1))[:, columns].mean() for each in (one, whole)]
    return float(steep[0] / steep[1])


def small(photos: Path) -> None:
    """Against the whole at 1024 and 2048 pixels a side."""
    print("| size | tiles | halo | arithmetic | dB against the whole | seam | time, whole = 1 |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for size, bf16 in ((1024, False), (1024, True), (2048, False)):
            places = [f"{folder}/{name}.npy" for name in ("whole", "tiled")]
            whole = alone(photos, size, "off", bf16=bf16, save=places[0])
            for mode, tile, halo in (("exact", 512, 32), ("approximate", 512, 32)):
                tiled = alone(photos, size, mode, tile=tile, halo=halo, bf16=bf16, save=places[1])
                one, other = (np.load(place) for place in places)
                ratio = tiled["seconds"] / whole["seconds"]
                figures = f"{decibels(one, other):.1f} | {seam(other, one, tile):.4f} | {ratio:.2f}"
                kind = "bfloat16" if bf16 else "float32"
                print(f"| {size} | {mode} {tile} | {halo} | {kind} | {figures} |", flush=True)


def large(photos: Path, size: int) -> None:
    """From file to file, against the time for a pixel of a whole picture of 1024."""
    print("\n| arithmetic | tiles | size | minutes | time for a pixel, 1024 whole = 1 | GB above the model |")
    print("|---|---|---|---|---|---|")
    for bf16, mode in ((False, "approximate"), (False, "exact"), (True, "exact")):
        whole = [alone(photos, 1024, "off", bf16=bf16)["seconds"] for _ in range(3)]
        tiled = alone(photos, size, mode, bf16=bf16)
        whole += [alone(photos, 1024, "off", bf16=bf16)["seconds"] for _ in range(3)]  # the machine's speed changes
        ratio = tiled["seconds"] / size**2 / (statistics.median(whole) / 1024**2)
        kind = "bfloat16" if bf16 else "float32"
        print(
            f"| {kind} | {mode} | {size} | {tiled['seconds'] / 60:.1f} | {ratio:.2f} | {tiled['gigabytes']:.2f} |",
            flush=True,
        )


KINDS: dict[str, tuple[str, list[str]]] = {
    "pix2pixHD": ("pix2pixhd", ["width=8"]),
    "pix2pixHD, one enhancer": ("pix2pixhd", ["width=8", "enhancers=1"]),
    "pix2pixHD, two enhancers": ("pix2pixhd", ["width=8", "enhancers=2"]),
    "SPADE": ("spade", ["width=4", "hidden=16"]),
    "pix2pix, ResNet-9": ("pix2pix", ["width=8", "generator=resnet_9blocks"]),
    "pix2pix, U-Net to a pixel": ("pix2pix", ["width=8", "generator=unet_128"]),
    "BicycleGAN, U-Net to a pixel": ("bicyclegan", ["width=8", "encoder_width=8", "generator=unet_128"]),
    "CycleGAN": ("cyclegan", ["width=8"]),
    "CUT": ("cut", ["width=8"]),
    "UNIT": ("unit", ["width=8"]),
    "MUNIT": ("munit", ["width=8"]),
    "cvae": ("cvae", ["width=8"]),
    "vae": ("vae", ["width=8"]),
    "autoencoder": ("autoencoder", ["width=8"]),
    "segment": ("segment", ["width=8"]),
}
"""Every kind of network, narrow: how far they look does not depend on their width."""


def diptych(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "diptych", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def trained(folder: Path, kind: str, pictures: int) -> tuple[Translator, list[Path]]:
    """A model of that kind, trained for so many pictures of 128 pixels, and the test pictures it translates."""
    method, options = KINDS[kind]
    pairs = inputs(find(method)) == ("source", "target")
    data, run = folder / ("pairs" if pairs else "apart"), folder / kind.replace(" ", "-").replace(",", "")
    if not data.exists():
        unpaired = [] if pairs else ["--unpaired"]
        diptych("data", "samples", "street", "--count", 100, "--size", 128, "--out", data, *unpaired)
    source, target = ("day", "labels") if method == "segment" else ("labels", "day") if pairs else ("day", "night")
    if not run.exists():
        given = [f"method.{option}" for option in options] + [f"data.direction={source}2{target}"] * pairs
        given += ["data.size=128", "train.batch=2", f"train.images={pictures}"]
        diptych("train", method, "--data", data, "--out", run, *given)
    return Translator.load(run, device="cpu"), sorted((data / "test" / source).glob("*.png"))


def at_random(translator: Translator) -> Translator:
    """The same networks with random weights that keep the variance; SPADE's result is brought to that of one."""
    torch.manual_seed(0)
    method = copy.deepcopy(translator.method)
    for module in method.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight)
    if isinstance(method, SPADE):
        made: list[torch.Tensor] = []
        watch = method.g.generator.head.register_forward_hook(lambda module, given, result: made.append(result))
        with torch.no_grad():
            method.translate(torch.rand(1, method.g.generator.blocks[0].norm1.shared.in_channels, 256, 256) * 2 - 1)
        watch.remove()
        method.g.generator.head.weight.div_(float(made[0].std()))
    return Translator(method, translator.card, device="cpu")


def methods(folder: Path, pictures: int, sizes: list[int], wanted: list[str]) -> None:
    """For every kind of network: how far tiles of 256 pixels are from the whole in dB, and in levels at most."""
    print("| network | " + " | ".join(f"{w}, {s}x{s}" for w in ("trained", "random") for s in sizes) + " |")
    print("|---|" + "---|" * 2 * len(sizes))
    for kind in KINDS:
        if not any(word in kind for word in wanted):
            continue
        model, sources = trained(folder, kind, pictures)
        found = []
        for translator in (model, at_random(model)):
            for size in sizes:
                picture = Picture(mosaic(sources, size))
                made = []
                for tiling in (Tiling("off"), Tiling("exact", size=256)):
                    translator.tiling = tiling
                    made.append(translator(picture).array)
                found.append(f"{decibels(*made):.1f} ({np.abs(made[0].astype(int) - made[1]).max()})")
        print(f"| {kind} | {' | '.join(found)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("--methods", type=Path, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", default=[""], help="of the methods those whose names have one of these")
    parser.add_argument("--images", type=int, default=200, help="that each method is trained for")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048])
    parser.add_argument("--large", type=int, default=8192)
    parser.add_argument("--only-large", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--make", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.photos, **json.loads(given.one))))
    elif given.make:
        images.write(given.make, mosaic(given.photos.glob("*.png"), given.large))
    elif given.methods:
        methods(given.methods, given.images, given.sizes, given.only)
    else:
        if not given.only_large:
            small(given.photos)
        if given.large:
            large(given.photos, given.large)


if __name__ == "__main__":
    main()
